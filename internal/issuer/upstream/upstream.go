package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/secret"
)

// AnswerWithin bounds each call of a connector, so that a provider which hangs
// costs the people who chose it a while and others nothing.
const AnswerWithin = 20 * time.Second

// Upstream is safe for concurrent use.
type Upstream struct {
	db       *db.DB
	registry *registry.Registry
	now      func() time.Time
	deps     func() connector.Deps
	traces   *trace.Store
	sealer   *secret.Sealer

	client  *http.Client
	logins  sync.Map // by state: *loginctx.Login, while the HTTP request that began it lasts
	opened  opened
	changed chan struct{}
	health  health
	metrics metrics
}

// New makes an Upstream; it opens nothing.
func New(d *db.DB, r *registry.Registry, now func() time.Time, deps func() connector.Deps, traces *trace.Store, sealer *secret.Sealer,
) *Upstream {
	return &Upstream{
		db: d, registry: r, now: now, deps: deps, traces: traces, sealer: sealer,
		client: fetch.HTTPClient(AnswerWithin), changed: make(chan struct{}, 1), health: health{by: map[string]*Health{}, now: now},
		metrics: newMetrics(),
	}
}

// Began makes a login known by its state until Forget. Dex's LoginURL gets
// nothing else.
func (u *Upstream) Began(state string, l *loginctx.Login) { u.logins.Store(state, l) }

// Forget is for the end of the HTTP request that the login began in.
func (u *Upstream) Forget(state string) { u.logins.Delete(state) }

func (u *Upstream) login(state string) *loginctx.Login {
	found, _ := u.logins.Load(state)
	f, _ := found.(*loginctx.Login)
	return f
}

// LoginParams are the query of the login request known by state.
func (u *Upstream) LoginParams(state string) url.Values {
	if f := u.login(state); f != nil {
		return f.Params
	}
	return nil
}

// MaxAge is how old the proof may be that the login request known by state asks for.
func (u *Upstream) MaxAge(state string) *int64 {
	if f := u.login(state); f != nil {
		return f.MaxAge
	}
	return nil
}

// opened keeps opened connectors by revision, so that what one has learnt of
// its provider (discovery, keys) serves all logins of that revision.
type opened struct {
	mu sync.Mutex
	by map[string]provider
}

// provider is an opened connector, or why it cannot be opened.
type provider struct {
	*connector.Provider
	err error
}

// keepOpen bounds opened; more revisions than this at once are only opened again.
const keepOpen = 64

// get does not keep a failure: it may be over when a file is there, or corrected.
// Nobody waits for another connector to be opened; of two who open the same one
// at once, both get what the first has made.
func (o *opened) get(revision string, open func() provider) provider {
	if p, ok := o.known(revision); ok {
		return p
	}
	p := open()
	if p.err != nil {
		return p
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if first, ok := o.by[revision]; ok {
		return first
	}
	if o.by == nil || len(o.by) >= keepOpen {
		o.by = map[string]provider{}
	}
	o.by[revision] = p
	return p
}

func (o *opened) known(revision string) (provider, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p, ok := o.by[revision]
	return p, ok
}

// open finds or opens the connector of a row.
func (u *Upstream) open(id, typ, revision string, managed bool, config map[string]any) provider {
	return u.opened.get(revision, func() provider {
		p, err := connector.Open(id, typ, config, u.deps().ForDeclared(managed))
		return provider{p, err}
	})
}

// Provider opens a stored connector. Faults: those of connector.Open.
func (u *Upstream) Provider(r registry.Row) (*connector.Provider, error) {
	p := u.open(r.ID, r.Type, u.revision(r), r.Managed, r.Config)
	return p.Provider, p.err
}

// revision changes with the connector and with what its references lead to.
func (u *Upstream) revision(r registry.Row) string {
	if f := connector.Fingerprint(r.Type, r.Config, func() connector.Deps { return u.deps().ForDeclared(r.Managed) }); f != "" {
		return r.Revision + "." + f
	}
	return r.Revision
}

// Resolve opens a connector for Dex inside our wrapper. It never fails: a
// connector that cannot be opened says so when somebody wants to log in with
// it, and hurts nobody else.
func (u *Upstream) Resolve(c storage.Connector) (dexconn.Connector, error) {
	head, document, _ := bytes.Cut(c.Config, []byte("\n"))
	instance, managed, _ := strings.Cut(string(head), " ")
	var config map[string]any
	if err := json.Unmarshal(document, &config); err != nil {
		return nil, err
	}
	p := u.open(c.ID, c.Type, strings.TrimSuffix(c.ResourceVersion, cannotOpen), managed == "true", config)
	if p.err != nil {
		return broken{u, c.ID, p.err}, nil //nolint:nilerr // it says so when somebody wants to log in with it
	}
	w := wrapped{upstream: u, id: c.ID, instance: instance, provider: p.Provider}
	_, refreshes := p.Connector.(dexconn.RefreshConnector)
	switch p.Connector.(type) {
	case dexconn.CallbackConnector:
		if refreshes {
			return struct {
				callback
				refresh
			}{callback{w}, refresh{w}}, nil
		}
		return callback{w}, nil
	case dexconn.PasswordConnector:
		if refreshes {
			return struct {
				password
				refresh
			}{password{w}, refresh{w}}, nil
		}
		return password{w}, nil
	}
	return broken{u, c.ID, fault.New(fault.Precondition, "connectors of type %s cannot be used yet", c.Type)}, nil
}

// ForDex is a stored connector as Dex's storage has it. One that cannot be
// opened has a version of its own, so that Dex tries again when it can. Dex has no field
// for instance and managed: they are a line before the configuration, which Dex leaves to
// Resolve, and has made for each request.
func (u *Upstream) ForDex(r registry.Row) storage.Connector {
	version := u.revision(r)
	if u.open(r.ID, r.Type, version, r.Managed, r.Config).err != nil {
		version += cannotOpen
	}
	config := fmt.Appendf(nil, "%s %t\n%s", r.Instance, r.Managed, r.Document)
	return storage.Connector{ID: r.ID, Type: r.Type, Name: r.Name, ResourceVersion: version, Config: config}
}

const cannotOpen = "!"

// Within runs a call of a connector for as long as it may take.
func Within[T any](ctx context.Context, do func(context.Context) (T, error)) (T, error) {
	return within(ctx, AnswerWithin, do)
}

// within runs a call of a connector for a bounded time. One that does not heed
// its context is left behind; it ends when its connection does. One that panics
// ends with an error, as it would in the goroutine of its request.
func within[T any](ctx context.Context, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a.err = fmt.Errorf("the connector panicked: %v\n%s", p, debug.Stack())
			}
			done <- a
		}()
		a.value, a.err = do(ctx)
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, fault.New(fault.Unavailable, "the identity provider did not answer within %s", limit).
			Next("try again, or tell an administrator").Because(ctx.Err())
	}
}
