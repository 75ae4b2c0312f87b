// Package pfs serves pfs_v2, the service of versioned data: it decodes, asks whether
// the caller may, calls the domain and encodes. What one may not see is not there
// (decision 0008).
package pfs
