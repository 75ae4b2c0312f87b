// Package edits receives what ModifyFile is sent: two messages for each file, most of
// them small. Those are read where gRPC has received them, without a copy.
package edits
