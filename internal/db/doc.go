// Package db opens the database and runs transactions on it: View to read,
// Update to change, retried when the database asks for it.
//
// It is the only place that knows SQLite from PostgreSQL. Every other package
// writes one SQL text for both, in the subset that CONTRIBUTING.md lists, and
// owns its tables; driver errors end here as faults.
package db
