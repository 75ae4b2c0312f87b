// Command datafloor is a server that does of a stream of files only what any server over
// gRPC has to do, for "make bench" to measure beside pachd: it receives what ModifyFile
// and ModifyFiles are sent and keeps nothing, and answers ListFile with as many constant files as the
// pagination number says. It serves on a loopback address until it is killed.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api"
	datapb "pachyderm/api/data"
	pb "pachyderm/api/pfs"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "datafloor:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("datafloor", flag.ContinueOnError)
	address := flags.String("listen", "", "loopback address to serve on")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *address) //nolint:noctx // until it is killed
	if err != nil {
		return err
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(api.MaxBytes))
	pb.RegisterAPIServer(s, server{})
	datapb.RegisterAPIServer(s, many{})
	return s.Serve(listener)
}

type server struct{ pb.UnimplementedAPIServer }

// ModifyFile receives.
func (server) ModifyFile(stream pb.API_ModifyFileServer) error {
	return receive(stream, &emptypb.Empty{})
}

type many struct{ datapb.UnimplementedAPIServer }

// ModifyFiles receives many changes in each message.
func (many) ModifyFiles(stream datapb.API_ModifyFilesServer) error {
	return receive(stream, &datapb.ModifyFilesResponse{})
}

// receive answers once all has come.
func receive[Req, Res any](stream grpc.ClientStreamingServer[Req, Res], answer *Res) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			return stream.SendAndClose(answer)
		} else if err != nil {
			return err
		}
	}
}

// ListFile sends.
func (server) ListFile(req *pb.ListFileRequest, stream pb.API_ListFileServer) error {
	commit := req.GetFile().GetCommit()
	commit.Id = "0123456789abcdef0123456789abcdef"
	info := &pb.FileInfo{
		File: &pb.File{Commit: commit, Path: "/d0000/f0000", Datum: "default"}, FileType: pb.FileType_FILE,
		Committed: &timestamppb.Timestamp{Seconds: 1 << 30, Nanos: 1 << 20}, SizeBytes: 100, Hash: make([]byte, 32),
	}
	for range req.GetNumber() {
		if err := stream.Send(info); err != nil {
			return err
		}
	}
	return nil
}
