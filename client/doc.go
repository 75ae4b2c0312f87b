// Package client connects Go programs to pachd: an address becomes one gRPC
// connection that carries the session token and has a stub for each service.
//
// A call fails at once when nobody listens, and its error says in plain words
// what went wrong: ReasonOf, FieldOf, NextOf, LineOf and MessageOf read it.
//
// Until the module has a home of its own, go get cannot fetch it: write in go.mod
//
//	require pachyderm v0.0.0
//	replace pachyderm => ../path/to/a/copy/of/this/repository
package client
