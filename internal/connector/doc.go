// Package connector knows the types of connectors: how a document of each type
// is checked, opened and probed, and which of its values are secrets.
//
// The oidc connector is our own (package oidc); the others are Dex's. What a
// connector document belongs to, and who may change it, is package issuer's.
package connector
