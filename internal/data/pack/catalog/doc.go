// Package catalog is the database's part of packs: which there are, and where in them
// blobs are.
package catalog
