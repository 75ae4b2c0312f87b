package issuer

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server/tokens"
	"github.com/dexidp/dex/storage"

	own "pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/issuer/registry"
)

// flowByState finds the flow of the HTTP request under way that made the auth
// request. Dex's LoginURL gets nothing else.
func (i *Issuer) flowByState(state string) *flow.Flow {
	found, _ := i.flows.Load(state)
	f, _ := found.(*flow.Flow)
	return f
}

func (i *Issuer) loginParams(state string) url.Values {
	if f := i.flowByState(state); f != nil {
		return f.Params
	}
	return nil
}

// openedConnectors keeps opened connectors by revision, so that what one has
// learnt of its provider (discovery, keys) serves all logins of that revision.
type openedConnectors struct {
	mu sync.Mutex
	by map[string]connector.Connector
}

// keepOpen bounds openedConnectors; more revisions than this at once are only
// opened again.
const keepOpen = 64

func (o *openedConnectors) get(revision string, open func() connector.Connector) connector.Connector {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c, ok := o.by[revision]; ok {
		return c
	}
	if o.by == nil || len(o.by) >= keepOpen {
		o.by = map[string]connector.Connector{}
	}
	c := open()
	o.by[revision] = c
	return c
}

// resolve opens a connector for Dex inside our wrapper. It never fails: a
// connector that cannot be opened says so when somebody wants to log in with
// it, and hurts nobody else.
func (i *Issuer) resolve(c storage.Connector) (connector.Connector, error) {
	return i.opened.get(c.ResourceVersion, func() connector.Connector {
		config, instance, err := fromDex(c)
		if err != nil {
			return broken{i, err}
		}
		inner, err := own.Open(c.Type, config, i.deps())
		if err != nil {
			return broken{i, err}
		}
		w := wrapped{issuer: i, id: c.ID, instance: instance, inner: inner}
		_, refreshes := inner.(connector.RefreshConnector)
		switch inner.(type) {
		case connector.CallbackConnector:
			if refreshes {
				return struct {
					callback
					refresh
				}{callback{w}, refresh{w}}
			}
			return callback{w}
		case connector.PasswordConnector:
			if refreshes {
				return struct {
					password
					refresh
				}{password{w}, refresh{w}}
			}
			return password{w}
		}
		return broken{i, fault.New(fault.Precondition, "connectors of type %s cannot be used yet", c.Type)}
	}), nil
}

// wrapped is a connector with our part: what it vouches for is recorded, and
// what it refuses is said to the person who waits.
type wrapped struct {
	issuer   *Issuer
	id       string
	instance string
	inner    connector.Connector
}

// signedIn turns the account at the provider into our identity, which is what
// tokens then speak of.
func (w wrapped) signedIn(ctx context.Context, c connector.Identity) (connector.Identity, error) {
	groups, err := w.issuer.GroupNames(ctx, w.id, w.instance, c.Groups)
	if err != nil {
		return connector.Identity{}, err
	}
	who, err := w.issuer.People.SignedIn(ctx, identity.SignIn{
		ConnectorID: w.id, Instance: w.instance, Issuer: own.Issuer(w.inner), Subject: c.UserID, Email: c.Email, Groups: groups,
		TokenSub:  func(id string) (string, error) { return tokens.GenSubject(id, w.id) },
		Connected: func(ctx context.Context, tx *db.Tx) error { return registry.CheckConnected(ctx, tx, w.id, w.instance) },
	})
	if err != nil {
		return connector.Identity{}, err
	}
	c.UserID, c.Email, c.Groups = who.ID, who.User.Local(), groups
	return c, nil
}

// callback is for providers that the browser is sent to.
type callback struct{ wrapped }

func (w callback) LoginURL(s connector.Scopes, callbackURL, state string) (string, []byte, error) {
	f := w.issuer.flowByState(state)
	if f == nil {
		return "", nil, fault.New(fault.Internal, "no login is known by this state")
	}
	u, inner, err := w.inner.(connector.CallbackConnector).LoginURL(s, callbackURL, state)
	if err != nil {
		f.Err = err
		return "", nil, err
	}
	data, err := f.Envelope(inner)
	return u, data, err
}

func (w callback) HandleCallback(s connector.Scopes, data []byte, r *http.Request) (connector.Identity, error) {
	return note(r.Context(), func() (connector.Identity, error) {
		e, err := flow.OpenEnvelope(data)
		if err != nil {
			return connector.Identity{}, err
		}
		c, err := w.inner.(connector.CallbackConnector).HandleCallback(s, e.Inner, r)
		if err != nil {
			return connector.Identity{}, err
		}
		return w.signedIn(r.Context(), c)
	})
}

// password is for providers that Dex asks for name and password itself.
type password struct{ wrapped }

func (w password) Prompt() string { return w.inner.(connector.PasswordConnector).Prompt() }

func (w password) Login(ctx context.Context, s connector.Scopes, username, pass string) (c connector.Identity, valid bool, err error) {
	c, err = note(ctx, func() (connector.Identity, error) {
		c, valid, err = w.inner.(connector.PasswordConnector).Login(ctx, s, username, pass)
		if err != nil || !valid {
			return c, err
		}
		return w.signedIn(ctx, c)
	})
	return c, valid, err
}

// refresh renews what a provider says of a person without asking the person.
type refresh struct{ wrapped }

func (w refresh) Refresh(ctx context.Context, s connector.Scopes, c connector.Identity) (connector.Identity, error) {
	who, err := w.issuer.People.ByID(ctx, c.UserID)
	if err != nil {
		return connector.Identity{}, err
	}
	c.UserID = who.Subject
	c, err = w.inner.(connector.RefreshConnector).Refresh(ctx, s, c)
	if err != nil {
		return connector.Identity{}, err
	}
	return w.signedIn(ctx, c)
}

// note keeps the error of a connector for our handler: Dex would only log it.
func note(ctx context.Context, f func() (connector.Identity, error)) (connector.Identity, error) {
	c, err := f()
	if err != nil {
		if f := flow.Of(ctx); f != nil {
			f.Err = err
		}
	}
	return c, err
}

// broken stands for a connector that cannot be opened.
type broken struct {
	issuer *Issuer
	err    error
}

func (b broken) LoginURL(_ connector.Scopes, _, state string) (string, []byte, error) {
	if f := b.issuer.flowByState(state); f != nil {
		f.Err = fault.New(fault.Precondition, "this identity provider is not set up correctly: an administrator can see why in pachd's log").Because(b.err)
	}
	return "", nil, b.err
}

func (b broken) HandleCallback(_ connector.Scopes, _ []byte, r *http.Request) (connector.Identity, error) {
	return note(r.Context(), func() (connector.Identity, error) { return connector.Identity{}, b.err })
}

// dexConfig carries through Dex's storage type what Dex has no field for.
type dexConfig struct {
	Instance string          `json:"instance"`
	Config   json.RawMessage `json:"config"`
}

func forDex(r registry.Row) (storage.Connector, error) {
	body, err := json.Marshal(dexConfig{r.Instance, r.Document})
	return storage.Connector{ID: r.ID, Type: r.Type, Name: r.Name, ResourceVersion: r.Revision, Config: body}, err
}

func fromDex(c storage.Connector) (config map[string]any, instance string, err error) {
	var d dexConfig
	if err := json.Unmarshal(c.Config, &d); err != nil {
		return nil, "", err
	}
	err = json.Unmarshal(d.Config, &config)
	return config, d.Instance, err
}
