package limit_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"pachyderm/internal/limit"
)

// listen accepts connections of a few addresses of this machine.
func listen(t *testing.T, l *limit.Listener) (accepted chan net.Conn, refused chan string) {
	t.Helper()
	raw, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted, refused = make(chan net.Conn, 100), make(chan string, 100)
	l.Listener, l.Refused = raw, func(network string) { refused <- network }
	t.Cleanup(func() { _ = raw.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	return accepted, refused
}

func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestListener_ConnectionsOfOneNetworkAndInAll(t *testing.T) {
	l := &limit.Listener{
		Network: 2, Total: 6, Progress: time.Minute, Proxies: limit.Proxies{netip.MustParsePrefix("127.0.0.9/32")},
	}
	accepted, refused := listen(t, l)
	to := l.Addr().String()
	first := dial(t, "127.0.0.1", to)
	server := <-accepted
	dial(t, "127.0.0.1", to)
	<-accepted
	over := dial(t, "127.0.0.1", to)
	if got := <-refused; got != "127.0.0.1" {
		t.Errorf("refused %s", got)
	}
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("one too many was not closed")
	}
	dial(t, "127.0.0.2", to) // another network
	<-accepted
	_ = first.Close()
	_, _ = server.Read(make([]byte, 1)) // until the other end has closed
	_ = server.Close()
	_ = server.Close() // gives no place back twice
	dial(t, "127.0.0.1", to)
	<-accepted
	for range 3 { // a proxy's count in all only
		dial(t, "127.0.0.9", to)
		<-accepted
	}
	dial(t, "127.0.0.3", to)
	if got := <-refused; got != "127.0.0.3" {
		t.Errorf("refused %s", got)
	}
}

func TestListener_WhoDoesNotReadIsLetGo(t *testing.T) {
	l := &limit.Listener{Network: 2, Total: 2, Progress: 250 * time.Millisecond}
	accepted, _ := listen(t, l)
	client := dial(t, "127.0.0.1", l.Addr().String())
	server := <-accepted
	_, err := io.Copy(server, zeros{}) // goes on for ever unless it is ended
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ended by %v", err)
	}
	if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it can still say something: %v", err) // as gRPC would let it
	}

	reader := dial(t, "127.0.0.1", l.Addr().String())
	go func() { _, _ = io.Copy(io.Discard, reader) }()
	server = <-accepted
	if n, err := io.Copy(server, io.LimitReader(zeros{}, 20<<20)); err != nil {
		t.Errorf("who reads got %d bytes: %v", n, err)
	}
	_ = client.Close()
}

// zeros never end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
