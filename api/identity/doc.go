// Package identity is the wire of identity_v2: identity provider connectors and
// OIDC clients, as upstream's clients speak it. Generated; rpc serves it.
package identity
