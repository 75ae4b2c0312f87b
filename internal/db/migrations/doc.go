// Package migrations has the changes of the schema, by version, for both databases, and
// knows what they make.
//
// They only add, so that a pachd that runs goes on when a newer one has brought the
// schema up to date (decision 0030).
package migrations
