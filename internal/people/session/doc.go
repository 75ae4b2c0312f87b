// Package session is what somebody holds: how a session or a token begins, who
// stands behind it, and how it ends.
//
// A token is good while it is stored, has not expired and its holder passes
// identity.Gate; Verify asks all three for every call, from an exact memory.
// Each change is recorded in the transaction that makes it.
package session
