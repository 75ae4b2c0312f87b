// Package keyset has the keys that an issuer publishes to check its tokens with
// (RFC 7517, 5), and keeps up with their rotation.
package keyset
