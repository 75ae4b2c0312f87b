// Package jws signs the tokens of the issuer with its current key and checks
// those that it has signed. Each kind has a type of its own in the header (RFC
// 8725, 3.11), so that none passes for another.
package jws
