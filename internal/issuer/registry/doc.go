// Package registry keeps what administrators set up for the issuer: the
// connectors, each with the revisions that logins may still be on, the OIDC
// clients, and the issuer's settings.
//
// It says what may be stored and changed; package issuer says what a login
// does with it.
package registry
