// Package clientauth makes the requests in which the client of an OpenID Connect
// provider authenticates: for tokens, and to revoke them. It chooses how
// (OpenID Connect Core, 9), and words what the provider refuses. What the tokens
// say is for package oidc to check.
package clientauth
