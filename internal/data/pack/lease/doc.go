// Package lease renews the leases of the packs of all sessions of a process, in one
// transaction for all of them.
package lease
