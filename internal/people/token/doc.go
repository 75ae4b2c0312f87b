// Package token issues, verifies and revokes the tokens that programs send
// with each call. Only their SHA-256 is stored; the token itself is seen once.
//
// It does not know what a subject may do (package access), nor whether the
// person behind it is still welcome (identity.Gate).
package token
