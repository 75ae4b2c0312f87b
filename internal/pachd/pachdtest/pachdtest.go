package pachdtest

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"pachyderm/api"
	"pachyderm/internal/config"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/pachd"
	"pachyderm/internal/secret"
)

// Server is a running pachd, with its parts within reach.
type Server struct {
	*pachd.Pachd
	GRPC      string // host:port of the gRPC API
	HTTP      string // base URL of pages and issuer
	RootToken string // empty if authentication is not activated
	DataDir   string
	Log       *Log
	Conn      *grpc.ClientConn // without a token
	API       api.Clients      // over Conn

	// Stop ends it before the test does.
	Stop func()

	t     testing.TB
	ahead atomic.Int64
}

// Now is the server's clock.
func (s *Server) Now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// Ahead puts the server's clock so much ahead of the real one.
func (s *Server) Ahead(d time.Duration) { s.ahead.Store(int64(d)) }

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

// Each runs f with a pachd on a fresh database of each engine.
func Each(t *testing.T, f func(t *testing.T, s *Server), change ...func(*config.Config)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, Start(t, change...)) })
	t.Run("postgres", func(t *testing.T) {
		url := dbtest.ReadyPostgresURL(t)
		f(t, Start(t, append([]func(*config.Config){func(c *config.Config) { c.Database.URL = secret.Text(url) }}, change...)...))
	})
}

// Start runs pachd until the test ends; change may alter its configuration.
func Start(t testing.TB, change ...func(*config.Config)) *Server {
	t.Helper()
	dir := t.TempDir()
	dbtest.Ready(t, filepath.Join(dir, "pachd.db"))
	return StartIn(t, dir, change...)
}

// StartIn is Start on an existing data directory.
func StartIn(t testing.TB, dir string, change ...func(*config.Config)) *Server {
	t.Helper()
	return StartWith(t, dir, "", nil, change...)
}

// StartAhead is StartIn with a clock that is ahead from the start.
func StartAhead(t testing.TB, ahead time.Duration, dir string, change ...func(*config.Config)) *Server {
	t.Helper()
	s, err := try(t, ahead, dir, "", nil, change...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// StartWith is StartIn with a configuration file and variables.
func StartWith(t testing.TB, dir, file string, environ []string, change ...func(*config.Config)) *Server {
	t.Helper()
	s, err := TryWith(t, dir, file, environ, change...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TryWith is StartWith of a pachd that may refuse to start.
func TryWith(t testing.TB, dir, file string, environ []string, change ...func(*config.Config)) (*Server, error) {
	t.Helper()
	return try(t, 0, dir, file, environ, change...)
}

func try(t testing.TB, ahead time.Duration, dir, file string, environ []string, change ...func(*config.Config)) (*Server, error) {
	t.Helper()
	environ = append([]string{
		"PACHD_LISTEN_GRPC=127.0.0.1:0", "PACHD_LISTEN_HTTP=127.0.0.1:0", "PACHD_LISTEN_CALLBACK=127.0.0.1:0", "PACHD_LISTEN_METRICS=127.0.0.1:0",
		"PACHD_ISSUER_SIGNING_ALGORITHM=ES256", // RSA keys take long to make
	}, environ...)
	c, err := config.Load(dir, file, environ)
	if err != nil {
		return nil, err
	}
	for _, f := range change {
		f(&c)
	}
	s := &Server{DataDir: dir, Log: &Log{}, t: t}
	s.Ahead(ahead)
	log := slog.New(slog.NewTextHandler(s.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Pachd, err = pachd.New(t.Context(), c, log, s.Now)
	if err != nil {
		return nil, err
	}
	s.GRPC, s.HTTP, s.RootToken = s.Pachd.GRPC(), "http://"+s.Pachd.HTTP(), rootToken(t, c)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	s.Stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("pachd: %v", err)
		}
	})
	t.Cleanup(s.Stop)
	s.Conn, err = grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Conn.Close() })
	s.API = api.NewClients(s.Conn)
	return s, nil
}

func rootToken(t testing.TB, c config.Config) string {
	t.Helper()
	if c.Auth.RootToken != "" {
		return c.Auth.RootToken.Reveal()
	}
	if !c.Auth.Activate || c.Kubernetes.KeysSecret != "" {
		return ""
	}
	data, err := os.ReadFile(c.RootTokenFile())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}
