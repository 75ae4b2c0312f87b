// Package connector knows the types of connectors: how a document of each type
// is checked and opened, which of its values are secrets, what an opened
// connector can do (contract.go), and how its provider is pinged and checked.
//
// The types oidc, saml, ldap and oauth are our own, each a package; the others
// are Dex's, adapted in package dex. What a connector document belongs to, and
// who may change it, is package issuer's.
package connector
