// Package signing makes the issuer's signing keys, and replaces them in time.
package signing
