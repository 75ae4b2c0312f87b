package dex

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/sync/singleflight"

	"pachyderm/internal/fault"
)

const (
	// openWithin is how long a sign-in waits for a connector of Dex's that asks
	// its provider before it can be used, and failedFor how long its failure is
	// answered without asking again.
	openWithin = 10 * time.Second
	failedFor  = 5 * time.Second
)

// lazy is such a connector, opened when somebody needs it, so that a provider
// that is down does not matter before.
type lazy struct {
	open func() (dexconn.Connector, error)
	// verified is for providers that say of an address whether it is.
	verified bool
	now      func() time.Time

	flight singleflight.Group

	mu     sync.Mutex
	opened dexconn.Connector
	tried  time.Time
	err    error
}

func (l *lazy) get(ctx context.Context) (dexconn.Connector, error) {
	l.mu.Lock()
	opened, err, recent := l.opened, l.err, l.now().Sub(l.tried) < failedFor
	l.mu.Unlock()
	if opened != nil || err != nil && recent {
		return opened, err
	}
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	select {
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "the provider did not answer in time").
			Next("try again").Because(ctx.Err())
	case <-l.flight.DoChan("", func() (any, error) { l.tryOpen(); return nil, nil }):
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened, l.err
}

func (l *lazy) tryOpen() {
	c, err := l.openSafely()
	if err != nil {
		err = fault.New(fault.Unavailable, "the provider's sign-in configuration cannot be read").
			Next("try again, and check that this server can reach it").Because(err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened, l.err, l.tried = c, err, l.now()
}

// openSafely keeps a panic in somebody else's code from ending pachd: this runs
// in a goroutine that no request recovers for.
func (l *lazy) openSafely() (c dexconn.Connector, err error) {
	defer func() {
		if p := recover(); p != nil {
			c, err = nil, fmt.Errorf("panic: %v", p)
		}
	}()
	return l.open()
}

// Ping opens the connector if it is not.
func (l *lazy) Ping(ctx context.Context) error {
	_, err := l.get(ctx)
	return err
}

func (l *lazy) LoginURL(s dexconn.Scopes, callbackURL, state string) (string, []byte, error) {
	c, err := l.get(context.Background())
	if err != nil {
		return "", nil, err
	}
	return c.(dexconn.CallbackConnector).LoginURL(s, callbackURL, state)
}

func (l *lazy) HandleCallback(s dexconn.Scopes, data []byte, r *http.Request) (dexconn.Identity, error) {
	c, err := l.get(r.Context())
	if err != nil {
		return dexconn.Identity{}, err
	}
	id, err := c.(dexconn.CallbackConnector).HandleCallback(s, data, r)
	if err == nil && l.verified {
		err = checkVerified(id)
	}
	return id, err
}

func (l *lazy) Refresh(ctx context.Context, s dexconn.Scopes, id dexconn.Identity) (dexconn.Identity, error) {
	c, err := l.get(ctx)
	if err != nil {
		return id, err
	}
	return c.(dexconn.RefreshConnector).Refresh(ctx, s, id)
}
