package rpc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/access"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/people/session"
)

// inMemory is a server without sockets, which the clock of a bubble would not
// wait for.
func inMemory(t *testing.T) (*Server, *bufconn.Listener) {
	t.Helper()
	d := dbtest.SQLite(t)
	roles := &access.Service{DB: d}
	if err := roles.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{
		DB: d, Sessions: session.New(session.Config{DB: d, Access: roles, Now: time.Now}), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Limits: bounded().limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	l := bufconn.Listen(1 << 10)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.GRPC.Stop)
	return s, l
}

// Who never says for what they wait, or listens for ever, is told at the end of
// the call's life that it is over. Their place is somebody else's then.
func TestCall_EndsWithItsLife(t *testing.T) {
	unsent := func(grpc.ClientStream) error { return nil }
	for _, c := range []struct {
		method string
		life   time.Duration
		end    codes.Code
		begin  func(grpc.ClientStream) error
	}{
		{authpb.API_WhoAmI_FullMethodName, 2 * time.Minute, codes.DeadlineExceeded, unsent},
		{authpb.API_Authenticate_FullMethodName, 15 * time.Minute, codes.DeadlineExceeded, unsent},
		{grpc_health_v1.Health_Watch_FullMethodName, 15 * time.Minute, codes.Canceled, func(s grpc.ClientStream) error {
			if err := errors.Join(s.SendMsg(&grpc_health_v1.HealthCheckRequest{}), s.CloseSend()); err != nil {
				return err
			}
			return s.RecvMsg(&grpc_health_v1.HealthCheckResponse{})
		}},
	} {
		t.Run(c.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l := inMemory(t)
				s.limits.Calls.Network = 1
				conn, err := grpc.NewClient("passthrough:pachd", grpc.WithTransportCredentials(insecure.NewCredentials()),
					grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = conn.Close() }()
				ctx, hangUp := context.WithCancel(t.Context())
				defer time.AfterFunc(time.Hour, hangUp).Stop() // or the test would hang
				began := time.Now()
				call, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.method)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.begin(call); err != nil {
					t.Fatal(err)
				}
				synctest.Wait() // until the call has its place
				health := grpc_health_v1.NewHealthClient(conn)
				if _, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); status.Code(err) != codes.ResourceExhausted {
					t.Errorf("another call meanwhile: %v", err)
				}
				if err := call.RecvMsg(&grpc_health_v1.HealthCheckResponse{}); status.Code(err) != c.end {
					t.Errorf("it ends with %v", err)
				}
				if got := time.Since(began); got != c.life {
					t.Errorf("it ends after %v, want %v", got, c.life)
				}
				synctest.Wait() // until the place is given back
				if _, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
					t.Errorf("another call after it: %v", err)
				}
			})
		})
	}
}

// Who is gone without a word is noticed, and who is there and asks for nothing
// is sent away in the end.
func TestTransport_SilentAndIdleAreLetGo(t *testing.T) {
	for name, c := range map[string]struct {
		answers bool
		after   time.Duration
	}{
		"answers no ping": {false, 80 * time.Second},
		"has no call":     {true, 15 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, l := inMemory(t)
				began := time.Now()
				conn, err := l.DialContext(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer time.AfterFunc(time.Hour, func() { _ = conn.Close() }).Stop() // or the test would hang
				framer := http2.NewFramer(conn, conn)
				if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
					t.Fatal(err)
				}
				if err := framer.WriteSettings(); err != nil {
					t.Fatal(err)
				}
				for {
					frame, err := framer.ReadFrame()
					if err != nil || frame.Header().Type == http2.FrameGoAway {
						break
					}
					if ping, ok := frame.(*http2.PingFrame); ok && c.answers {
						if err := framer.WritePing(true, ping.Data); err != nil {
							t.Fatal(err)
						}
					}
				}
				if got := time.Since(began); got != c.after {
					t.Errorf("let go after %v, want %v", got, c.after)
				}
			})
		})
	}
}
