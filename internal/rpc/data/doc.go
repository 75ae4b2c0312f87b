// Package data serves data_v1.API: what pachd says of versioned data, and takes, that
// upstream has no call for.
package data
