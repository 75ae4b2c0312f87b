package db

import (
	"cmp"
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"pachyderm/internal/db/dial"
	"pachyderm/internal/db/migrations"
	"pachyderm/internal/fault"
)

// maxConns bounds the pool where nobody says how.
const maxConns = 32

// maxIdleTime is after how long a connection that nobody uses is closed. Until then it is
// kept: where eight were, 32 people who signed in at once spent a third of the processor
// time on connecting.
const maxIdleTime = 5 * time.Minute

type postgresEngine struct {
	options Options
	config  *pgx.ConnConfig
	// direct is config, or that of Options.ListenURL.
	direct *pgx.ConnConfig
}

// PostgreSQL vacuums by itself.
func (postgresEngine) shrink(context.Context, *sql.DB) error { return nil }

func (postgresEngine) name() string { return "postgres" }

func newPostgres(o Options) (engine, error) {
	config, err := o.parse("database.url", o.URL)
	if err != nil || o.ListenURL == "" {
		return postgresEngine{o, config, config}, err
	}
	direct, err := o.parse("database.listenURL", o.ListenURL)
	if err != nil {
		return nil, err
	}
	// What is prepared stays with a connection of the server, and the pooler lends
	// another for the next transaction.
	if config.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return postgresEngine{o, config, direct}, nil
}

// parse reads a URL, with what Options have beside it. Fault: Invalid.
func (o Options) parse(key, text string) (*pgx.ConnConfig, error) {
	// pgx's own messages repeat the URL, and with it perhaps the password.
	invalid := fault.New(fault.Invalid, "%s is not a PostgreSQL URL", key).
		Next("write postgres://user:password@host:5432/database").At(key)
	u, err := url.Parse(text)
	if err != nil {
		return nil, invalid
	}
	files := dial.Files{RootCert: o.RootCert, Cert: o.Cert, Key: o.Key}
	if err := files.AddTo(u, key); err != nil {
		return nil, err
	}
	config, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, cmp.Or(files.Refused(), error(invalid))
	}
	config.DialFunc = dial.Dialer().DialContext
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "pachd"
	}
	return config, nil
}

// beforeConnect lets the password change while pachd runs.
func (e postgresEngine) beforeConnect(_ context.Context, c *pgx.ConnConfig) (err error) {
	if e.options.Password != nil {
		c.Password, err = e.options.Password()
	}
	return err
}

func (e postgresEngine) open(ctx context.Context) (read, write *sql.DB, err error) {
	pool := e.pool(e.config)
	pool.SetMaxOpenConns(cmp.Or(e.options.MaxConns, maxConns))
	pool.SetMaxIdleConns(e.options.maxIdle())
	pool.SetConnMaxIdleTime(maxIdleTime)
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	pooled, err := isPooled(ctx, pool)
	switch {
	case err != nil:
		return nil, nil, errors.Join(e.refused(err), pool.Close())
	case pooled && e.direct == e.config:
		return nil, nil, errors.Join(errPooled(), pool.Close())
	}
	return pool, pool, nil
}

// isPooled reports whether somebody answers in place of the server: whoever lends
// out its connections tells clients another process id than the server's.
func isPooled(ctx context.Context, pool *sql.DB) (pooled bool, err error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var real uint32
	if err := conn.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&real); err != nil {
		return false, err
	}
	err = conn.Raw(func(c any) error {
		if c, ok := c.(*stdlib.Conn); ok {
			pooled = c.Conn().PgConn().PID() != real
		}
		return nil
	})
	return pooled, err
}

func (e postgresEngine) pool(c *pgx.ConnConfig) *sql.DB {
	return stdlib.OpenDB(*c, stdlib.OptionBeforeConnect(e.beforeConnect))
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
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return fault.New(fault.Unavailable, "the certificate of PostgreSQL at %s is not accepted: %v", where, certificate.Err).
			Next("name the CA that signed it in database.sslRootCert, and the host that it was made for in database.url").Because(err)
	}
	return fault.New(fault.Unavailable, "PostgreSQL at %s does not answer", where).
		Next("start it or correct database.url").Because(err)
}

// migrateLock is the key of the advisory lock that is held while the schema
// changes: "pachdb" in ASCII.
const migrateLock = 0x706163686462

// migrate takes turns with replicas that start at the same moment, and does not
// wait for them where there is nothing to do. What is bound to a connection, such
// as the lock, needs one that no pooler lends to others.
func (e postgresEngine) migrate(ctx context.Context, write *sql.DB) (err error) {
	if e.direct != e.config {
		write = e.pool(e.direct)
		defer func() { err = errors.Join(err, write.Close()) }()
	}
	if has, err := schemaVersion(ctx, e, write); err != nil || has == migrations.Latest() {
		return err
	}
	conn, err := write.Conn(ctx)
	if err != nil {
		return err
	}
	// A connection that is closed has no lock any more, whatever became of it.
	defer func() {
		_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		_ = conn.Close()
	}()
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(migrateLock)); err != nil {
		return fmt.Errorf("wait for other replicas to bring the schema up to date: %w", err)
	}
	return migrations.Up(ctx, goose.DialectPostgres, write)
}

func (postgresEngine) isUndefined(err error) bool { return sqlState(err) == undefinedTable }

func (e postgresEngine) look(ctx context.Context) (*sql.DB, error) {
	read, _, err := e.open(ctx)
	return read, err
}

func (postgresEngine) bytewise() string { return ` COLLATE "C"` }

// What has no user is no session, such as a worker that vacuums. More than that
// PostgreSQL tells of sessions only to those who may see them.
func (postgresEngine) others(ctx context.Context, t *Tx) (n int64, err error) {
	return n, t.Row(ctx, []any{&n}, `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND usesysid IS NOT NULL`)
}

// undefinedTable is a state of SQL (PostgreSQL, appendix A).
const undefinedTable = "42P01"

// errPooled is for an address that leads through a pooler that nobody has told
// us of.
func errPooled() *fault.Error {
	return fault.New(fault.Precondition, "database.url leads to a pooler, such as pgbouncer, in place of PostgreSQL").
		Next("name the address of PostgreSQL itself in database.listenURL; replicas hear of changes there").At("database.url")
}

// By default each statement would see what was committed before it.
func (postgresEngine) readOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (postgresEngine) writeOptions() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelSerializable}
}

// unsynced is serializable as well, and told from the others by its address.
var unsynced = sql.TxOptions{Isolation: sql.LevelSerializable} //nolint:gochecknoglobals // constant

func (postgresEngine) unsyncedOptions() *sql.TxOptions { return &unsynced }

func (postgresEngine) begun(ctx context.Context, t *sql.Tx, opts *sql.TxOptions) error {
	if opts != &unsynced {
		return nil
	}
	_, err := t.ExecContext(ctx, `SET LOCAL synchronous_commit TO off`)
	return err
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
		errors.Is(err, io.ErrUnexpectedEOF), // of a server that was killed
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
