// Package cli is pachctl: the commands, one file per noun, the configuration
// file they share with upstream's client, and the sign-in by browser or device.
//
// It speaks to pachd through package client only. Every failure leaves as one
// line "pachctl: what went wrong: what to do" and an exit code.
package cli
