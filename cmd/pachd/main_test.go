package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"testing"
)

// An image that holds pachd alone has no certificates of its own: providers on the
// internet are verified all the same.
func TestRoots_WithoutThoseOfASystem(t *testing.T) {
	const inner = "TEST_ROOTS"
	if os.Getenv(inner) == "" {
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRoots_WithoutThoseOfASystem$")
		nowhere := t.TempDir()
		c.Env = append(os.Environ(), inner+"=1", "SSL_CERT_FILE="+nowhere+"/none", "SSL_CERT_DIR="+nowhere)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	roots, err := x509.SystemCertPool()
	if err != nil || roots.Equal(x509.NewCertPool()) {
		t.Errorf("there are no roots: %v", err)
	}
}
