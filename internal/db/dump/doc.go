// Package dump moves all that a database holds into a sealed file, and into another
// database, of the same engine or the other.
//
// A dump is a line with the version of its form, and then what secret.SealTo makes of
// the rows of all tables, each table in the order of its primary key: two databases
// that hold the same have the same rows sealed. Which tables there are the migrations
// say (migrations.Schema).
package dump
