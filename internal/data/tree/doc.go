// Package tree keeps the files of a commit as a Merkle tree of directories, each a
// B-tree of its entries whose shape depends on what it holds and not on how it came
// to be (a "prolly tree"). So equal files have equal roots, and what two trees have
// in common is skipped, whatever was done to get there.
//
// A node has an id, of its stored bytes, and a hash, of the content that it stands
// for: names, datums, sizes and hashes of files, never where their bytes lie.
package tree
