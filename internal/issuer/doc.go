// Package issuer is the OpenID Connect issuer that everybody signs in at: Dex's
// handlers, composed on our storage, with our rules in front of them.
//
// It owns the binding of a login to a browser and to one revision of its
// connector, and the way a failed login ends; what administrators store is
// package registry's. Only the packages here and below connector know Dex.
package issuer
