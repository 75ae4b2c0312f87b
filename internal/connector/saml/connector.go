package saml

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Deps is what a connector needs of the server around it.
type Deps struct {
	Now func() time.Time
	Log *slog.Logger
	// Rules are of this server.
	Rules document.Rules
	// FormURL is the page of ours that posts the request of the sign-in with this
	// state, which it gets from Form.
	FormURL func(state string) string
	// MaxAge is how old the proof may be that the login request with this state asks
	// for, in seconds, or nil; a nil function is for none.
	MaxAge func(state string) *int64
}

// timeout is for one request of metadata.
const timeout = 10 * time.Second

// Connector is safe for use by several sign-ins at once.
type Connector struct {
	cfg    Config
	deps   Deps
	client *fetch.Client
	roots  *x509.CertPool // nil for the system's own
	pinned []*x509.Certificate
	meta   *fetch.Document[*metadata.Document]
	seen   *memory

	// signersEnd is until when the last of the provider's signing certificates is
	// good, in seconds since 1970, once they were read.
	signersEnd atomic.Int64
}

var _ dexconn.CallbackConnector = (*Connector)(nil)

// Open makes no connection: a provider that is down must not keep the server,
// or another connector, from starting.
func Open(cfg Config, d Deps) (*Connector, error) {
	if d.Now == nil {
		return nil, fault.New(fault.Internal, "saml: Deps.Now is missing")
	}
	if d.FormURL == nil {
		return nil, fault.New(fault.Internal, "saml: Deps.FormURL is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if err := d.Rules.Check("saml", &cfg); err != nil {
		return nil, err
	}
	if err := cfg.validate(d.Rules.AllowHTTP); err != nil {
		return nil, err
	}
	pinned, err := cfg.pinned()
	if err != nil {
		return nil, err
	}
	roots, err := fetch.Roots("config.rootCAs", cfg.RootCAs...)
	if err != nil {
		return nil, err
	}
	c := &Connector{cfg: cfg, deps: d, pinned: pinned, roots: roots, seen: newMemory()}
	c.client = d.Rules.Reach.New(roots, timeout).WithSetting("the connector's metadataURL")
	c.meta = fetch.NewDocument("metadata", c.loadMetadata, d.Now, d.Log)
	return c, nil
}

// Issuer is the provider's entity id as the configuration has it, or "" if that
// says only where to ask.
func (c *Connector) Issuer() string {
	if c.cfg.SSOIssuer == "" && c.cfg.Metadata != "" {
		if m, err := metadata.Parse([]byte(c.cfg.Metadata), "", c.deps.Rules.AllowHTTP); err == nil {
			return m.EntityID
		}
	}
	return c.cfg.SSOIssuer
}

// pending is what a sign-in must still know when the browser comes back, and on
// the way to the provider.
type pending struct {
	State  string    `json:"state"`
	ID     string    `json:"id"`
	Issued time.Time `json:"issued"`
	// To is where a request by POST goes; empty when it went by redirect.
	To string `json:"to,omitempty"`
	// Force has the provider ask who it is, whatever it remembers.
	Force bool `json:"force,omitempty"`
}

func parsePending(connData []byte) (pending, error) {
	var p pending
	if err := json.Unmarshal(connData, &p); err != nil || p.State == "" || p.ID == "" || p.Issued.IsZero() {
		return pending{}, refuse.Response("nothing is known of the beginning of this sign-in").
			Next("start again").Because(err)
	}
	return p, nil
}

// LoginURL is the provider's address with the request in it (SAML bindings, 3.4)
// or, if the provider wants it posted, our own page that does so. It fails with
// a fault if the provider's metadata cannot be had.
func (c *Connector) LoginURL(_ dexconn.Scopes, callbackURL, state string) (string, []byte, error) {
	if state == "" {
		return "", nil, fault.New(fault.Internal, "saml: a sign-in needs a state")
	}
	if callbackURL != c.cfg.RedirectURI {
		return "", nil, fault.As(fault.Precondition, document.OtherCallback(c.cfg.RedirectURI, callbackURL))
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	binding, address, err := c.endpoint(ctx)
	if err == nil {
		err = c.confirm(ctx, address)
	}
	if err != nil {
		return "", nil, err
	}
	// An ID is an xs:ID, which does not begin with a digit, and 128 bits of chance
	// (SAML core, 1.3.4).
	p := pending{State: state, ID: "_" + strings.ToLower(rand.Text()), Issued: c.deps.Now().UTC().Truncate(time.Second)}
	p.Force = c.deps.MaxAge != nil && authtime.Forced(c.deps.MaxAge(state))
	to := c.deps.FormURL(state)
	if binding == metadata.POST {
		p.To = address
	} else if to, err = c.redirect(p, address); err != nil {
		return "", nil, err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return "", nil, err
	}
	return to, data, nil
}

// confirm asks whether the provider is there, if the server that publishes its
// metadata is the one that signs people in. A browser that is sent to a provider
// which is down sees nothing of ours again, and whoever waits for it hears
// nothing either.
func (c *Connector) confirm(ctx context.Context, address string) error {
	from, err := url.Parse(c.cfg.MetadataURL)
	if err != nil {
		return err
	}
	if to, err := url.Parse(address); err != nil || from.Host != to.Host {
		return err
	}
	_, err = c.meta.Confirm(ctx)
	return err
}
