// Package witness carries what an identity provider says of a person, and what
// each part of it is used as, out of a trial sign-in. Any other sign-in has no
// witness, and nothing is kept of it.
package witness
