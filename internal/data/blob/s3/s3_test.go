package s3_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/blob/s3"
	"pachyderm/internal/fault"
)

const (
	gateway = "../../../../.tools/versitygw-1.8.0"
	access  = "pachd-access"
	secret  = "not-to-be-told-to-anybody"
)

// server is an object store that no one here wrote.
type server struct {
	endpoint, root string
	buckets        int
	mu             sync.Mutex
}

func start(t *testing.T) *server {
	t.Helper()
	program, err := filepath.Abs(gateway)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("%v: install it with make deps", err)
	}
	for range 20 {
		address := "127.0.0.1:" + strconv.Itoa(20000+rand.IntN(10000))
		root := t.TempDir()
		var said bytes.Buffer
		c := exec.Command(program, "--port", address, "--access", access, "--secret", secret, "--keep-alive", "posix", root) // ended below
		c.Stdout, c.Stderr = &said, &said
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			_ = c.Wait()
			close(ended)
		}()
		t.Cleanup(func() {
			_ = c.Process.Kill()
			<-ended
		})
		if answers(t.Context(), address, ended) {
			return &server{endpoint: "http://" + address, root: root}
		}
		t.Logf("%s: %s", address, &said)
	}
	t.Fatal("it does not start")
	return nil
}

// answers waits until the server listens, or is not there any more.
func answers(ctx context.Context, address string, ended <-chan struct{}) bool {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			return false
		default:
		}
		if err == nil {
			return true
		}
	}
}

// bucket is a new one.
func (s *server) bucket(t *testing.T) s3.Config {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets++
	name := fmt.Sprintf("bucket-%d", s.buckets)
	if err := os.Mkdir(filepath.Join(s.root, name), 0o700); err != nil {
		t.Fatal(err)
	}
	return s3.Config{Endpoint: s.endpoint, Bucket: name, Prefix: "pachyderm/", AccessKey: access, SecretKey: secret, PathStyle: true}
}

func open(t *testing.T, c s3.Config) blob.Store {
	t.Helper()
	s, err := s3.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore_Contract(t *testing.T) {
	server := start(t)
	blobtest.Run(t, func(t *testing.T) blobtest.Open {
		c := server.bucket(t)
		return func(t *testing.T) blob.Store { return open(t, c) }
	})
}

func TestStore_LeavesOthersAlone(t *testing.T) {
	c := start(t).bucket(t)
	other := c
	other.Prefix = "pachyderm-other"
	for _, s := range []blob.Store{open(t, other), open(t, c)} {
		if err := s.Put(t.Context(), "object", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for o, err := range open(t, c).List(t.Context(), "") {
		if err != nil || o.Name != "object" {
			t.Errorf("%+v, %v", o, err)
		}
	}
	if err := open(t, c).Delete(t.Context(), "object"); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, other).Head(t.Context(), "object"); err != nil {
		t.Error(err)
	}
}

// between is a store behind a proxy that does something to what is read.
func between(t *testing.T, tls bool, c s3.Config, change func(*http.Response) error) s3.Config {
	t.Helper()
	to, err := url.Parse(c.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // which is signed
		},
		ModifyResponse: change,
	}
	start := httptest.NewServer
	if tls {
		start = httptest.NewTLSServer
	}
	server := start(proxy)
	t.Cleanup(server.Close)
	c.Endpoint = server.URL
	if tls {
		c.Endpoint = strings.TrimPrefix(server.URL, "https://")
		c.CAFile = writePEM(t, server.Certificate())
	}
	return c
}

func writePEM(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestStore_Encrypted(t *testing.T) {
	c := between(t, true, start(t).bucket(t), nil)
	if err := open(t, c).Put(t.Context(), "object", []byte("x")); err != nil {
		t.Fatal(err)
	}
	c.CAFile = ""
	ctx := t.Context()
	if err := open(t, c).Put(ctx, "object", []byte("x")); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "certificate") {
		t.Errorf("with an unknown authority: %v", err)
	}
}

func TestGet_CutOff(t *testing.T) {
	c := start(t).bucket(t)
	if err := open(t, c).Put(t.Context(), "object", blobtest.Noise(1, 100_000)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*http.Response) error{
		"in the middle": func(r *http.Response) error {
			r.Body = io.NopCloser(io.LimitReader(r.Body, 50_000))
			return nil
		},
		"with a length that is right": func(r *http.Response) error {
			r.Body = io.NopCloser(io.LimitReader(r.Body, 50_000))
			r.ContentLength = 50_000
			r.Header.Set("Content-Length", "50000")
			return nil
		},
	} {
		got, err := open(t, between(t, false, c, func(r *http.Response) error {
			if r.Request.Method == http.MethodGet && r.StatusCode == http.StatusPartialContent {
				return change(r)
			}
			return nil
		})).Get(t.Context(), "object", 0, 100_000)
		if err == nil || got != nil || fault.Is(err, fault.NotFound) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestStore_Refused(t *testing.T) {
	right := start(t).bucket(t)
	wrong, nowhere, stopped := right, right, right
	wrong.SecretKey = "also-not-to-be-told"
	nowhere.Bucket = "bucket-none"
	stopped.Endpoint = "http://127.0.0.1:1"
	for name, of := range map[string]struct {
		c    s3.Config
		want string
	}{
		"wrong key": {wrong, "refuses us"}, "no bucket": {nowhere, "there is no bucket"}, "nobody there": {stopped, "does not answer"},
	} {
		s := open(t, of.c)
		_, get := s.Get(t.Context(), "object", 0, 1)
		_, head := s.Head(t.Context(), "object")
		for what, err := range map[string]error{"check": s.Check(t.Context()), "get": get, "head": head} {
			if of.c.Bucket == nowhere.Bucket && what == "head" { // whose answer has no body that could say it
				continue
			}
			if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), of.want) && what != "head" {
				t.Errorf("%s: %s: %v", name, what, err)
			}
			if err != nil && (strings.Contains(err.Error(), of.c.SecretKey) || strings.Contains(err.Error(), of.c.AccessKey)) {
				t.Errorf("%s: %s tells a key: %v", name, what, err)
			}
		}
	}
}

func TestNew_Refused(t *testing.T) {
	good := s3.Config{Endpoint: "https://s3.example.com", Bucket: "b", AccessKey: "a", SecretKey: secret}
	open(t, good)
	for name, change := range map[string]func(*s3.Config){
		"no endpoint": func(c *s3.Config) { c.Endpoint = "" }, "no bucket": func(c *s3.Config) { c.Bucket = "" },
		"no access key": func(c *s3.Config) { c.AccessKey = "" }, "no secret key": func(c *s3.Config) { c.SecretKey = "" },
		"another scheme":   func(c *s3.Config) { c.Endpoint = "ftp://s3.example.com" },
		"keys in it":       func(c *s3.Config) { c.Endpoint = "https://a:" + secret + "@s3.example.com" },
		"a path":           func(c *s3.Config) { c.Endpoint += "/bucket" },
		"no CA file":       func(c *s3.Config) { c.CAFile = "/nowhere.pem" },
		"a CA file of air": func(c *s3.Config) { c.CAFile = os.DevNull },
	} {
		c := good
		change(&c)
		if _, err := s3.New(c); !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
