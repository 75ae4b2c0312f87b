// Package store opens the store of objects that the configuration names, which may be
// away when pachd starts, and watches whether it can be used.
package store
