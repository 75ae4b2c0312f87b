package pachd_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/test/idp"
)

// A connection counts against its network before it has shown that it speaks
// TLS, and who does not go on with the handshake is let go.
func TestTLS_HalfAHandshakeIsLetGo(t *testing.T) {
	t.Parallel()
	ca := idp.NewCA(t)
	certificate := ca.Certificate(t)
	s := pachdtest.Start(t, func(c *config.Config) {
		c.TLS = config.TLS{CertFile: certificate.CertFile, KeyFile: certificate.KeyFile}
		c.Limits.Connections = 8 // of which two are one network's
	})
	dial := func(network, to string) net.Conn {
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(network)}}).DialContext(t.Context(), "tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil { // or the test would hang
			t.Fatal(err)
		}
		return conn
	}
	handshake := func(network, to string) error {
		conn := tls.Client(dial(network, to), &tls.Config{RootCAs: ca.Pool, ServerName: "localhost", NextProtos: []string{"h2"}})
		return errors.Join(conn.HandshakeContext(t.Context()), conn.Close())
	}
	const clientHello = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // and 505 bytes more (RFC 8446, 5.1 and 4.1.2)
	var all sync.WaitGroup
	for name, to := range map[string]string{"gRPC": s.GRPC, "HTTP": s.Pachd.HTTP()} {
		half := map[string]net.Conn{"nothing": dial("127.0.0.1", to), "half a ClientHello": dial("127.0.0.1", to)}
		if _, err := io.WriteString(half["half a ClientHello"], clientHello); err != nil {
			t.Fatal(err)
		}
		if err := handshake("127.0.0.1", to); err == nil {
			t.Errorf("%s: a third connection of the network is let in", name)
		}
		if err := handshake("127.0.0.2", to); err != nil {
			t.Errorf("%s: another network: %v", name, err)
		}
		all.Go(func() {
			for said, conn := range half {
				if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: who has said %s is still there", name, said)
				}
			}
			if err := handshake("127.0.0.1", to); err != nil {
				t.Errorf("%s: the network does not get its places back: %v", name, err)
			}
		})
	}
	all.Wait()
	var said int
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, "TLS handshake error") {
			said++
			if !strings.Contains(line, "level=DEBUG") {
				t.Errorf("strangers can fill the log with %s", line)
			}
		}
	}
	if said != 2 {
		t.Errorf("the log has %d lines of it, want the 2 of HTTP", said)
	}
}
