package idp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// inProcess is a provider that runs inside the test, and can be away for a while.
type inProcess struct {
	tb      testing.TB
	address string
	tls     *tls.Config // nil for plain HTTP
	handler http.Handler
	server  *http.Server
	done    chan error
}

// Start serves on the address that it has always had.
func (s *inProcess) Start() {
	s.tb.Helper()
	if s.server != nil {
		s.tb.Fatal("it runs already")
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	if err != nil {
		s.tb.Fatal(err)
	}
	if s.tls != nil {
		l = tls.NewListener(l, s.tls)
	}
	s.server = &http.Server{Handler: s.handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	s.done = make(chan error, 1)
	go func(server *http.Server, done chan<- error) { done <- server.Serve(l) }(s.server, s.done)
}

// Stop ends it at once, with all connections, as an outage does.
func (s *inProcess) Stop() {
	s.tb.Helper()
	if s.server == nil {
		return
	}
	_ = s.server.Close()
	if err := <-s.done; !errors.Is(err, http.ErrServerClosed) {
		s.tb.Error(err)
	}
	// A program that another test has just begun holds a copy of the socket until
	// it runs, and until then Go holds this lock.
	syscall.ForkLock.RLock()
	s.server = nil
	syscall.ForkLock.RUnlock()
}

// Get is what is at an address.
func Get(tb testing.TB, address string) []byte {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, address, nil)
	if err != nil {
		tb.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		tb.Fatalf("%s: %s %v", address, res.Status, err)
	}
	return body
}

// answers says that a page is there.
func answers(client *http.Client, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", address, res.Status)
		}
		return nil
	}
}
