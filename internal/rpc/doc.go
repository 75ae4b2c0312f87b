// Package rpc is the gRPC face of pachd: it decodes a request, calls the
// package that owns the matter, and encodes its answer.
//
// policy.go says, for every method, who may call it; interceptors enforce that
// and turn faults into status codes. A handler longer than a screen hides a
// rule that belongs elsewhere.
package rpc
