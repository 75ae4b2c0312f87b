package fetch

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pachyderm/test/idp"
)

func TestUntrusted(t *testing.T) {
	ca := idp.NewCA(t)
	serve := func(c idp.Certificate) string {
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.TLS = &tls.Config{Certificates: []tls.Certificate{c.TLS}, MinVersion: tls.VersionTLS12}
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
		server.StartTLS()
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
	good := serve(ca.Certificate(t, "ldap.example.com"))
	many := serve(ca.Certificate(t, "a.example.com", "b.example.com", "c.example.com", "d.example.com", "e.example.com"))
	old := serve(ca.Expired(t))
	for name, c := range map[string]struct {
		address, host string
		pool          *x509.CertPool
		want          string
	}{
		"good":      {good, "localhost", ca.Pool, ""},
		"authority": {good, "localhost", x509.NewCertPool(), "an authority unknown here (CN=Example CA) signed it; add that CA's certificate to roots"},
		"name":      {good, "id.example.com", ca.Pool, "it is made out to another name: localhost, ldap.example.com, 127.0.0.1; check host"},
		"many names": {
			many, "id.example.com", ca.Pool,
			"it is made out to another name: localhost, a.example.com, b.example.com, c.example.com, d.example.com and 2 more; check host",
		},
		"expired": {
			old, "localhost", ca.Pool, "it has expired or is not yet valid (valid from 2020-01-01 00:00 UTC until 2021-01-01 00:00 UTC); renew it, and check this server's clock",
		},
	} {
		conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: c.pool, ServerName: c.host, MinVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", c.address)
		if err == nil {
			_ = conn.Close()
		}
		if got := Untrusted(err, "roots", "host"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestUntrusted_Authority(t *testing.T) {
	expired := x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{
		IsCA: true, NotBefore: time.Date(2019, 3, 1, 12, 30, 0, 0, time.UTC), NotAfter: time.Date(2020, 3, 1, 12, 30, 0, 0, time.UTC),
	}}
	expired.Cert.Subject.CommonName = "Old\nCA"
	got := Untrusted(fmt.Errorf("handshake: %w", expired), "roots", "host")
	if !strings.HasPrefix(got, "that of its authority CN=Old") || strings.Contains(got, "\n") || !strings.Contains(got, "until 2020-03-01 12:30 UTC") {
		t.Errorf("%q", got)
	}
	nameless := x509.HostnameError{Host: "id.example.com", Certificate: &x509.Certificate{}}
	if got := Untrusted(nameless, "roots", "host"); !strings.Contains(got, "no name of a host (subjectAltName)") {
		t.Errorf("%q", got)
	}
	nameless.Certificate.IPAddresses = []net.IP{net.IPv6loopback}
	if got := Untrusted(nameless, "roots", "host"); !strings.Contains(got, "another name: ::1;") {
		t.Errorf("%q", got)
	}
}
