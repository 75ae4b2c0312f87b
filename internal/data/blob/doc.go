// Package blob says what pachd asks of a place for large objects: write one whole,
// read parts of it, delete it, list them all. Package dir is a directory of the
// machine, package s3 a bucket of an object store.
package blob
