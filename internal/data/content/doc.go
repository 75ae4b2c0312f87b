// Package content says what the bytes of a file are, and where they lie.
package content
