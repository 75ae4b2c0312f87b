package pachdtest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/config"
	"pachyderm/internal/pachd"
)

// Server is a running pachd.
type Server struct {
	GRPC      string // host:port of the gRPC API
	HTTP      string // base URL of pages and issuer
	RootToken string // empty if authentication is not activated
	DataDir   string
	Log       *Log
}

// Log keeps what pachd logs.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String is all of it so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Start runs pachd until the test ends; change may alter its configuration.
func Start(t testing.TB, change ...func(*config.Config)) *Server {
	t.Helper()
	return StartIn(t, t.TempDir(), change...)
}

// StartIn is Start on an existing data directory.
func StartIn(t testing.TB, dir string, change ...func(*config.Config)) *Server {
	t.Helper()
	environ := []string{
		"PACHD_LISTEN_GRPC=127.0.0.1:0", "PACHD_LISTEN_HTTP=127.0.0.1:0", "PACHD_LISTEN_CALLBACK=127.0.0.1:0", "PACHD_LISTEN_METRICS=127.0.0.1:0",
		"PACHD_ISSUER_SIGNING_ALGORITHM=ES256", // RSA keys take long to make
	}
	c, err := config.Load(dir, "", environ)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range change {
		f(&c)
	}
	log := &Log{}
	p, err := pachd.New(t.Context(), c, slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("pachd: %v", err)
		}
	})
	return &Server{GRPC: p.GRPC(), HTTP: "http://" + p.HTTP(), RootToken: rootToken(t, c), DataDir: dir, Log: log}
}

func rootToken(t testing.TB, c config.Config) string {
	t.Helper()
	if c.Auth.RootToken != "" {
		return c.Auth.RootToken.Reveal()
	}
	if !c.Auth.Activate {
		return ""
	}
	data, err := os.ReadFile(c.RootTokenFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}
