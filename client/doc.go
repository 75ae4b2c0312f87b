// Package client connects Go programs to pachd: an address becomes one gRPC
// connection that carries the session token and has a stub for each service.
//
// A call fails at once when nobody listens, and its error says in plain words
// what went wrong: ReasonOf, FieldOf and MessageOf read it.
package client
