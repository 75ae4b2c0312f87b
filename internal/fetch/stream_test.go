package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/fault"
)

// sound is a server of files, with what it was asked.
type sound struct {
	*httptest.Server
	mux  *http.ServeMux
	last atomic.Pointer[http.Header]
}

// header is that of the last request.
func (s *sound) header() http.Header { return *s.last.Load() }

func serveFiles(t *testing.T) *sound {
	t.Helper()
	s := &sound{mux: http.NewServeMux()}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := r.Header.Clone()
		s.last.Store(&header)
		s.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sound) at(path string, f http.HandlerFunc) { s.mux.HandleFunc(path, f) }

// get is what is at an address.
func get(t *testing.T, s *Streamer, from string) (string, error) {
	t.Helper()
	u, err := url.Parse(from)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), u)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	data, err := io.ReadAll(r)
	return string(data), err
}

func streamer() *Streamer { return Anywhere.Streamer(10*time.Second, 1<<20) }

func TestStreamer_WhatIsThere(t *testing.T) {
	s := serveFiles(t)
	text := strings.Repeat("0123456789", 10_000)
	s.at("/whole", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	s.at("/hop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/whole", http.StatusFound) })
	s.at("/nothing", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for path, want := range map[string]string{"/whole": text, "/hop": text, "/nothing": ""} {
		if got, err := get(t, streamer(), s.URL+path); err != nil || got != want {
			t.Errorf("%s: %d bytes, %v", path, len(got), err)
		}
	}
}

// A file that is compressed is stored as it is: nothing is made of it that could be a
// thousand times as long.
func TestStreamer_TakesNothingApart(t *testing.T) {
	s := serveFiles(t)
	const packed = "\x1f\x8b not really"
	s.at("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, packed)
	})
	got, err := get(t, streamer(), s.URL)
	if err != nil || got != packed || s.header().Get("Accept-Encoding") != "" {
		t.Errorf("%q, %v, asked for %q", got, err, s.header().Get("Accept-Encoding"))
	}
}

// Whatever goes wrong, nobody is told, and no log, what may be secret in an address.
func TestStreamer_FaultsKeepSecrets(t *testing.T) {
	s := serveFiles(t)
	s.at("/away", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://169.254.169.254/x?token=query-secret")
		w.WriteHeader(http.StatusFound)
	})
	s.at("/wrong", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "http://bad host/?token=query-secret")
		w.WriteHeader(http.StatusFound)
	})
	s.at("/odd", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "ftp://example.com/?token=query-secret")
		w.WriteHeader(http.StatusFound)
	})
	s.at("/closed", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "the body says query-secret")
	})
	s.at("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "less")
	})
	host := strings.TrimPrefix(s.URL, "http://")
	for path, want := range map[string]string{
		"/away": "does not connect to", "/wrong": "cannot be reached", "/odd": "ftp://example.com/, which is not followed",
		"/closed": "/closed was answered with HTTP status 401", "/broken": "ended early", "/missing": "/missing was answered with HTTP status 404",
	} {
		_, err := get(t, streamer(), "http://me:user-secret@"+host+path+"?key=query-secret")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "-secret") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := get(t, streamer(), "http://me:user-secret@127.0.0.1:1/?key=query-secret"); err == nil || strings.Contains(err.Error(), "-secret") {
		t.Errorf("nobody there: %v", err)
	}
}

// Who signs in, and with what, only the host hears that was named.
func TestStreamer_CredentialsStayWhereTheyBelong(t *testing.T) {
	first, second := serveFiles(t), serveFiles(t)
	second.at("/there", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "it") })
	first.at("/here", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, second.URL+"/there", http.StatusFound)
	})
	got, err := get(t, streamer(), "http://me:password@"+strings.TrimPrefix(first.URL, "http://")+"/here?signature=s")
	if err != nil || got != "it" {
		t.Fatalf("%q, %v", got, err)
	}
	if first.header().Get("Authorization") == "" {
		t.Error("the host that was named was not told who asks")
	}
	for _, name := range []string{"Authorization", "Referer", "Cookie"} {
		if v := second.header().Get(name); v != "" {
			t.Errorf("the other host was told %s: %s", name, v)
		}
	}
}

// public is a streamer to which one server of the test is in the internet, and the rest is as it is.
func public(t *testing.T, s *sound) *Streamer {
	t.Helper()
	out := PublicOnly.Streamer(10*time.Second, 1<<20)
	transport, ok := out.http.Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	guarded := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "files.example:80" {
			return (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
		}
		return guarded(ctx, network, address)
	}
	return out
}

func TestStreamer_NoRedirectLeadsInside(t *testing.T) {
	s, inside := serveFiles(t), serveFiles(t)
	inside.at("/", func(http.ResponseWriter, *http.Request) { t.Error("what is inside was asked") })
	_, port, err := net.SplitHostPort(inside.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	out := public(t, s)
	s.at("/fine", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") })
	if got, err := get(t, out, "http://files.example/fine"); got != "fine" || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	s.at("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("there"), http.StatusFound)
	})
	for _, host := range []string{
		"127.0.0.1", "localhost", "127.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "169.254.169.254", "[fd00:ec2::254]",
		"10.0.0.1", "192.168.1.1", "100.64.0.1", "[fd12::1]", "[64:ff9b::7f00:1]",
	} {
		there := "http://" + host + ":" + port + "/"
		for _, from := range []string{there, "http://files.example/to?there=" + url.QueryEscape(there)} {
			got, err := get(t, out, from)
			if err == nil || got != "" || fault.KindOf(err) != fault.Precondition && fault.KindOf(err) != fault.Unavailable {
				t.Errorf("%s: %q, %v", from, got, err)
			}
		}
	}
}

func TestStreamer_RedirectsEnd(t *testing.T) {
	s := serveFiles(t)
	asked := 0
	s.at("/circle", func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/circle", http.StatusFound)
	})
	if _, err := get(t, streamer(), s.URL+"/circle"); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "/circle, which is not followed") {
		t.Errorf("%v", err)
	}
	if asked != 11 {
		t.Errorf("it was asked %d times", asked)
	}
	over := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.URL+"/plain", http.StatusFound)
	}))
	t.Cleanup(over.Close)
	s.at("/plain", func(http.ResponseWriter, *http.Request) { t.Error("it went on without TLS") })
	out := streamer()
	transport, _ := out.http.Transport.(*http.Transport)
	pool := x509.NewCertPool()
	pool.AddCert(over.Certificate())
	transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if _, err := get(t, out, over.URL); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "from https to something else") {
		t.Errorf("%v", err)
	}
}

func TestStreamer_ServerWithoutEnd(t *testing.T) {
	s := serveFiles(t)
	s.at("/said", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "1048577") })
	s.at("/unsaid", func(w http.ResponseWriter, r *http.Request) {
		for zeros := make([]byte, 64<<10); r.Context().Err() == nil; {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	})
	s.at("/just", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20)) })
	for _, path := range []string{"/said", "/unsaid"} {
		if _, err := get(t, streamer(), s.URL+path); !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "is longer than 1048576 bytes") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if got, err := get(t, streamer(), s.URL+"/just"); err != nil || len(got) != 1<<20 {
		t.Errorf("as long as may be: %d, %v", len(got), err)
	}
}

// A server that says nothing any more is given up, before it answers and in the middle.
func TestStreamer_SilentServer(t *testing.T) {
	s := serveFiles(t)
	s.at("/never", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s.at("/half", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	for _, path := range []string{"/never", "/half"} {
		_, err := get(t, Anywhere.Streamer(50*time.Millisecond, 1<<20), s.URL+path)
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "nothing came from "+s.URL+path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestBare(t *testing.T) {
	for from, want := range map[string]string{
		"https://me:pw@example.com:8443/a/b?c=d#e": "https://example.com:8443/a/b", "https://example.com": "https://example.com",
	} {
		u, err := url.Parse(from)
		if err != nil {
			t.Fatal(err)
		}
		if got := Bare(u); got != want {
			t.Errorf("%s: %s", from, got)
		}
	}
	if got := slices.Sorted(strings.SplitSeq(Bare(&url.URL{Scheme: "http", Host: "h", Path: "/a\nb"}), "\n")); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
