// Package shrink gives back to the disk what deleted rows have left in a file of SQLite's.
package shrink
