// Package prepared is SQLite's driver with statements that stay prepared.
package prepared
