// Package blobtest holds every blob.Store to one contract, and has a store that fails
// as a test wants it to.
package blobtest
