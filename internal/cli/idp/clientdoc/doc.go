// Package clientdoc is the document that an OIDC client is registered with: its
// keys, and what it asks pachd for.
package clientdoc
