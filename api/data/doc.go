// Package data holds the messages and client of data_v1.API: what pachd says of versioned
// data and upstream has no call for.
package data
