package fetch

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pachyderm/internal/fault"
)

func TestIsForbidden(t *testing.T) {
	for address, want := range map[string]bool{
		"169.254.169.254": true, "169.254.0.1": true, "fe80::1": true, "224.0.0.1": true, "ff02::1": true, "0.0.0.0": true, "::": true,
		"0.1.2.3": true, "255.255.255.255": true, "64:ff9b::a9fe:a9fe": true, "2002:a9fe:a9fe::1": true, "fd00:ec2::254": true,
		"100.100.100.200": true,
		"127.0.0.1":       false, "::1": false, "10.0.0.7": false, "192.168.49.2": false, "fd12::1": false, "93.184.216.34": false,
		"2606:2800::1": false,
	} {
		if got := isForbidden(netip.MustParseAddr(address)); got != want {
			t.Errorf("isForbidden(%s) = %v", address, got)
		}
	}
}

func TestClient_ForbiddenAddresses(t *testing.T) {
	for _, url := range []string{
		"http://169.254.169.254/", "https://169.254.169.254/", "http://[::ffff:169.254.169.254]/", "http://[fe80::1%25lo]/", "http://0.0.0.0:1/",
		"http://[::]:1/",
	} {
		err := New(nil, time.Second).JSON(t.Context(), url, "keys", "", new(any))
		if !fault.Is(err, fault.Precondition) || !strings.Contains(err.Error(), "does not connect to") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestClient_DialledAddressCounts(t *testing.T) {
	for address, want := range map[string]bool{
		"[::ffff:100.100.100.200]:80": false, "[fe80::1%lo]:80": false, "[::ffff:10.0.0.7]:80": true, "127.0.0.1:80": true, "name:80": false,
	} {
		if err := Anywhere.guardAddress("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
	}
}

func TestReach_PublicOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800::1]:443": true, "8.8.8.8:53": true,
		"127.0.0.1:80": false, "127.9.9.9:80": false, "[::1]:80": false, "10.0.0.7:80": false, "172.31.255.1:80": false, "192.168.1.1:80": false,
		"100.64.0.1:80": false, "[fd12::1]:80": false, "[::ffff:10.0.0.7]:80": false, "[::ffff:127.0.0.1]:80": false, "198.18.0.1:80": false,
		"169.254.169.254:80": false, "[fe80::1%lo]:80": false, "0.0.0.0:80": false, "name:80": false,
	} {
		err := PublicOnly.guardAddress("tcp", address, nil)
		if (err == nil) != want {
			t.Errorf("%s: got %v", address, err)
		}
		if err != nil && strings.Contains(err.Error(), "10.0.0.7") {
			t.Errorf("what a name stands for is told: %v", err)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:1/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err = PublicOnly.New(nil, time.Second).Do(req, "document"); !fault.Is(err, fault.Precondition) {
		t.Errorf("a client: %v", err)
	}
}

func TestClient_Redirects(t *testing.T) {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/there", http.StatusFound) })
	mux.HandleFunc("/there", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`"reached"`)) })
	mux.HandleFunc("/circle", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/circle", http.StatusFound) })

	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("another host was asked")
		_, _ = w.Write([]byte(`"reached"`))
	}))
	t.Cleanup(elsewhere.Close)
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL+"/there", http.StatusFound)
	})

	client := New(nil, 5*time.Second)
	var got string
	if err := client.JSON(t.Context(), server.URL+"/away", "page", "", &got); err == nil ||
		!strings.Contains(err.Error(), elsewhere.URL+"/there, which is not followed") {
		t.Errorf("to another host: got %q, %v", got, err)
	}
	if err := client.JSON(t.Context(), server.URL+"/here", "page", "", &got); err != nil || got != "reached" {
		t.Errorf("on one host: got %q, %v", got, err)
	}
	if err := client.JSON(t.Context(), server.URL+"/circle", "page", "", &got); err == nil ||
		!strings.Contains(err.Error(), "/circle, which is not followed") {
		t.Errorf("in a circle: got %v", err)
	}
}

func TestClient_OversizedAnswer(t *testing.T) {
	for size, want := range map[int]string{1 << 20: "", 1<<20 + 1: "larger than 1 MiB"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, size))
		}))
		body, err := New(nil, 5*time.Second).Get(t.Context(), server.URL, "page", nil)
		server.Close()
		if want == "" && (err != nil || len(body) != size) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%d bytes: got %d, %v", size, len(body), err)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, bad := range []string{"", "{", "{} {}", "{}x", "<html>"} {
		if err := Decode([]byte(bad), new(any)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if err := Decode([]byte(" {} \n"), new(any)); err != nil {
		t.Error(err)
	}
}

func TestClean(t *testing.T) {
	if got, want := Clean("a\x00b\nc\u202ed\xff\u200b"), "ab cd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// source is what a Document loads: whatever answer says, after a minute.
type source struct {
	loads  atomic.Int32
	answer func() (int, error)
}

func (s *source) load(ctx context.Context) (int, error) {
	s.loads.Add(1)
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Minute): // by the bubble's clock: no test waits for it
		return s.answer()
	}
}

func TestDocument(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outage := errors.New("outage")
		s := &source{answer: func() (int, error) { return 0, outage }}
		d := NewDocument("document", s.load, time.Now, slog.New(slog.DiscardHandler))
		ask := func(want int, wantErr error, wantLoads int32) {
			t.Helper()
			got, err := d.Get(t.Context())
			if got != want || !errors.Is(err, wantErr) || s.loads.Load() != wantLoads {
				t.Errorf("got %d, %v after %d loads; want %d, %v after %d", got, err, s.loads.Load(), want, wantErr, wantLoads)
			}
			synctest.Wait()
		}

		ask(0, outage, 1)
		ask(0, outage, 1) // a failure is kept for a moment,
		time.Sleep(failedFor)
		s.answer = func() (int, error) { return 1, nil }
		ask(1, nil, 2) // and no longer.

		time.Sleep(freshFor)
		s.answer = func() (int, error) { return 2, nil }
		if got, err := d.Get(t.Context()); got != 1 || err != nil {
			t.Errorf("while a new one is fetched: got %d, %v", got, err)
		}
		time.Sleep(2 * time.Minute)
		ask(2, nil, 3)

		time.Sleep(trustedFor)
		s.answer = func() (int, error) { return 0, outage }
		ask(2, nil, 4) // the last good one outlives an outage,
		ask(2, nil, 4) // which is not asked about at every call.
		time.Sleep(failedFor)
		s.answer = func() (int, error) { return 3, nil }
		ask(3, nil, 5) // One that is a day old is not used if there is a new one.
	})
}

func TestDocument_ConcurrentCallersShareOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func() (int, error) { return 1, nil }}
		d := NewDocument("document", s.load, time.Now, slog.New(slog.DiscardHandler))
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := make(chan error)
		go func() {
			_, err := d.Get(impatient)
			first <- err
		}()
		synctest.Wait()
		var served atomic.Int32
		for range 8 {
			go func() {
				if got, err := d.Get(t.Context()); got == 1 && err == nil {
					served.Add(1)
				}
			}()
		}
		if err := <-first; !fault.Is(err, fault.Unavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the impatient caller: %v", err)
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if served.Load() != 8 || s.loads.Load() != 1 {
			t.Errorf("served %d of 8 by %d loads: the load must outlive the caller that began it", served.Load(), s.loads.Load())
		}
	})
}

func TestDocument_Confirm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int32
		var takes time.Duration
		answer := func() (int, error) { return 1, nil }
		d := NewDocument("document", func(context.Context) (int, error) {
			loads.Add(1)
			time.Sleep(takes)
			return answer()
		}, time.Now, slog.New(slog.DiscardHandler))
		confirm := func(when string, want int, wantErr error, wantLoads int32) {
			t.Helper()
			got, err := d.Confirm(t.Context())
			if got != want || !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) || loads.Load() != wantLoads {
				t.Errorf("%s: got %d, %v after %d loads; want %d, %v after %d", when, got, err, loads.Load(), want, wantErr, wantLoads)
			}
		}
		confirm("at first", 1, nil, 1)
		time.Sleep(ConfirmedFor - 1)
		confirm("within the pause", 1, nil, 1)

		answer = func() (int, error) { return 2, nil }
		time.Sleep(time.Nanosecond)
		confirm("after the pause", 2, nil, 2)

		answer = func() (int, error) { return 0, fault.New(fault.Unavailable, "HTTP status 502") }
		time.Sleep(ConfirmedFor)
		confirm("with a problem, but there", 2, nil, 3)
		confirm("again", 2, nil, 3)

		dead := errors.New("connection refused")
		answer = func() (int, error) {
			return 0, fault.New(fault.Unavailable, "dead").Because(&url.Error{Op: "Get", Err: dead})
		}
		time.Sleep(failedFor)
		confirm("dead", 0, dead, 4)
		confirm("still dead, not asked again", 0, dead, 4)
		if got, err := d.Get(t.Context()); got != 2 || err != nil {
			t.Errorf("Get while it is dead: %d, %v", got, err)
		}

		answer = func() (int, error) { return 3, nil }
		time.Sleep(failedFor)
		confirm("back", 3, nil, 5)

		takes = time.Minute
		time.Sleep(ConfirmedFor)
		began := time.Now()
		confirm("silent", 0, context.DeadlineExceeded, 6)
		if waited := time.Since(began); waited != ConfirmWithin {
			t.Errorf("waited for %s", waited)
		}
		time.Sleep(takes)
		synctest.Wait()
	})
}

func TestDocument_RenewUnless(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{answer: func() (int, error) { return 1, nil }}
		d := NewDocument("document", s.load, time.Now, slog.New(slog.DiscardHandler))
		if got, ok := d.RenewUnless(t.Context(), 10*time.Second); got != 1 || !ok {
			t.Errorf("at first: got %d, %v", got, ok)
		}
		if got, ok := d.RenewUnless(t.Context(), 10*time.Second); got != 1 || ok || s.loads.Load() != 1 {
			t.Errorf("too soon: got %d, %v after %d loads", got, ok, s.loads.Load())
		}
		time.Sleep(10 * time.Second)
		if _, ok := d.RenewUnless(t.Context(), 10*time.Second); !ok || s.loads.Load() != 2 {
			t.Errorf("later: got %v after %d loads", ok, s.loads.Load())
		}
	})
}
