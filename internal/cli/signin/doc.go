// Package signin is how a person gets a session with pachctl and ends it: in a
// browser on this machine (loopback), in one elsewhere (device), with an ID
// token, or with a token that they have already.
package signin
