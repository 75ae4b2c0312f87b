package test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/test/walk"
)

// acknowledged is what pachd has said yes to.
type acknowledged struct {
	mu      sync.Mutex
	tokens  []string
	version int64
}

// A kill -9 at any point of a login or an update loses nothing that was
// acknowledged, and the next start works.
func TestKill_LosesNothingAcknowledged(t *testing.T) {
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(t, d.callback())
	d.start()
	root := d.rootToken()
	d.connect(provider)
	ack := &acknowledged{version: 1}
	logins := 0
	for round := range 12 {
		ctx, stop := context.WithCancel(t.Context())
		conn := d.dial()
		var wg sync.WaitGroup
		wg.Go(func() { d.keepLoggingIn(ctx, conn, ack) })
		wg.Go(func() { d.keepUpdating(ctx, conn, root, provider, ack) })
		// Anywhere between the first write and some dozens of them.
		timer := time.NewTimer(time.Duration(rand.N(int64(400 * time.Millisecond))))
		<-timer.C
		d.kill()
		stop()
		wg.Wait()

		d.start()
		conn = d.dial()
		if d.rootToken() != root {
			t.Fatalf("round %d: the root token has changed", round)
		}
		if who, err := whoAmI(t.Context(), conn, root); err != nil || who != "pach:root" {
			t.Fatalf("round %d: root is %q, %v", round, who, err)
		}
		for _, token := range ack.tokens {
			if who, err := whoAmI(t.Context(), conn, token); err != nil || who != "user:alice@example.com" {
				t.Fatalf("round %d: an acknowledged session is lost: %q, %v", round, who, err)
			}
		}
		res, err := identitypb.NewAPIClient(conn).GetIDPConnector(as(t.Context(), root), &identitypb.GetIDPConnectorRequest{Id: "demo"})
		if err != nil || res.GetConnector().GetConfigVersion() < ack.version {
			t.Fatalf("round %d: the connector has version %d, acknowledged was %d: %v", round, res.GetConnector().GetConfigVersion(), ack.version, err)
		}
		ack.version = res.GetConnector().GetConfigVersion()
		logins = len(ack.tokens)
	}
	t.Logf("%d logins and %d updates were acknowledged over the kills", logins, ack.version-1)
	if logins == 0 || ack.version == 1 {
		t.Error("nothing was acknowledged, so nothing was tested")
	}
	if strings.Contains(d.output.String(), "panic") {
		t.Errorf("pachd panicked:\n%s", d.output)
	}
}

func (d *daemon) keepLoggingIn(ctx context.Context, conn *grpc.ClientConn, ack *acknowledged) {
	for ctx.Err() == nil {
		token, err := d.login(ctx, conn, optest.Alice)
		if err != nil {
			continue
		}
		ack.mu.Lock()
		ack.tokens = append(ack.tokens, token)
		ack.mu.Unlock()
	}
}

func (d *daemon) keepUpdating(ctx context.Context, conn *grpc.ClientConn, root string, p *op.Provider, ack *acknowledged) {
	for ctx.Err() == nil {
		ack.mu.Lock()
		next := ack.version + 1
		ack.mu.Unlock()
		change := d.document(p, "demo", next)
		change.Name = fmt.Sprintf("Demo, version %d", next)
		_, err := identitypb.NewAPIClient(conn).UpdateIDPConnector(as(ctx, root), &identitypb.UpdateIDPConnectorRequest{Connector: change})
		if err != nil {
			continue
		}
		ack.mu.Lock()
		ack.version = next
		ack.mu.Unlock()
	}
}

// login signs in as pachctl would, without giving up the test when pachd is
// killed under it.
func (d *daemon) login(ctx context.Context, conn *grpc.ClientConn, who op.Person) (string, error) {
	person := walk.Person{Name: who.Email, Email: who.Email, Password: who.Password}
	l, err := walk.NewLogin(ctx, pachpb.NewAPIClient(conn), authpb.NewAPIClient(conn), person)
	if err != nil {
		return "", err
	}
	return l.Run(ctx)
}

// killing kills pachd before one request to it, and starts it again.
type killing struct {
	*http.Transport
	d    *daemon
	path string
	done bool
}

// RoundTrip is http.RoundTripper's.
func (k *killing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == k.d.http && r.URL.Path == k.path && !k.done {
		k.done = true
		k.d.kill()
		k.d.start()
	}
	return k.Transport.RoundTrip(r)
}

// Whoever was signing in when pachd was killed is told to start again, and can.
func TestKill_PersonStartsAgain(t *testing.T) {
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(t, d.callback())
	d.start()
	d.connect(provider)
	for path, want := range map[string]string{
		"/callback": "This sign-in is over", "/token": "the code is not known, or not any more",
	} {
		conn := d.dial()
		l, err := walk.NewLogin(t.Context(), pachpb.NewAPIClient(conn), authpb.NewAPIClient(conn),
			walk.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password})
		if err != nil {
			t.Fatal(err)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.DisableKeepAlives = true // to a process that is gone
		l.Transport = &killing{Transport: transport, d: d, path: path}
		if _, err := l.IDToken(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("killed before %s: %v, want %q", path, err, want)
		}
		if _, err := l.IDToken(t.Context()); err != nil {
			t.Errorf("again, after a kill before %s: %v", path, err)
		}
	}
}
