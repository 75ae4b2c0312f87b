package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"pachyderm/internal/fault"
)

type postgresEngine struct{ config *pgx.ConnConfig }

// PostgreSQL vacuums by itself.
func (postgresEngine) shrink(context.Context, *sql.DB) error { return nil }

func (postgresEngine) name() string { return "postgres" }

func newPostgres(url string) (engine, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		// pgx's own message repeats the URL, and with it perhaps the password.
		return nil, fault.New(fault.Invalid, "database.url is not a PostgreSQL URL").
			Next("write postgres://user:password@host:5432/database").At("database.url")
	}
	return postgresEngine{config}, nil
}

func (e postgresEngine) open(ctx context.Context) (read, write *sql.DB, err error) {
	pool := stdlib.OpenDB(*e.config)
	pool.SetMaxOpenConns(32)
	pool.SetMaxIdleConns(maxIdle)
	pool.SetConnMaxIdleTime(5 * time.Minute)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := pool.PingContext(ctx); err != nil {
		return nil, nil, errors.Join(e.refused(err), pool.Close())
	}
	return pool, pool, nil
}

// refused keeps the password out: pgx puts user and database into its text,
// which is right for the log of the operator who starts pachd.
func (e postgresEngine) refused(err error) error {
	where := net.JoinHostPort(e.config.Host, fmt.Sprint(e.config.Port))
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return fault.New(fault.Unavailable, "PostgreSQL at %s refuses: %s", where, pg.Message).
			Next("check user, password and database name in database.url").Because(err)
	}
	return fault.New(fault.Unavailable, "PostgreSQL at %s does not answer", where).
		Next("start it or correct database.url").Because(err)
}

func (e postgresEngine) migrate(ctx context.Context, write *sql.DB) error {
	// Replicas that start together take turns.
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return err
	}
	return migrate(ctx, goose.DialectPostgres, write, goose.WithSessionLocker(locker))
}

func (postgresEngine) writeOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelSerializable}
}

func (postgresEngine) isDuplicate(err error) bool { return sqlState(err) == "23505" }

func (postgresEngine) isConflict(err error) bool {
	s := sqlState(err)
	return s == "40001" || s == "40P01"
}

func (postgresEngine) announce(ctx context.Context, t *Tx, payload string) error {
	_, err := t.Exec(ctx, `SELECT pg_notify($1, $2)`, channel, payload)
	return err
}

// listen uses a connection of its own. It asks the server for a sign of life
// each second, because a network that drops everything looks like silence.
func (e postgresEngine) listen(ctx context.Context, ready func(), receive func(payload string)) error {
	conn, err := pgx.ConnectConfig(ctx, e.config)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	ready()
	for {
		wait, cancel := context.WithTimeout(ctx, time.Second)
		n, err := conn.WaitForNotification(wait)
		cancel()
		switch {
		case err == nil:
			receive(n.Payload)
		case ctx.Err() != nil:
			return nil
		case wait.Err() != nil && !conn.IsClosed():
			alive, cancel := context.WithTimeout(ctx, time.Second)
			err := conn.Ping(alive)
			cancel()
			if err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// isLost tells a connection that has died from a server that lets nobody in.
func (e postgresEngine) isLost(err error) bool {
	var connect *pgconn.ConnectError
	late := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	return !late && !errors.As(err, &connect) && e.unavailable(err) != nil
}

func (postgresEngine) unavailable(err error) *fault.Error {
	var connect *pgconn.ConnectError
	var network net.Error
	s := sqlState(err)
	switch {
	case errors.As(err, &connect), errors.As(err, &network), errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrConnDone),
		pgconn.SafeToRetry(err), strings.HasPrefix(s, "08"), strings.HasPrefix(s, "57P"), strings.HasPrefix(s, "53"):
		return fault.New(fault.Unavailable, "the database does not answer").
			Next("try again shortly; if it stays so, tell an administrator")
	}
	return nil
}

func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
