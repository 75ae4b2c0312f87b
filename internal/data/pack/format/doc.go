// Package format is what a pack looks like: the magic; blobs, each sealed; their list,
// sealed; how long that is, in 4 bytes; the magic of the end.
//
// What is sealed begins with how it was compressed. Its nonce is its offset, so that the
// key of the pack never sees one twice, and it is bound to the pack and the blob.
package format
