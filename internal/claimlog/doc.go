// Package claimlog carries out of a sign-in what its connector did, what the
// identity provider said of the person, and what each part of it was used as.
package claimlog
