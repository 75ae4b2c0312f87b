// Package api holds the wire, one folder per protobuf package: the .proto files
// by hand, the Go beside them generated.
//
// All but pach_v1 are upstream's contract, to the field number. wire_test.go
// shows the whole of it on one page; a change there is a change for clients.
package api
