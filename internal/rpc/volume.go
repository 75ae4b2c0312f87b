package rpc

import (
	"context"
	"errors"
	"net"
	"sync"

	"google.golang.org/grpc/peer"

	"pachyderm/api"
)

// gRPC has one limit of a message for a whole server, and what carries files needs
// one of api.MaxBytes. So a connection takes api.MaxRequest for each call under way
// until one of its calls has shown a good token, and as much as gRPC allows after
// that (decision 0049).
const (
	// callVolume is what one call may send, in bytes: its message and its headers,
	// with what HTTP/2 and TLS add.
	callVolume = api.MaxRequest + maxHeaders + 16<<10
	// idleVolume is what a connection may send besides: settings, window updates and
	// pings, over hours.
	idleVolume = 1 << 20
)

var errVolume = errors.New("more was sent than calls without a token may")

// volumes is a listener whose connections take no more than strangers may send.
type volumes struct{ net.Listener }

// Accept waits for a connection.
func (l volumes) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &volume{Conn: c, left: idleVolume}, nil
}

// volume is a connection, and what may still come over it.
type volume struct {
	net.Conn

	mu      sync.Mutex
	left    int
	calls   int
	trusted bool
}

// volumeAddr is how a call finds the connection that it came over.
type volumeAddr struct {
	net.Addr
	conn *volume
}

// RemoteAddr is net.Conn's.
func (v *volume) RemoteAddr() net.Addr { return volumeAddr{v.Conn.RemoteAddr(), v} }

// Read is net.Conn's; it fails once there is more than there may be.
func (v *volume) Read(p []byte) (int, error) {
	n, err := v.Conn.Read(p)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.trusted {
		return n, err
	}
	if v.left -= n; v.left < 0 {
		return 0, errVolume
	}
	return n, err
}

func (v *volume) begin() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	v.left += callVolume
}

// end leaves nothing of what the call might have sent to those that come after.
func (v *volume) end() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls--
	v.left = min(v.left, idleVolume+v.calls*callVolume)
}

func (v *volume) trust() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.trusted = true
}

func (v *volume) isTrusted() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.trusted
}

// volumeOf is the connection of a call over the network, or nil.
func volumeOf(ctx context.Context) *volume {
	if p, ok := peer.FromContext(ctx); ok {
		if a, ok := p.Addr.(volumeAddr); ok {
			return a.conn
		}
	}
	return nil
}

// trust lets the connection of a call send as much as gRPC allows.
func trust(ctx context.Context) {
	if v := volumeOf(ctx); v != nil {
		v.trust()
	}
}
