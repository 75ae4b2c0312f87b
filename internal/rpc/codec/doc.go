// Package codec is the codec of pachd's gRPC server: protobuf's, but for what ModifyFile is
// sent, two messages for each file and most of them small. Those are read where gRPC has
// received them, without a copy.
package codec
