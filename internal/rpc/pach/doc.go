// Package pach serves pach_v1, our own part of the wire: how to sign in, who
// the people are and what they hold, and why somebody may do something.
package pach
