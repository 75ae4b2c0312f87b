// Package dexstore keeps Dex's objects in our own database: each a sealed JSON
// document with a version, under its kind and id.
//
// It implements Dex's storage.Storage and is held to Dex's conformance suites.
// It knows nothing of what the objects mean; package issuer does.
package dexstore
