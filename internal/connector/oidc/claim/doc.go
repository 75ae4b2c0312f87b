// Package claim reads the claims of an OpenID Connect provider strictly: a claim
// of the wrong type is refused, and never becomes another.
package claim
