// Package batch has the changes of writers who wait in line for a database that takes one
// at a time committed together.
package batch
