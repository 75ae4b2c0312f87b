package rpc_test

import (
	"context"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

// What a connection may send before any of it is looked at (RFC 9113, 6.5.2).
func TestTransport_SettingsBoundAConnection(t *testing.T) {
	s := pachdtest.Start(t)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.GRPC)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	framer := http2.NewFramer(conn, conn)
	if err := framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	frame, err := framer.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	settings, ok := frame.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the server begins with %v", frame)
	}
	for id, want := range map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 128, http2.SettingMaxHeaderListSize: 32 << 10} {
		if got, _ := settings.Value(id); got != want {
			t.Errorf("%v: %d, want %d", id, got, want)
		}
	}
	if got, given := settings.Value(http2.SettingInitialWindowSize); given && got != 1<<20 {
		t.Errorf("%d bytes of a request may wait to be read", got)
	}
}

// A call that waits for a person has one of the places for that, and gives it
// back when the client hangs up.
func TestWait_TakesAPlaceWhileItWaits(t *testing.T) {
	s := pachdtest.Start(t, func(c *config.Config) { c.Limits.SignInsPerMinute = 1 << 20 })
	s.Connect()
	s.Limits.Wait.Total = 1
	start, err := s.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	go func() {
		for ctx.Err() == nil { // the other call may have had the place just then
			_, _ = s.API.Auth.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: start.GetState()})
		}
	}()
	until := func(want codes.Code) {
		t.Helper()
		for n := 0; ; n++ { // with what nobody has to wait for
			_, err := s.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{OidcState: "made-up"})
			if status.Code(err) == want {
				return
			}
			if n > 10000 {
				t.Fatalf("another one that waits: %v, want %s", err, want)
			}
		}
	}
	until(codes.ResourceExhausted)
	hangUp()
	until(codes.Unauthenticated)
}
