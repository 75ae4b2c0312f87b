// Package kit is what all commands of pachctl share: the streams and the
// environment, how they connect to pachd, ask, print and fail, and the flags,
// arguments and documents that several of them take.
//
// What one noun needs alone belongs to the package of that noun.
package kit
