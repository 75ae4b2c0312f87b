// Package files serves the part of pfs_v2 that is about files: it decodes, asks whether
// the caller may, calls the domain and encodes.
package files
