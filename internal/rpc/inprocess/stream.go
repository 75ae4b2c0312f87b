package inprocess

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// call is a stream as its caller has it: one message goes, and then many come.
type call struct {
	ctx    context.Context //nolint:containedctx // grpc.ClientStream has one
	cancel context.CancelFunc
	run    func(*answers) error

	request proto.Message
	answers *answers
}

// Header is grpc.ClientStream's: there is none.
func (c *call) Header() (metadata.MD, error) { return metadata.MD{}, nil }

// Trailer is grpc.ClientStream's: there is none.
func (c *call) Trailer() metadata.MD { return nil }

// Context is grpc.ClientStream's.
func (c *call) Context() context.Context { return c.ctx }

// SendMsg is grpc.ClientStream's: it takes the one message.
func (c *call) SendMsg(m any) error {
	if c.request != nil {
		return errors.New("more than one message was sent")
	}
	c.request = proto.Clone(m.(proto.Message))
	return nil
}

// CloseSend begins the call.
func (c *call) CloseSend() error {
	c.answers = &answers{ctx: incoming(c.ctx), request: c.request, next: make(chan proto.Message), end: make(chan error, 1)}
	go func() {
		err := c.run(c.answers)
		if err == nil {
			err = io.EOF
		}
		c.answers.end <- err
		c.cancel()
	}()
	return nil
}

// RecvMsg gives the next answer, or how the call ended.
func (c *call) RecvMsg(m any) error {
	select {
	case next := <-c.answers.next:
		proto.Merge(m.(proto.Message), next)
		return nil
	case err := <-c.answers.end:
		c.answers.end <- err // it stays so
		return err
	}
}

// answers is the stream as its handler has it.
type answers struct {
	ctx     context.Context //nolint:containedctx // grpc.ServerStream has one
	request proto.Message
	next    chan proto.Message
	end     chan error
}

// Context is grpc.ServerStream's.
func (a *answers) Context() context.Context { return a.ctx }

// SetHeader is grpc.ServerStream's: nobody reads it.
func (a *answers) SetHeader(metadata.MD) error { return nil }

// SendHeader is grpc.ServerStream's: nobody reads it.
func (a *answers) SendHeader(metadata.MD) error { return nil }

// SetTrailer is grpc.ServerStream's: nobody reads it.
func (a *answers) SetTrailer(metadata.MD) {}

// RecvMsg gives the one message, once.
func (a *answers) RecvMsg(m any) error {
	if a.request == nil {
		return io.EOF
	}
	proto.Merge(m.(proto.Message), a.request)
	a.request = nil
	return nil
}

// SendMsg gives an answer to the caller, who may keep it.
func (a *answers) SendMsg(m any) error {
	select {
	case a.next <- proto.Clone(m.(proto.Message)):
		return nil
	case <-a.ctx.Done():
		return a.ctx.Err()
	}
}
