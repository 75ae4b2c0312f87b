package oidc

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/oidc/keyset"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Deps is what a connector needs of the server around it.
type Deps struct {
	Now func() time.Time
	// LoginParams gives the query of the login request that has this state.
	LoginParams func(state string) url.Values
	// MaxAge is how old the proof may be that the login request with this state asks
	// for, in seconds, or nil; a nil function is for none.
	MaxAge func(state string) *int64
	// ClientKeys sign where private_key_jwt is asked for.
	ClientKeys clientauth.Keys
	// Rules are of this server; without a callback there, any redirectURI will do.
	Rules document.Rules
	Log   *slog.Logger
	// Promoted is called when nextClientSecret is seen to work in place of
	// clientSecret.
	Promoted func()
}

// timeout is for one request to the provider; a sign-in makes up to five.
const timeout = 10 * time.Second

// Connector is safe for use by several sign-ins at once.
type Connector struct {
	cfg    Config
	deps   Deps
	roots  *x509.CertPool // nil for the system's own
	client *fetch.Client
	meta   *fetch.Document[*metadata]
	keys   *keyset.Set
	auth   *clientauth.Client
}

var (
	_ dexconn.CallbackConnector = (*Connector)(nil)
	_ dexconn.RefreshConnector  = (*Connector)(nil)
)

// Open makes no connection: a provider that is down must not keep the server,
// or another connector, from starting.
func Open(cfg Config, d Deps) (*Connector, error) {
	if d.Now == nil {
		return nil, fault.New(fault.Internal, "oidc: Deps.Now is missing")
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if err := d.Rules.Check("oidc", &cfg); err != nil {
		return nil, err
	}
	if err := cfg.validate(d.Rules.Callback); err != nil {
		return nil, err
	}
	roots, err := fetch.Roots("config.rootCAs", cfg.RootCAs...)
	if err != nil {
		return nil, err
	}
	c := &Connector{cfg: cfg, deps: d, roots: roots, client: d.Rules.Reach.New(roots, timeout)}
	c.auth = &clientauth.Client{
		Issuer: cfg.Issuer, ID: cfg.ClientID, Secret: cfg.ClientSecret, Method: cfg.authMethod(), Keys: d.ClientKeys, HTTP: c.client, Now: d.Now,
	}
	if cfg.NextClientSecret != "" {
		c.auth.Next = &clientauth.Client{
			Issuer: cfg.Issuer, ID: cfg.ClientID, Secret: cfg.NextClientSecret, Method: cfg.authMethod(), Keys: d.ClientKeys,
			HTTP: c.client, Now: d.Now,
		}
		c.auth.Promoted = d.Promoted
	}
	c.meta = fetch.NewDocument("discovery document", c.loadMetadata, d.Now, d.Log)
	c.keys = keyset.New("ID token", c.loadKeys, d.Now, d.Log)
	return c, nil
}

// Expiries is connector.Expirer's.
func (c *Connector) Expiries() []probe.Expiry {
	all := probe.ExpiriesOf(c.client.CertificatesEnd())
	if ends, err := time.Parse(time.DateOnly, c.cfg.ClientSecretExpires); err == nil {
		all = append(all, probe.Expiry{What: "client secret", Ends: ends})
	}
	return all
}

// Ping asks the provider now for what a sign-in will need of it.
func (c *Connector) Ping(ctx context.Context) error {
	m, err := c.meta.Renew(ctx)
	if err != nil {
		return err
	}
	if _, err := c.accepted(m); err != nil {
		return err
	}
	return c.keys.Renew(ctx)
}

// pending is what a sign-in must still know when the browser comes back.
type pending struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	// MaxAge is how old the proof may be of who the person is, in seconds, and Asked
	// when the provider was told.
	MaxAge *int64    `json:"max_age,omitempty"`
	Asked  time.Time `json:"asked"`
}

// LoginURL always sends nonce and PKCE; a provider that knows one of them not
// must ignore it (OpenID Connect Core, 3.1.2.1; RFC 7636, 5).
func (c *Connector) LoginURL(s dexconn.Scopes, callbackURL, state string) (string, []byte, error) {
	var maxAge *int64
	if c.deps.MaxAge != nil {
		maxAge = c.deps.MaxAge(state)
	}
	return c.loginURL(s, callbackURL, state, maxAge)
}

func (c *Connector) loginURL(s dexconn.Scopes, callbackURL, state string, maxAge *int64) (string, []byte, error) {
	if state == "" {
		return "", nil, fault.New(fault.Internal, "oidc: a sign-in needs a state")
	}
	if err := c.cfg.checkRedirect(callbackURL); err != nil {
		return "", nil, fault.As(fault.Precondition, err)
	}
	// A browser that is sent to a provider which is down sees nothing of ours
	// again, and whoever waits for it hears nothing either.
	m, err := c.meta.Confirm(context.Background())
	if err != nil {
		return "", nil, err
	}
	p := pending{State: state, Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), MaxAge: maxAge, Asked: c.deps.Now()}
	data, err := json.Marshal(p)
	if err != nil {
		return "", nil, err
	}
	to, err := c.authURL(context.Background(), m, c.authRequest(m, s, p))
	return to, data, err
}

// authURL is where the browser takes an authorization request, or a reference to
// it if the provider has it already (RFC 9126, 4).
func (c *Connector) authURL(ctx context.Context, m *metadata, request url.Values) (string, error) {
	to, err := url.Parse(m.AuthURL)
	if err != nil {
		return "", err
	}
	if c.pushes(m) {
		pushed, err := c.auth.Push(ctx, m.Server, request)
		if err != nil {
			return "", err
		}
		request = url.Values{"client_id": {c.cfg.ClientID}, "request_uri": {pushed}}
	}
	q := to.Query()
	maps.Copy(q, request)
	to.RawQuery = q.Encode()
	return to.String(), nil
}

func (c *Connector) pushes(m *metadata) bool {
	return c.cfg.PushedAuthorizationRequests || m.PushedOnly
}

func (c *Connector) authRequest(m *metadata, s dexconn.Scopes, p pending) url.Values {
	q := url.Values{}
	c.forward(q, p.State)
	scopes := c.scopes(m, s)
	q.Set("client_id", c.cfg.ClientID)
	q.Set("redirect_uri", c.cfg.RedirectURI)
	q.Set("response_type", "code")
	q.Set("scope", strings.Join(scopes, " "))
	q.Set("state", p.State)
	q.Set("nonce", p.Nonce)
	q.Set("code_challenge", oauth2.S256ChallengeFromVerifier(p.Verifier))
	q.Set("code_challenge_method", "S256")
	if len(c.cfg.AcrValues) > 0 {
		q.Set("acr_values", strings.Join(c.cfg.AcrValues, " "))
	}
	if prompt := c.prompt(scopes, authtime.Forced(p.MaxAge)); prompt != "" {
		q.Set("prompt", prompt)
	}
	if p.MaxAge != nil {
		q.Set("max_age", strconv.FormatInt(*p.MaxAge, 10))
	}
	return q
}

// prompt is what the provider has to ask; login is whether it has to ask who it is,
// which cannot be asked together with nothing (OpenID Connect Core, 3.1.2.1).
func (c *Connector) prompt(scopes []string, login bool) string {
	prompt := ""
	switch {
	case c.cfg.PromptType != nil:
		prompt = *c.cfg.PromptType
	case slices.Contains(scopes, "offline_access"):
		prompt = "consent"
	}
	switch {
	case !login || slices.Contains(strings.Fields(prompt), "login"):
		return prompt
	case prompt == "none":
		return "login"
	}
	return strings.TrimSpace("login " + prompt)
}

// forward copies the listed parameters of the login request, before our own are
// set, so that ours win whatever the list says.
func (c *Connector) forward(q url.Values, state string) {
	if c.deps.LoginParams == nil || len(c.cfg.ForwardedLoginParams) == 0 {
		return
	}
	given := c.deps.LoginParams(state)
	for _, name := range c.cfg.ForwardedLoginParams {
		if value := given.Get(name); value != "" && !isOwned(name) {
			q.Set(name, value)
		}
	}
}

// staysSignedIn is whether a refresh token is needed, for the application that somebody
// signs in to or to read their groups again.
func (c *Connector) staysSignedIn(s dexconn.Scopes) bool { return s.OfflineAccess || c.ReadsGroups() }

// ReadsGroups is connector.GroupReader's.
func (c *Connector) ReadsGroups() bool { return c.cfg.GroupsRefresh.Refresh }

func (c *Connector) scopes(m *metadata, s dexconn.Scopes) []string {
	wanted := []string{"openid"}
	if len(c.cfg.Scopes) > 0 {
		wanted = append(wanted, c.cfg.Scopes...)
	} else {
		wanted = append(wanted, "profile", "email")
	}
	if c.cfg.InsecureEnableGroups && slices.Contains(m.Scopes, "groups") {
		wanted = append(wanted, "groups")
	}
	if c.staysSignedIn(s) && slices.Contains(m.Scopes, "offline_access") {
		wanted = append(wanted, "offline_access")
	}
	return unique(wanted)
}

// unique keeps the first of equals, and drops what is empty.
func unique(list []string) []string {
	var kept []string
	for _, s := range list {
		if s != "" && !slices.Contains(kept, s) {
			kept = append(kept, s)
		}
	}
	return kept
}
