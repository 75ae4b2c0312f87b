// Package dbtest gives each test a fresh database: SQLite and PostgreSQL, both
// real. It starts one PostgreSQL per test process when PACH_TEST_POSTGRES does
// not name one, and a machine without PostgreSQL fails the test.
package dbtest
