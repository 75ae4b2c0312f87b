// Package fault is the project's vocabulary of errors: a kind for programs and
// a message for people.
//
// Domain packages return faults or wrap them with %w; rpc and web turn the kind
// into a status code, once, at the edge. The cause stays behind for the log.
package fault
