package upstream

import (
	"context"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/connector"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/secret/secrettest"
	"pachyderm/test/idp"
)

const callbackURL = "http://localhost:30658/callback"

// office has an Upstream, the connectors that it serves, and a clock.
type office struct {
	*Upstream
	registry *registry.Registry
	t        *testing.T

	mu  sync.Mutex
	now time.Time
}

func open(t *testing.T) *office {
	t.Helper()
	d := dbtest.SQLite(t)
	sealer := secrettest.Sealer(t, d)
	o := &office{t: t, now: time.Now()}
	deps := func() connector.Deps {
		return connector.Deps{
			Now: o.clock, Log: slog.New(slog.DiscardHandler), Callback: callbackURL,
			LoginParams: func(string) url.Values { return nil }, FormURL: func(string) string { return "" },
		}
	}
	r := registry.New(registry.Config{DB: d, Sealer: sealer, Objects: dexstore.New(d, sealer), Grants: grant.NewStore(d, sealer, o.clock), Now: o.clock, Deps: deps})
	o.registry = r
	o.Upstream = New(d, r, o.clock, deps, trace.New(trace.Config{Now: o.clock}), sealer)
	return o
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.now
}

func (o *office) later(d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(d)
}

func (o *office) connect(id, typ string, config map[string]any) {
	o.t.Helper()
	c := registry.Connector{ID: id, Name: id, Type: typ, Version: 1, Config: config}
	if err := o.registry.CreateConnector(o.t.Context(), registry.Operator(), c); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) row(id string) registry.Row {
	o.t.Helper()
	r, err := o.registry.ReadRevision(o.t.Context(), id, "")
	if err != nil {
		o.t.Fatal(err)
	}
	return r
}

// forDex is the connector as Dex gets it.
func (o *office) forDex(id string) dexconn.Connector {
	o.t.Helper()
	c, err := o.Resolve(o.ForDex(o.row(id)))
	if err != nil {
		o.t.Fatal(err)
	}
	return c
}

// begins says whether a sign-in can begin with a connector.
func (o *office) begins(id string) error {
	state := "state-of-" + id
	o.Began(state, &loginctx.Login{})
	defer o.Forget(state)
	_, _, err := o.forDex(id).(dexconn.CallbackConnector).LoginURL(dexconn.Scopes{}, callbackURL, state)
	return err
}

func oidcOf(issuer, id, secret string, more map[string]any) map[string]any {
	out := map[string]any{"issuer": issuer, "clientID": id, "clientSecret": secret, "redirectURI": callbackURL}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// troubles are the ways in which providers fail, and what their health says.
var troubles = map[idp.Trouble]string{
	idp.Hangs: "", idp.Garbage: "discovery document", idp.Outdated: "expired", idp.AnotherIssuer: "issuer mismatch",
	"refuses": "cannot be reached",
}

func TestHealth_Problems(t *testing.T) {
	t.Parallel()
	o := open(t)
	ca := idp.NewCA(t)
	providers := map[idp.Trouble]*idp.Troubled{}
	for trouble := range troubles {
		p := idp.StartTroubled(t, ca)
		providers[trouble] = p
		o.connect(id(trouble), "oidc", oidcOf(p.Issuer, "c", "s", map[string]any{"rootCAs": []any{string(ca.PEM)}}))
	}
	well := []string{"well-1", "well-2", "well-3", "well-4", "well-5"}
	for _, id := range well {
		p := optest.Start(t, callbackURL)
		o.connect(id, "oidc", oidcOf(p.Issuer, p.ClientID, p.ClientSecret, nil))
	}
	states := func() map[string]Health {
		all := map[string]Health{}
		for trouble := range troubles {
			all[id(trouble)] = o.Health(o.row(id(trouble)))
		}
		for _, id := range well {
			all[id] = o.Health(o.row(id))
		}
		return all
	}
	for id, h := range states() {
		if h.State != "unknown" || h.Since != o.clock() {
			t.Errorf("%s before anybody has asked: %+v", id, h)
		}
	}
	o.later(time.Minute)
	first := o.clock()
	o.pingAll(t.Context())
	for id, h := range states() {
		if h.State != Ready || h.Since != first || h.LastGood != first || h.Checked != first || h.Error != "" {
			t.Errorf("%s at first: %+v", id, h)
		}
	}
	for trouble, p := range providers {
		if trouble == "refuses" {
			p.Stop()
		} else {
			p.Fall(trouble)
		}
	}
	o.later(time.Minute)
	second := o.clock()
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		o.pingAll(context.WithoutCancel(t.Context()))
	}()
	// One of those that are asked does not answer, and keeps nobody else.
	for _, id := range well {
		if err := o.begins(id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	<-asked
	for trouble, want := range troubles {
		h := o.Health(o.row(id(trouble)))
		if h.State != Failing || h.Since != second || h.LastGood != first || h.Checked != second || h.Error == "" ||
			!strings.Contains(h.Error, want) {
			t.Errorf("%s: %+v; want an error with %q", trouble, h, want)
		}
	}
	for _, id := range well {
		if h := o.Health(o.row(id)); h.State != Ready || h.Since != first || h.LastGood != second {
			t.Errorf("%s beside the others: %+v", id, h)
		}
	}
	for trouble, p := range providers {
		if trouble == "refuses" {
			p.Start()
		} else {
			p.Fall(idp.None)
		}
	}
	o.later(time.Minute)
	third := o.clock()
	o.pingAll(t.Context())
	for trouble := range troubles {
		if h := o.Health(o.row(id(trouble))); h.State != Ready || h.Since != third || h.LastGood != third {
			t.Errorf("%s is over: %+v", trouble, h)
		}
		if err := o.begins(id(trouble)); err != nil {
			t.Errorf("%s is over: %v", trouble, err)
		}
	}
}

func id(trouble idp.Trouble) string { return strings.ReplaceAll(string(trouble), " ", "-") }

func TestHealth_CircuitBreaker(t *testing.T) {
	t.Parallel()
	o := open(t)
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	o.connect("ldap", "ldap", map[string]any{
		"host": l.LDAPS, "rootCAData": string(l.CA.PEM), "bindDN": l.BindDN, "bindPW": l.BindPassword,
		"userSearch": map[string]any{"baseDN": l.PeopleDN, "username": "uid"},
	})
	login := func() (bool, error) {
		_, valid, err := o.forDex("ldap").(dexconn.PasswordConnector).Login(t.Context(), dexconn.Scopes{}, "alice", idp.Alice.Password)
		return valid, err
	}
	if valid, err := login(); !valid || err != nil {
		t.Fatalf("%v, %v", valid, err)
	}
	// A wrong password is no failure of the directory.
	for range 5 {
		if _, valid, err := o.forDex("ldap").(dexconn.PasswordConnector).Login(t.Context(), dexconn.Scopes{}, "alice", "wrong"); valid ||
			err != nil {
			t.Fatalf("%v, %v", valid, err)
		}
	}
	l.Stop()
	asked, end := hangUp(t, l.LDAPS)
	for n, c := range []struct {
		later time.Duration
		asked int32 // by then
	}{
		{0, 1},
		{0, 2},
		{0, 3},
		{0, 3},               // the circuit is open
		{4 * time.Second, 3}, // still
		{2 * time.Second, 4}, // asked again
		{0, 4},               // and open again
		{6 * time.Second, 5},
	} {
		o.later(c.later)
		if valid, err := login(); valid || !fault.Is(err, fault.Unavailable) || asked.Load() != c.asked {
			t.Errorf("login %d: %v, %v; asked %d times, want %d", n, valid, err, asked.Load(), c.asked)
		}
	}
	end()
	l.Start()
	o.later(6 * time.Second)
	if valid, err := login(); !valid || err != nil {
		t.Errorf("it is back: %v, %v", valid, err)
	}
	if h := o.Health(o.row("ldap")); h.State != Ready {
		t.Errorf("it is back: %+v", h)
	}
}

// One failure after a success is the first of a row.
func TestHealth_SuccessEndsFailures(t *testing.T) {
	t.Parallel()
	o := open(t)
	l := idp.StartOpenLDAP(t, idp.OpenLDAPOptions{})
	o.connect("ldap", "ldap", map[string]any{
		"host": l.LDAPS, "rootCAData": string(l.CA.PEM), "bindDN": l.BindDN, "bindPW": l.BindPassword,
		"userSearch": map[string]any{"baseDN": l.PeopleDN, "username": "uid"},
	})
	login := func() bool {
		_, valid, _ := o.forDex("ldap").(dexconn.PasswordConnector).Login(t.Context(), dexconn.Scopes{}, "alice", idp.Alice.Password)
		return valid
	}
	for round := range 2 {
		l.Stop()
		asked, end := hangUp(t, l.LDAPS)
		for range 2 {
			login()
		}
		end()
		if asked.Load() != 2 {
			t.Errorf("round %d: asked %d times of 2", round, asked.Load())
		}
		l.Start()
		if !login() {
			t.Errorf("round %d: the circuit is open after two failures", round)
		}
	}
}

// hangUp takes connections, counts them and ends them.
func hangUp(t *testing.T, address string) (count *atomic.Int32, end func()) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	count = &atomic.Int32{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			count.Add(1)
			_ = conn.Close()
		}
	}()
	return count, func() {
		_ = l.Close()
		<-done
	}
}
