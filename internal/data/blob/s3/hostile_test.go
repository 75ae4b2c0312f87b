package s3_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/s3"
	"pachyderm/internal/fault"
)

// against is a driver whose store is a handler.
func against(t *testing.T, wait time.Duration, h http.HandlerFunc) *s3.Store {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s, err := s3.Open(s3.Config{Endpoint: server.URL, Bucket: "bucket", Region: "us-east-1", AccessKey: access, SecretKey: secret, PathStyle: true}, wait)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func operations(ctx context.Context, s *s3.Store) map[string]func() error {
	return map[string]func() error{
		"put": func() error { return s.Put(ctx, "object", make([]byte, 1<<20)) },
		"get": func() error {
			_, err := s.Get(ctx, "object", 0, 100)
			return err
		},
		"head": func() error {
			_, err := s.Head(ctx, "object")
			return err
		},
		"delete": func() error { return s.Delete(ctx, "object") },
		"list": func() error {
			for _, err := range s.List(ctx, "") {
				if err != nil {
					return err
				}
			}
			return nil
		},
		"check": func() error { return s.Check(ctx) },
	}
}

func TestStore_ThatStallsIsGivenUp(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	stalls := func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-over
	}
	for name, h := range map[string]http.HandlerFunc{
		"before it reads":  func(http.ResponseWriter, *http.Request) { <-over },
		"after the header": stalls,
		"in the middle": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-99/100")
			w.Header().Set("Content-Length", "100")
			w.Header().Set("ETag", `"x"`)
			w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, "<")
			stalls(w, r)
		},
	} {
		s := against(t, 100*time.Millisecond, h)
		for op, do := range operations(t.Context(), s) {
			err := do()
			if name != "before it reads" && err == nil && (op == "head" || op == "delete" || op == "put") {
				continue // its answer has no body to wait for
			}
			if !fault.Is(err, fault.Unavailable) {
				t.Errorf("%s, %s: %v", name, op, err)
			}
		}
	}
	close(over)
}

func TestStore_EndlessAnswers(t *testing.T) {
	t.Parallel()
	const page = `<?xml version="1.0"?><ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>%s</NextContinuationToken>%s</ListBucketResult>`
	contents := func(key string, size int) string {
		return fmt.Sprintf("<Contents><Key>%s</Key><Size>%d</Size><LastModified>2026-11-30T12:00:00Z</LastModified></Contents>", key, size)
	}
	var asked atomic.Int64
	for name, body := range map[string]func(w io.Writer){
		"the same page":            func(w io.Writer) { _, _ = fmt.Fprintf(w, page, "next", contents("a", 1)) },
		"the same, other tokens":   func(w io.Writer) { _, _ = fmt.Fprintf(w, page, fmt.Sprint(asked.Load()), contents("a", 1)) },
		"empty pages":              func(w io.Writer) { _, _ = fmt.Fprintf(w, page, "next", "") },
		"empty, other tokens":      func(w io.Writer) { _, _ = fmt.Fprintf(w, page, fmt.Sprint(asked.Load()), "") },
		"an object of -1 bytes":    func(w io.Writer) { _, _ = fmt.Fprintf(w, page, "next", contents("a", -1)) },
		"a page that does not end": func(w io.Writer) { endless(w, "<ListBucketResult>", contents("a", 1)) },
		"one name":                 func(w io.Writer) { endless(w, "<ListBucketResult><Contents><Key>", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa") },
		"nested":                   func(w io.Writer) { endless(w, "<ListBucketResult>", "<a>") },
		"entities": func(w io.Writer) {
			_, _ = io.WriteString(w, `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><ListBucketResult><Contents><Key>&b;</Key></Contents></ListBucketResult>`)
		},
	} {
		asked.Store(0)
		s := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			body(w)
		})
		if err := operations(t.Context(), s)["list"](); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
		if n := asked.Load(); n > 1001 {
			t.Errorf("%s: %d pages were asked for", name, n)
		}
	}
}

// endless writes until nobody reads, or far more than anybody should.
func endless(w io.Writer, begin, again string) {
	_, _ = io.WriteString(w, begin)
	again = strings.Repeat(again, 1000)
	for sent := 0; sent < 256<<20; sent += len(again) {
		if _, err := io.WriteString(w, again); err != nil {
			return
		}
	}
}

// What a store has acknowledged and not kept is not taken for kept.
func TestStore_ThatKeepsNothing(t *testing.T) {
	page := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>Welcome</html>") })
	if err := page.Put(t.Context(), "object", []byte("x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a page that takes everything: %v", err)
	}
	for name, get := range map[string]http.HandlerFunc{
		"forgets": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, "<Error><Code>NoSuchKey</Code></Error>")
		},
		"gives other bytes": func(w http.ResponseWriter, r *http.Request) {
			first, last, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Range"), "bytes="), "-")
			n := 0
			_, _ = fmt.Sscan(last, &n)
			w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
			w.Header().Set("Content-Length", fmt.Sprint(n+1))
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %s-%s/%d", first, last, n+1))
			w.WriteHeader(http.StatusPartialContent)
			_, _ = io.WriteString(w, strings.Repeat("A", n+1))
		},
	} {
		s := against(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				get(w, r)
				return
			}
			w.Header().Set("ETag", `"x"`)
		})
		if err := s.Check(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "does not keep") {
			t.Errorf("one that %s: %v", name, err)
		}
	}
}

// A store that sends us elsewhere is not followed: nobody else is asked, and hears of no key.
func TestStore_RedirectsAreNotFollowed(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	for _, code := range []int{301, 302, 303, 307, 308} {
		s := against(t, time.Minute, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amz-Bucket-Region", strings.TrimPrefix(other.URL, "http://")+"/")
			http.Redirect(w, r, other.URL, code)
		})
		for op, do := range operations(t.Context(), s) {
			if err := do(); !fault.Is(err, fault.Unavailable) {
				t.Errorf("%d, %s: %v", code, op, err)
			} else if said := fmt.Sprintf("%+v", err); strings.Contains(said, secret) || strings.Contains(said, base64.StdEncoding.EncodeToString([]byte(secret))) {
				t.Errorf("%d, %s: it says the key", code, op)
			}
		}
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("the other was asked %d times", n)
	}
}

func TestHead_SizesThatCannotBe(t *testing.T) {
	for _, size := range []string{"-1", "99999999999999999999", "x", ""} {
		s := against(t, time.Minute, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %s\r\nLast-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n", size)
			_ = conn.Close()
		})
		var o blob.Object
		o, err := s.Head(t.Context(), "object")
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%q: %+v, %v", size, o, err)
		}
	}
}
