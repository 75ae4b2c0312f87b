// Package bundle gathers small files, in the order in which they are closed, into blobs.
package bundle
