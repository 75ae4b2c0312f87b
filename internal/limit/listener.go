package limit

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// WriteProgress is how long a write may make no progress: whoever does not read
// for so long is let go.
const WriteProgress = 30 * time.Second

// writeStep is the most that one deadline is for, in bytes.
const writeStep = 32 << 10

// Listener accepts so many connections, and no more from one network unless it
// is a trusted proxy's; those beyond are closed at once. Each write to one must
// make progress.
type Listener struct {
	net.Listener
	// Network and Total are the most that are open at a time.
	Network, Total int
	Proxies        Proxies
	// Progress is how long a write may make none.
	Progress time.Duration
	// Refused is called with the network of each connection that is one too many.
	Refused func(network string)

	mu    sync.Mutex
	open  map[string]int // by network
	total int
}

// Accept waits for a connection that is within the limits.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		network, ok := l.enter(c.RemoteAddr().String())
		if ok {
			return &conn{Conn: c, leave: sync.OnceFunc(func() { l.leave(network) }), progress: l.Progress}, nil
		}
		l.Refused(network)
		_ = c.Close() // nobody waits for it
	}
}

// enter counts a connection; a proxy's counts in all only, as network "".
func (l *Listener) enter(peer string) (network string, ok bool) {
	network = l.Proxies.Client(peer, nil).Network
	if ap, err := netip.ParseAddrPort(peer); err == nil && l.Proxies.trust(ap.Addr().Unmap()) {
		network = ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.total >= l.Total || network != "" && l.open[network] >= l.Network {
		return network, false
	}
	if l.open == nil {
		l.open = map[string]int{}
	}
	l.total++
	l.open[network]++
	return network, true
}

func (l *Listener) leave(network string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.open[network]--; l.open[network] == 0 {
		delete(l.open, network)
	}
}

type conn struct {
	net.Conn
	leave    func()
	progress time.Duration
}

// Write writes in steps that each must be taken in time.
func (c *conn) Write(b []byte) (n int, err error) {
	for {
		step := b[n:min(len(b), n+writeStep)]
		if err := c.SetWriteDeadline(time.Now().Add(c.progress)); err != nil { //nolint:forbidigo // the kernel has no other clock
			return n, err
		}
		m, err := c.Conn.Write(step)
		n += m
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = c.Close() // gRPC would go on reading
		}
		if err != nil || n == len(b) {
			return n, err
		}
	}
}

// CloseWrite lets net/http say the last of an answer before it hangs up.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close gives the connection's place back.
func (c *conn) Close() error {
	c.leave()
	return c.Conn.Close()
}
