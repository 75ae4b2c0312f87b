package dbtest_test

import (
	"database/sql"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"

	"pachyderm/internal/db/dbtest"
)

func TestCounter_CountsTransactionsAndStatements(t *testing.T) {
	c, through := dbtest.NewCounter(t, dbtest.PostgresURL(t))
	pool, err := sql.Open("pgx", through)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Close() }()
	exec := func(e interface {
		Exec(string, ...any) (sql.Result, error)
	}, statement string, args ...any,
	) {
		t.Helper()
		if _, err := e.Exec(statement, args...); err != nil {
			t.Fatal(err)
		}
	}
	inTransaction := func(end func(*sql.Tx) error, values ...int) {
		t.Helper()
		tx, err := pool.Begin()
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			exec(tx, "INSERT INTO numbers (n) VALUES ($1)", v)
		}
		if err := end(tx); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name                     string
		do                       func()
		transactions, statements int64
	}{
		{"a statement of its own", func() { exec(pool, "CREATE TABLE numbers (n BIGINT UNIQUE)") }, 1, 1},
		{"BEGIN, two statements, COMMIT", func() { inTransaction((*sql.Tx).Commit, 1, 2) }, 1, 4},
		{"BEGIN, one statement, ROLLBACK", func() { inTransaction((*sql.Tx).Rollback, 3) }, 1, 3},
		{"a statement that fails", func() {
			if _, err := pool.Exec("INSERT INTO numbers (n) VALUES ($1)", 1); err == nil {
				t.Error("the same number was stored twice")
			}
		}, 1, 1},
		{"nothing", func() {}, 0, 0},
	} {
		transactions, statements := c.Counts()
		step.do()
		afterwards, all := c.Counts()
		if afterwards-transactions != step.transactions || all-statements != step.statements {
			t.Errorf("%s: %d transactions and %d statements, want %d and %d", step.name,
				afterwards-transactions, all-statements, step.transactions, step.statements)
		}
	}
}
