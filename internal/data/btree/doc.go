// Package btree keeps one directory of a file tree as a B-tree of its entries whose
// shape depends on what they are and not on how they came to be: how nodes are stored,
// read, and written anew where something changes.
package btree
