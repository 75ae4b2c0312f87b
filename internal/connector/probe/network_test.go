package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// statuses are a report in short: name and first letter of the status.
func statuses(r *probe.Report) string {
	var all []string
	for _, s := range r.Steps {
		all = append(all, s.Name+":"+string(s.Status[0]))
	}
	return strings.Join(all, " ")
}

// said is all that a report says.
func said(r *probe.Report) string {
	var all []string
	for _, s := range r.Steps {
		all = append(all, s.Result, s.Remedy)
	}
	return strings.Join(all, "; ")
}

func TestOfURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://id.example.com/x": "id.example.com 443 TLS", "http://id.example.com": "id.example.com 80", "https://[::1]:8443": "::1 8443 TLS",
		"http://id.example.com:8080/": "id.example.com 8080", "%": " ",
	} {
		target := probe.OfURL(raw, nil, "config.rootCAs", "config.issuer")
		got := target.Host + " " + target.Port
		if target.TLS != nil {
			got += " TLS"
		}
		if got != want || target.Setting != "config.issuer" {
			t.Errorf("%s: %q, want %q (%+v)", raw, got, want, target)
		}
	}
}

func TestReport_Reach(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	ends := server.Certificate().NotAfter

	of := func(raw string, change func(*probe.Target)) probe.Target {
		target := probe.OfURL(raw, pool, "config.rootCAs", "config.issuer")
		if change != nil {
			change(&target)
		}
		return target
	}
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		target probe.Target
		now    time.Time
		want   string
		says   string
	}{
		"https":    {of(server.URL, nil), time.Now(), "dns:o tcp:o tls:o clock:o", "valid until 2084-01-29"},
		"http":     {of(plain.URL, nil), time.Now(), "dns:o tcp:o tls:o clock:o", "plain text, on this machine"},
		"no HTTP":  {of(server.URL, func(t *probe.Target) { t.HTTP = "" }), time.Now(), "dns:o tcp:o tls:o", "connected to 127.0.0.1"},
		"no host":  {of("https://nowhere.invalid", nil), time.Now(), "dns:f tcp:s tls:s", "check config.issuer, and the name server"},
		"no TLS":   {of(strings.Replace(plain.URL, "http:", "https:", 1), nil), time.Now(), "dns:o tcp:o tls:f", "does not speak TLS"},
		"no port":  {of(gone.URL, nil), time.Now(), "dns:o tcp:f tls:s", "nothing answers at 127.0.0.1"},
		"no trust": {of(server.URL, func(t *probe.Target) { t.TLS.RootCAs = x509.NewCertPool() }), time.Now(), "dns:o tcp:o tls:f", "add that CA's certificate to config.rootCAs"},
		"another name": {
			of(server.URL, func(t *probe.Target) { t.TLS.ServerName = "id.example.org" }), time.Now(), "dns:o tcp:o tls:f", "check config.issuer",
		},
		"any trust": {of(server.URL, func(t *probe.Target) { t.TLS.InsecureSkipVerify = true }), time.Now(), "dns:o tcp:o tls:w clock:o", "it is not verified"},
		"ends soon": {of(server.URL, nil), ends.Add(-20 * 24 * time.Hour), "dns:o tcp:o tls:w clock:f", "have the provider's certificate renewed"},
		"StartTLS": {
			of(server.URL, func(t *probe.Target) {
				t.HTTP, t.Begin = "", func(context.Context) (tls.ConnectionState, error) { return tls.ConnectionState{}, nil }
			}), time.Now(), "dns:o tcp:o tls:o", "cannot be seen from here",
		},
		"its own words": {
			of(server.URL, func(t *probe.Target) {
				t.Begin = func(context.Context) (tls.ConnectionState, error) {
					return tls.ConnectionState{}, fault.New(fault.Precondition, "another protocol").Next("use port 636")
				}
			}), time.Now(), "dns:o tcp:o tls:f", "another protocol; use port 636",
		},
		"no StartTLS": {
			of(server.URL, func(t *probe.Target) {
				t.Begin = func(context.Context) (tls.ConnectionState, error) { return tls.ConnectionState{}, refused }
			}), time.Now(), "dns:o tcp:o tls:f", "does not speak TLS",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := probe.New(func() time.Time { return c.now })
			good := r.Reach(t.Context(), c.target)
			if got := statuses(r); got != c.want || !strings.Contains(said(r), c.says) {
				t.Errorf("%s; it says %q\nwant %s; %q", got, said(r), c.want, c.says)
			}
			if good == strings.Contains(c.want, ":f") {
				t.Errorf("it says %v", good)
			}
		})
	}
}

func TestReport_Reach_Clock(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	for name, c := range map[string]struct {
		date         string // in the header
		status, says string
	}{
		"the same":     {now.UTC().Format(http.TimeFormat), "clock:o", "agrees with pachd's"},
		"a bit ahead":  {now.Add(29 * time.Second).UTC().Format(http.TimeFormat), "clock:o", "29 s ahead of pachd's"},
		"a bit behind": {now.Add(-7 * time.Second).UTC().Format(http.TimeFormat), "clock:o", "7 s behind pachd's"},
		"ahead":        {now.Add(31 * time.Second).UTC().Format(http.TimeFormat), "clock:w", "NTP"},
		"behind":       {now.Add(-2 * time.Minute).UTC().Format(http.TimeFormat), "clock:w", "120 s behind pachd's"},
		"far ahead":    {now.Add(121 * time.Second).UTC().Format(http.TimeFormat), "clock:f", "or tokens are refused"},
		"far behind":   {now.Add(-time.Hour).UTC().Format(http.TimeFormat), "clock:f", "3600 s behind"},
		"no time":      {"", "clock:s", "does not send the time"},
		"no date":      {"yesterday", "clock:s", "does not send the time"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Date"] = nil
			if c.date != "" {
				w.Header().Set("Date", c.date)
			}
		}))
		r := probe.New(func() time.Time { return now })
		r.Reach(t.Context(), probe.OfURL(server.URL, nil, "", ""))
		server.Close()
		if got := statuses(r); got != "dns:o tcp:o tls:o "+c.status || !strings.Contains(said(r), c.says) {
			t.Errorf("%s: %s; it says %q", name, got, said(r))
		}
	}
}

// What takes connections and speaks another protocol.
func TestReport_Reach_NoHTTP(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "220 mail.example.com\r\n")
			_ = conn.Close()
		}
	}()
	r := probe.New(time.Now)
	if r.Reach(t.Context(), probe.OfURL("http://"+l.Addr().String(), nil, "", "config.issuer")) || !strings.Contains(said(r), "does not answer over HTTP") {
		t.Errorf("%s; it says %q", statuses(r), said(r))
	}
}

func TestReport_Skip(t *testing.T) {
	r := probe.New(time.Now)
	r.Skip("tcp", "tls")
	want := []probe.Step{
		{Name: "tcp", Status: probe.Skipped, Result: "an earlier step failed"}, {Name: "tls", Status: probe.Skipped, Result: "an earlier step failed"},
	}
	if diff := cmp.Diff(want, r.Steps); diff != "" {
		t.Error(diff)
	}
}
