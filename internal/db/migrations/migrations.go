package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // for what the migrations make, in memory

	"pachyderm/internal/fault"
)

//go:embed *.sql
var files embed.FS

// Up brings the schema up to date, and refuses one that a newer pachd has
// made: running on it could destroy what this version does not know.
func Up(ctx context.Context, dialect goose.Dialect, pool *sql.DB) error {
	p, err := provider(dialect, pool)
	if err != nil {
		return err
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if err := NotNewer(has); err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}

func provider(dialect goose.Dialect, pool *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true))
}

// Migration is a change of the schema that has a version.
type Migration struct {
	Version int64
	Name    string // of its file, without number and ending
}

// All are the migrations that this pachd knows, by version.
func All() []Migration {
	paths, _ := fs.Glob(files, "*.sql") // the pattern is good
	all := make([]Migration, len(paths))
	for n, path := range paths {
		number, name, _ := strings.Cut(strings.TrimSuffix(path, ".sql"), "_")
		version, _ := strconv.ParseInt(number, 10, 64) // goose refuses another name
		all[n] = Migration{version, name}
	}
	return all
}

// Latest is the version of the schema that this pachd makes.
func Latest() int64 {
	all := All()
	return all[len(all)-1].Version
}

// NotNewer refuses the schema of a newer pachd. Fault: Precondition.
func NotNewer(has int64) error {
	knows := Latest()
	if has <= knows {
		return nil
	}
	return fault.New(fault.Precondition, "the database has schema version %d, this pachd knows versions up to %d", has, knows).
		Next("start the newer pachd that made it, or restore a backup from before the upgrade")
}
