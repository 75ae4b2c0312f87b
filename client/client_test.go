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

func TestTheTokenGoesWithEveryCall(t *testing.T) {
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

func TestErrorsOfPachd(t *testing.T) {
	detailed, err := status.New(codes.Unavailable, "the provider is down: try again").WithDetails(
		&errdetails.ErrorInfo{Domain: "pachd", Reason: "unavailable", Metadata: map[string]string{"field": "config.issuer"}})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := status.New(codes.NotFound, "no").WithDetails(&errdetails.ErrorInfo{Domain: "example.com", Reason: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		err                    error
		reason, field, message string
	}{
		{detailed.Err(), "unavailable", "config.issuer", "the provider is down: try again"},
		{foreign.Err(), "", "", "no"},
		{status.Error(codes.Internal, "oops"), "", "", "oops"},
	} {
		_, err := dial(t, serve(t, "tcp", "127.0.0.1:0", fake{err: test.err}).String()).Auth.WhoAmI(t.Context(), &auth.WhoAmIRequest{})
		if client.ReasonOf(err) != test.reason || client.FieldOf(err) != test.field || client.MessageOf(err) != test.message {
			t.Errorf("got %q, %q, %q of %v", client.ReasonOf(err), client.FieldOf(err), client.MessageOf(err), err)
		}
	}
	wrapped := fmt.Errorf("read it: %w", detailed.Err())
	if got := client.MessageOf(wrapped); got != "read it: the provider is down: try again" || client.FieldOf(wrapped) != "config.issuer" {
		t.Errorf("wrapped: %q", got)
	}
	if client.ReasonOf(nil) != "" || client.MessageOf(errors.New("x")) != "x" {
		t.Error("an error that is not pachd's is misread")
	}
}

func TestUnreachableIsSaidAtOnceAndInPlainWords(t *testing.T) {
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.EnableHTTP2 = true
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := serve(t, "unix", filepath.Join(t.TempDir(), "s"), fake{}).String() + "-gone"
	plain := serve(t, "tcp", "127.0.0.1:0", fake{}).String()
	for address, want := range map[string]string{
		"127.0.0.1:1":                                "cannot reach pachd at grpc://127.0.0.1:1: connection refused",
		"unix:" + gone:                               "there is no such socket",
		"grpcs://" + plain:                           "it does not speak TLS",
		page.Listener.Addr().String():                "does not speak gRPC in plain text",
		secure.Listener.Addr().String():              "does not speak gRPC in plain text",
		"grpcs://" + secure.Listener.Addr().String(): "unknown authority",
	} {
		_, err := client.Dial(t.Context(), address)
		var unreachable *client.UnreachableError
		if !errors.As(err, &unreachable) || !strings.Contains(client.MessageOf(err), want) {
			t.Errorf("%s: got %v, want %s", address, err, want)
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s: the status is lost: %v", address, status.Code(err))
		}
	}
}

func TestDialHoldsToItsContext(t *testing.T) {
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

func TestServerCAs(t *testing.T) {
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

func TestServerCAsRefused(t *testing.T) {
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
