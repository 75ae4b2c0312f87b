package client_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/client"
)

// fake answers WhoAmI with the token, or with an error.
type fake struct {
	auth.UnimplementedAPIServer
	err error
}

func (f fake) WhoAmI(ctx context.Context, _ *auth.WhoAmIRequest) (*auth.WhoAmIResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	return &auth.WhoAmIResponse{Username: strings.Join(md.Get("authn-token"), ",")}, f.err
}

func serve(t *testing.T, network, address string, f fake, opts ...grpc.ServerOption) net.Addr {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(opts...)
	auth.RegisterAPIServer(s, f)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr()
}

func dial(t *testing.T, address string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), address, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWithToken_EveryCall(t *testing.T) {
	tcp := serve(t, "tcp", "127.0.0.1:0", fake{}).String()
	socket := "unix:" + serve(t, "unix", filepath.Join(t.TempDir(), "s"), fake{}).String()
	for _, address := range []string{tcp, socket} {
		who, err := dial(t, address, client.WithToken("secret")).Auth.WhoAmI(t.Context(), &auth.WhoAmIRequest{})
		if err != nil || who.GetUsername() != "secret" {
			t.Errorf("%s: got %q, %v", address, who.GetUsername(), err)
		}
		who, err = dial(t, address).Auth.WhoAmI(t.Context(), &auth.WhoAmIRequest{})
		if err != nil || who.GetUsername() != "" {
			t.Errorf("%s without a token: got %q, %v", address, who.GetUsername(), err)
		}
	}
}

func TestErrors_Parts(t *testing.T) {
	detailed, err := status.New(codes.Unavailable, "the provider is down: try again").WithDetails(
		&errdetails.ErrorInfo{Domain: "pachd", Reason: "unavailable", Metadata: map[string]string{
			"field": "config.issuer", "next": "try again", "line": "7",
		}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := status.New(codes.NotFound, "no").WithDetails(
		&errdetails.ErrorInfo{Domain: "example.com", Reason: "x", Metadata: map[string]string{"next": "pay", "line": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	odd, err := status.New(codes.InvalidArgument, "bad").WithDetails(
		&errdetails.ErrorInfo{Domain: "pachd", Reason: "invalid", Metadata: map[string]string{"line": "the last"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		err                          error
		reason, field, next, message string
		line                         int
	}{
		{detailed.Err(), "unavailable", "config.issuer", "try again", "the provider is down: try again", 7},
		{foreign.Err(), "", "", "", "no", 0},
		{odd.Err(), "invalid", "", "", "bad", 0},
		{status.Error(codes.Internal, "oops"), "", "", "", "oops", 0},
	} {
		_, err := dial(t, serve(t, "tcp", "127.0.0.1:0", fake{err: test.err}).String()).Auth.WhoAmI(t.Context(), &auth.WhoAmIRequest{})
		if client.ReasonOf(err) != test.reason || client.FieldOf(err) != test.field || client.MessageOf(err) != test.message {
			t.Errorf("got %q, %q, %q of %v", client.ReasonOf(err), client.FieldOf(err), client.MessageOf(err), err)
		}
		if client.NextOf(err) != test.next || client.LineOf(err) != test.line {
			t.Errorf("got %q, line %d of %v", client.NextOf(err), client.LineOf(err), err)
		}
	}
	wrapped := fmt.Errorf("read it: %w", detailed.Err())
	if got := client.MessageOf(wrapped); got != "read it: the provider is down: try again" || client.FieldOf(wrapped) != "config.issuer" ||
		client.NextOf(wrapped) != "try again" || client.LineOf(wrapped) != 7 {
		t.Errorf("wrapped: %q", got)
	}
	if client.ReasonOf(nil) != "" || client.MessageOf(errors.New("x")) != "x" {
		t.Error("an error that is not pachd's is misread")
	}
}

func TestDial_Unreachable(t *testing.T) {
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := serve(t, "unix", filepath.Join(t.TempDir(), "s"), fake{}).String() + "-gone"
	plain := serve(t, "tcp", "127.0.0.1:0", fake{}).String()
	for address, test := range map[string]struct{ want, next string }{
		"127.0.0.1:1":                                {"cannot reach pachd at grpc://127.0.0.1:1: connection refused", ""},
		"unix:" + gone:                               {"there is no such socket", ""},
		"grpcs://" + plain:                           {"it does not speak TLS", "use an address that begins with grpc://"},
		page.Listener.Addr().String():                {"does not speak gRPC in plain text", "check the port, or use an address that begins with grpcs://"},
		secure.Listener.Addr().String():              {"does not speak gRPC in plain text", "check the port, or use an address that begins with grpcs://"},
		"grpcs://" + secure.Listener.Addr().String(): {"unknown authority", ""},
	} {
		_, err := client.Dial(t.Context(), address)
		var unreachable *client.UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(client.MessageOf(err), test.want) || !strings.HasSuffix(client.MessageOf(err), test.next) {
			t.Errorf("%s: got %v, want %s: %s", address, err, test.want, test.next)
		}
		if client.NextOf(err) != test.next {
			t.Errorf("%s: next is %q", address, client.NextOf(err))
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: the status is lost: %v", address, status.Code(err))
		}
	}
}

func TestDial_Context(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := client.Dial(ctx, l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestWithServerCAs(t *testing.T) {
	page := httptest.NewTLSServer(http.NotFoundHandler()) // for its certificate
	defer page.Close()
	creds := grpc.Creds(credentials.NewServerTLSFromCert(&page.TLS.Certificates[0]))
	address := "grpcs://" + serve(t, "tcp", "127.0.0.1:0", fake{}, creds).String()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: page.Certificate().Raw})
	who, err := dial(t, address, client.WithServerCAs(ca), client.WithToken("secret")).Auth.WhoAmI(t.Context(), &auth.WhoAmIRequest{})
	if err != nil || who.GetUsername() != "secret" {
		t.Errorf("got %q, %v", who.GetUsername(), err)
	}
}

func TestWithServerCAs_Refused(t *testing.T) {
	_, err := client.Dial(t.Context(), "grpcs://localhost:1", client.WithServerCAs([]byte("no PEM")))
	if err == nil || !strings.Contains(err.Error(), "PEM") {
		t.Errorf("got %v", err)
	}
	_, err = client.Dial(t.Context(), "grpc://localhost:1", client.WithServerCAs([]byte("x")))
	if err == nil || !strings.Contains(err.Error(), "grpcs://") {
		t.Errorf("got %v", err)
	}
}

func ExampleDial() {
	_, err := client.Dial(context.Background(), "127.0.0.1:1", client.WithToken("a token"))
	fmt.Println(client.MessageOf(err))
	// Output: cannot reach pachd at grpc://127.0.0.1:1: connection refused
}
