// Package aside puts what a writer has in memory into the store for a while, sealed, in
// an object of its own that nothing names: the sweep takes what is never taken back.
package aside
