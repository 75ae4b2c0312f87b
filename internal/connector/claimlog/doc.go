// Package claimlog carries what an identity provider says of a person, and what
// each part of it is used as, out of a connector test. Any other sign-in has no
// log, and nothing is kept of it.
package claimlog
