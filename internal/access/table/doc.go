// Package table is the map that decisions look names up in: immutable, hashed
// once for many look-ups, and quick to say that a name is absent. It knows
// nothing of what its values mean.
package table
