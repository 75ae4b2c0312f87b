package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"pachyderm/internal/db/migrations"
	"pachyderm/internal/db/prepared"
	"pachyderm/internal/db/shrink"
	"pachyderm/internal/fault"
)

type sqliteEngine struct{ path string }

func (sqliteEngine) name() string { return "sqlite" }

// busyTimeout is how long a statement waits for a lock, in milliseconds.
const busyTimeout = 10000

// open uses one writing connection, because SQLite has one writer and waiting
// in Go is fairer than waiting in its busy handler, and several reading ones.
func (e sqliteEngine) open(ctx context.Context) (read, write *sql.DB, err error) {
	if err := e.create(); err != nil {
		return nil, nil, err
	}
	// Whether a file can shrink is decided before there is anything in it.
	pragmas := fmt.Sprintf("?_pragma=busy_timeout(%d)", busyTimeout) +
		"&_pragma=auto_vacuum(2)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=journal_size_limit(4194304)"
	write, err = sql.Open(prepared.SQLite(), "file:"+uriPath(e.path)+pragmas)
	if err != nil {
		return nil, nil, err
	}
	write.SetMaxOpenConns(1)
	if err := write.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(
			fault.New(fault.Precondition, "cannot open the database %s: %s", e.path, e.reason(err)).Because(err), write.Close())
	}
	read, err = sql.Open(prepared.SQLite(), "file:"+uriPath(e.path)+pragmas+"&_pragma=query_only(1)")
	if err != nil {
		return nil, nil, errors.Join(err, write.Close())
	}
	read.SetMaxOpenConns(max(4, runtime.GOMAXPROCS(0)))
	read.SetMaxIdleConns(max(4, runtime.GOMAXPROCS(0)))
	return read, write, nil
}

// look opens the file to be read alone; it is nil if there is none.
func (e sqliteEngine) look(context.Context) (*sql.DB, error) {
	if _, err := os.Stat(e.path); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return sql.Open("sqlite", fmt.Sprintf("file:%s?mode=ro&_pragma=busy_timeout(%d)", uriPath(e.path), busyTimeout))
}

func (sqliteEngine) isUndefined(err error) bool {
	return err != nil && code(err) == sqlite3.SQLITE_ERROR && strings.Contains(err.Error(), "no such table")
}

// Its own order is that of the bytes.
func (sqliteEngine) bytewise() string { return "" }

func (sqliteEngine) others(context.Context, *Tx) (int64, error) { return 0, nil }

// create makes the file first, so that only its owner can read it; SQLite
// itself would follow the umask.
func (e sqliteEngine) create() error {
	f, err := os.OpenFile(e.path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fault.New(fault.Precondition, "cannot write the database %s", e.path).
			Next("give pachd a directory that it may write, with --data-dir").Because(err)
	}
	return f.Close()
}

func uriPath(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		p = abs
	}
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(p)
}

func (sqliteEngine) reason(err error) string {
	if code(err) == sqlite3.SQLITE_NOTADB {
		return "the file is not a SQLite database; move it away or restore a backup"
	}
	return "check that the file is intact and that its directory may be written"
}

func (e sqliteEngine) migrate(ctx context.Context, write *sql.DB) error {
	if err := migrations.Up(ctx, goose.DialectSQLite3, write); err != nil {
		return err
	}
	if err := shrink.Prepare(ctx, write); err != nil {
		return err
	}
	// What changes that are committed together need to be undone alone would be written to
	// a file beyond 64 KiB, in a directory that a container may not have. In memory it is what
	// a change overwrites, until it is committed; one of very many rows needs none
	// (UpdateBulk). Migrations sort whole tables, which is left to files.
	_, err := write.ExecContext(ctx, "PRAGMA temp_store = MEMORY")
	return err
}

func (e sqliteEngine) shrink(ctx context.Context, write *sql.DB) error {
	return shrink.File(ctx, write, e.path, busyTimeout)
}

func (sqliteEngine) readOptions() *sql.TxOptions { return &sql.TxOptions{ReadOnly: true} }

func (sqliteEngine) writeOptions() *sql.TxOptions { return nil }

func (sqliteEngine) unsyncedOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: prepared.Unsynced}
}

func (sqliteEngine) begun(context.Context, *sql.Tx, *sql.TxOptions) error { return nil }

func (sqliteEngine) isDuplicate(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY || c == sqlite3.SQLITE_CONSTRAINT_UNIQUE
}

func (sqliteEngine) isConflict(err error) bool {
	c := code(err) & 0xff
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// One process has a SQLite database, so there is nobody else to notify.
func (sqliteEngine) announce(context.Context, *Tx, string) error { return nil }

func (sqliteEngine) listen(context.Context, listener) error { return nil }

func (sqliteEngine) isLost(error) bool { return false }

func (e sqliteEngine) unavailable(err error) *fault.Error {
	switch code(err) & 0xff {
	case sqlite3.SQLITE_FULL:
		return fault.New(fault.Unavailable, "the disk that holds the database is full").
			Next("free some space on %s; nothing that was acknowledged is lost", filepath.Dir(e.path))
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY:
		return fault.New(fault.Unavailable, "the database cannot be read or written").
			Next("an administrator should look at pachd's disk")
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.New(fault.Unavailable, "the database is damaged").
			Next("an administrator should restore a backup")
	}
	return nil
}

func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}
