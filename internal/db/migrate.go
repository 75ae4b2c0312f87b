package db

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/pressly/goose/v3"

	"pachyderm/internal/fault"
)

//go:embed migrations/*.sql
var migrations embed.FS

func engineFor(o Options) (engine, error) {
	scheme, rest, found := strings.Cut(o.URL, ":")
	switch {
	case found && scheme == "sqlite" && rest != "":
		path, err := url.PathUnescape(strings.TrimPrefix(rest, "//"))
		if err != nil {
			return nil, fault.New(fault.Invalid, "database.url: the path is not valid").At("database.url")
		}
		return sqliteEngine{path}, nil
	case found && (scheme == "postgres" || scheme == "postgresql"):
		return newPostgres(o)
	}
	return nil, fault.New(fault.Invalid, "database.url must begin with sqlite: or postgres:").At("database.url")
}

// checkMigrated refuses a database that migrate would change.
func (d *DB) checkMigrated(ctx context.Context, pool *sql.DB) error {
	dialect := goose.DialectSQLite3
	if d.engine.name() == "postgres" {
		dialect = goose.DialectPostgres
	}
	p, err := provider(dialect, pool)
	if err != nil {
		return err
	}
	var has int64
	// The provider would make its table where there is none.
	if err := pool.QueryRowContext(ctx, `SELECT MAX(version_id) FROM goose_db_version`).Scan(&has); err != nil {
		has = 0
	}
	if knows := latest(p); has != knows {
		return fault.New(fault.Precondition, "the database has schema version %d, and this pachd needs %d", has, knows).
			Next("start this pachd on it first, which brings it up to date")
	}
	return nil
}

// migrate brings the schema up to date, and refuses one that a newer pachd has
// made: running on it could destroy what this version does not know.
func migrate(ctx context.Context, dialect goose.Dialect, pool *sql.DB) error {
	p, err := provider(dialect, pool)
	if err != nil {
		return err
	}
	has, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	if knows := latest(p); has > knows {
		return fault.New(fault.Precondition, "the database has schema version %d, this pachd knows versions up to %d", has, knows).
			Next("start the newer pachd that made it, or restore a backup from before the upgrade")
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("bring the schema up to date: %w", err)
	}
	return nil
}

func provider(dialect goose.Dialect, pool *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, pool, files, goose.WithDisableGlobalRegistry(true))
}

// latest is the version of the schema that this pachd makes.
func latest(p *goose.Provider) int64 {
	sources := p.ListSources()
	return sources[len(sources)-1].Version
}
