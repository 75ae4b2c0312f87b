package rpc

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
)

// whoStreams answers a stream with the caller's name.
var whoStreams = grpc.ServiceDesc{
	ServiceName: "test.API", HandlerType: (*any)(nil),
	Streams: []grpc.StreamDesc{{StreamName: "Who", ServerStreams: true, Handler: func(_ any, s grpc.ServerStream) error {
		if err := s.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return s.SendMsg(wrapperspb.String(session.FromContext(s.Context()).Name.String()))
	}}},
}

// serve serves whoStreams, beside what every server does, under a row of the
// policy table.
func serve(t *testing.T, row rule) (*Server, *grpc.ClientConn) {
	t.Helper()
	d := dbtest.SQLite(t)
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		if err := access.Activate(t.Context(), tx); err != nil {
			return err
		}
		return token.Put(t.Context(), tx, "a-robots-token", token.Info{Subject: "robot:ci", Created: time.Now()}, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
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
	s.register(&whoStreams, struct{}{})
	s.rows["/test.API/Who"] = row
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.GRPC.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return s, conn
}

// streams asks who calls.
func streams(t *testing.T, row rule) func(raw string) (string, error) {
	t.Helper()
	_, conn := serve(t, row)
	return func(raw string) (string, error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if raw != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, api.TokenKey, raw)
		}
		stream, err := conn.NewStream(ctx, &whoStreams.Streams[0], "/test.API/Who")
		if err != nil {
			return "", err
		}
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
			return "", err
		}
		who := &wrapperspb.StringValue{}
		err = stream.RecvMsg(who)
		return who.GetValue(), err
	}
}

func TestStream_HandlerSeesTheCaller(t *testing.T) {
	who := streams(t, rule{kind: signedIn})
	if got, err := who("a-robots-token"); err != nil || got != "robot:ci" {
		t.Errorf("the handler sees %q, %v", got, err)
	}
	for _, bad := range []string{"", "made-up"} {
		if got, err := who(bad); status.Code(err) != codes.Unauthenticated {
			t.Errorf("with the token %q: %q, %v", bad, got, err)
		}
	}
}

func TestStream_PermissionOfTheRowIsNeeded(t *testing.T) {
	who := streams(t, need(access.ClusterAuthGetConfig))
	if got, err := who("a-robots-token"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("%q, %v", got, err)
	}
}

func TestStream_WithoutARowIsRefused(t *testing.T) {
	who := streams(t, rule{})
	if got, err := who("a-robots-token"); status.Code(err) != codes.Internal {
		t.Errorf("%q, %v", got, err)
	}
	info := map[string]grpc.ServiceInfo{"test.API": {Methods: []grpc.MethodInfo{{Name: "Who", IsServerStream: true}}}}
	if err := checkPolicy(nil, info); err == nil || !strings.Contains(err.Error(), "/test.API/Who has no row") {
		t.Errorf("at the start: %v", err)
	}
}

func TestUnknownMethod(t *testing.T) {
	s, conn := serve(t, rule{kind: public})
	const older = "this server is running pachyderm 2.x, but your client appears to be an older version - please upgrade"
	wanted := map[string]string{
		"/auth_v2.API/NoSuch": "unknown method NoSuch for service auth_v2.API", "/nosuch.API/WhoAmI": "unknown service nosuch.API",
		"/auth.API.v2/WhoAmI": "unknown service auth.API.v2", "/x": "malformed method name: \"/x\"",
	}
	for _, service := range []string{"admin", "auth", "debug", "enterprise", "identity", "pfs", "pps", "transaction", "versionpb"} {
		wanted["/"+service+".API/WhoAmI"] = older
	}
	for method, text := range wanted {
		err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{})
		if st := status.Convert(err); st.Code() != codes.Unimplemented || st.Message() != text {
			t.Errorf("%s: %v", method, err)
		}
	}
	// However many names callers make up, they are counted as one.
	if got := testutil.CollectAndCount(s.Calls); got != 1 {
		t.Errorf("%d methods are counted", got)
	}
}
