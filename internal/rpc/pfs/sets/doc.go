// Package sets serves the part of pfs_v2 that is about file sets and the cache of
// pipelines: it decodes, asks whether the caller may, calls the domain and encodes.
package sets
