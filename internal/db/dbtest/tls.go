package dbtest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TLSURL names a database on a PostgreSQL of its own, at 127.0.0.1 and
// 127.0.0.2, that lets in who comes with TLS and a certificate of this authority only.
func TLSURL(t testing.TB, certFile, keyFile, caFile string) string {
	t.Helper()
	c := newPrimary(t)
	file := func(name string, content []byte) {
		t.Helper()
		path := filepath.Join(c.primary.data(), name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c.own(path)
	}
	for name, from := range map[string]string{"tls.crt": certFile, "tls.key": keyFile, "ca.crt": caFile} {
		content, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		file(name, content)
	}
	file("pg_hba.conf", []byte("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n"))
	c.start(c.primary, "listen_addresses=127.0.0.1,127.0.0.2", "ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key", "ssl_ca_file=ca.crt")
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", c.primary.port)
}
