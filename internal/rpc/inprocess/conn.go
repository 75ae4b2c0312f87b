package inprocess

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Conn is the connection. A call is of the caller whose token is in its metadata, and
// of the network that its context knows.
type Conn struct {
	Unary  grpc.UnaryServerInterceptor
	Stream grpc.StreamServerInterceptor

	methods map[string]method
	streams map[string]stream
}

type method struct {
	desc grpc.MethodDesc
	impl any
}

type stream struct {
	desc grpc.StreamDesc
	impl any
}

// Register adds a service; call it before the connection is used.
func (c *Conn) Register(desc *grpc.ServiceDesc, impl any) {
	if c.methods == nil {
		c.methods, c.streams = map[string]method{}, map[string]stream{}
	}
	for _, m := range desc.Methods {
		c.methods["/"+desc.ServiceName+"/"+m.MethodName] = method{m, impl}
	}
	for _, s := range desc.Streams {
		c.streams["/"+desc.ServiceName+"/"+s.StreamName] = stream{s, impl}
	}
}

func incoming(ctx context.Context) context.Context {
	if md, ok := metadata.FromOutgoingContext(ctx); ok {
		return metadata.NewIncomingContext(ctx, md)
	}
	return ctx
}

// Invoke runs a method.
func (c *Conn) Invoke(ctx context.Context, name string, args, reply any, _ ...grpc.CallOption) error {
	m, ok := c.methods[name]
	if !ok {
		return status.Errorf(codes.Unimplemented, "unknown method %s", name)
	}
	out, err := m.desc.Handler(m.impl, incoming(ctx), func(into any) error {
		proto.Merge(into.(proto.Message), args.(proto.Message))
		return nil
	}, c.Unary)
	if err != nil {
		return err
	}
	message, ok := out.(proto.Message)
	if !ok {
		return fmt.Errorf("%s answered with %T", name, out)
	}
	proto.Merge(reply.(proto.Message), message)
	return nil
}

// NewStream runs a method that answers with a stream. Those that are asked by one are
// refused: whoever has them has gRPC.
func (c *Conn) NewStream(ctx context.Context, desc *grpc.StreamDesc, name string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	s, ok := c.streams[name]
	switch {
	case !ok:
		return nil, status.Errorf(codes.Unimplemented, "unknown method %s", name)
	case desc.ClientStreams:
		return nil, status.Errorf(codes.Unimplemented, "%s takes a stream of messages, which needs gRPC: use pachctl or a client library", name)
	}
	ctx, cancel := context.WithCancel(ctx)
	return &call{ctx: ctx, cancel: cancel, run: func(answers *answers) error {
		info := &grpc.StreamServerInfo{FullMethod: name, IsServerStream: s.desc.ServerStreams}
		return c.Stream(s.impl, answers, info, s.desc.Handler)
	}}, nil
}
