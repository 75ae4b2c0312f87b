// Package pending keeps in memory what a crash may forget of sign-ins that are under
// way: auth requests, and codes that nobody has redeemed. It is for a database that one
// process has (SQLite); replicas share rows.
package pending
