// Package clientauth makes the requests in which the client of an OpenID Connect
// provider authenticates: for tokens, to revoke them, and to push an authorization
// request (RFC 9126). It chooses how (OpenID Connect Core, 9), and words what the
// provider refuses. What the tokens say is for package oidc to check.
package clientauth
