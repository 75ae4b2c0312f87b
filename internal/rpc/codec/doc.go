// Package codec is the codec of pachd's gRPC server: protobuf's, but for what carries files.
// What ModifyFile and ModifyFiles are sent, most of it small, is read where gRPC has received
// it, and long bytes of files are sent from where they are, both without a copy. What was
// compressed is expanded within a bound.
package codec
