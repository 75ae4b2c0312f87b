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
	// A program that another test has just begun may hold a copy of the socket
	// that was closed, until it runs.
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < 1000; tries++ {
		time.Sleep(10 * time.Millisecond)
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", s.address)
	}
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
	s.server = nil
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
