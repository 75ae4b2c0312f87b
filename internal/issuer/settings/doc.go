// Package settings has the issuer's settings as upstream names them, and what may
// be set.
package settings
