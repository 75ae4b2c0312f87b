// Package auth is the wire of auth_v2: sessions, tokens, groups, roles and role
// bindings, as upstream's clients speak it. Generated; rpc serves it.
package auth
