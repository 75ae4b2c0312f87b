package dbtest

import (
	"net"
	"net/url"
	"sync/atomic"
	"testing"
)

// Cable is between a program and PostgreSQL, and can be cut so that neither end
// hears of it.
type Cable struct {
	cut  atomic.Bool
	used chan struct{} // by one more connection
}

// NewCable returns the URL that leads through a cable to the database.
func NewCable(t testing.TB, databaseURL string) (c *Cable, through string) {
	t.Helper()
	c = &Cable{used: make(chan struct{}, 1)}
	return c, relay(t, databaseURL, func(near, far net.Conn) {
		select {
		case c.used <- struct{}{}:
		default:
		}
		go c.carry(near, far)
		go c.carry(far, near)
	})
}

// relay returns the URL that leads to a database through the program of a test, which
// carries each connection both ways.
func relay(t testing.TB, databaseURL string, carry func(near, far net.Conn)) (through string) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	to := u.Host
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := (&net.Dialer{}).Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			carry(near, far)
		}
	}()
	u.Host = l.Addr().String()
	return u.String()
}

// Cut cuts the cable, or mends it.
func (c *Cable) Cut(cut bool) {
	if cut {
		select {
		case <-c.used:
		default:
		}
	}
	c.cut.Store(cut)
}

// AwaitUse waits for one more connection since the cable was cut.
func (c *Cable) AwaitUse() { <-c.used }

// carry drops what comes while the cable is cut, and closes nothing then.
func (c *Cable) carry(from, to net.Conn) {
	defer func() { _ = to.Close() }()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if c.cut.Load() {
			continue
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}
