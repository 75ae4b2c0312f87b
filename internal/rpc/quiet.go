package rpc

import (
	"time"

	"google.golang.org/grpc"

	"pachyderm/internal/fault"
)

// quietFor is how long the client of a stream may send nothing, while pachd waits for it.
// What it has sent keeps a lease, a place among the calls, and some memory. Clients send
// as they read: an hour is far more than one that computes in between takes.
const quietFor = time.Hour

// listened is a stream whose client has to say something now and then.
type listened struct {
	grpc.ServerStream

	timer *time.Timer
}

// RecvMsg is grpc.ServerStream's.
func (l listened) RecvMsg(m any) error {
	l.timer.Reset(quietFor)
	defer l.timer.Stop()
	return l.ServerStream.RecvMsg(m)
}

// listen handles a stream until its client says nothing any more. The handler ends a
// moment later then: gRPC sends what it says itself as soon as a message does not come.
func listen(srv any, stream grpc.ServerStream, handler grpc.StreamHandler) error {
	quiet, ended := make(chan struct{}), make(chan error, 1)
	l := listened{stream, time.AfterFunc(quietFor, func() { close(quiet) })}
	if !l.timer.Stop() {
		return errQuiet()
	}
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				ended <- errPanic(panicked)
			}
		}()
		ended <- handler(srv, l)
	}()
	select {
	case err := <-ended:
		return err
	case <-quiet:
		return errQuiet()
	}
}

func errQuiet() error {
	return fault.New(fault.Unavailable, "nothing has come for %v: the stream is ended, and nothing of it is written", quietFor).
		Next("send it anew, without such a pause")
}
