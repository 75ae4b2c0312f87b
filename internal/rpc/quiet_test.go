package rpc

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	datapb "pachyderm/api/data"
	pfspb "pachyderm/api/pfs"
)

// known is a listener whose connections have shown a good token.
type known struct{ net.Listener }

func (l known) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &volume{Conn: c, trusted: true}, nil
}

// A stream whose client says nothing ends after an hour, and says why.
func TestStream_ThatSaysNothingEnds(t *testing.T) {
	for _, method := range []string{pfspb.API_ModifyFile_FullMethodName, datapb.API_ModifyFiles_FullMethodName} {
		t.Run(method, func(t *testing.T) { saysNothing(t, method) })
	}
}

func saysNothing(t *testing.T, method string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, _ := inMemory(t)
		l := bufconn.Listen(64 << 10)
		go func() { _ = s.GRPC.Serve(known{l}) }()
		conn, err := grpc.NewClient("passthrough:pachd", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		ctx, hangUp := context.WithTimeout(t.Context(), 5*time.Hour) // or the test would hang
		defer hangUp()
		began := time.Now()
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method)
		if err != nil {
			t.Fatal(err)
		}
		err = stream.RecvMsg(&pfspb.CommitInfo{})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("it ends with %v", err)
		}
		if got := time.Since(began); got != time.Hour {
			t.Errorf("it ends after %v", got)
		}
	})
}
