// Package cli is pachctl: the tree of commands, of which each noun has a package
// below, and those about pachctl and its installation as a whole.
//
// It speaks to pachd through package client only. Every failure leaves as one
// line "pachctl: what went wrong: what to do" and an exit code.
package cli
