package login

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

// remote is another server that is our identity service: another pachd, or any
// OpenID Connect provider. It is spoken to by our oidc connector, so that what
// holds for connectors holds for it.
type remote struct {
	config    Config
	connector *oidc.Connector
}

// lastRemote keeps what was learnt of the issuer for as long as it is the one.
type lastRemote = atomic.Pointer[remote]

// instanceOf is what takes the place of a connector's instance in identities.
func instanceOf(issuerURL string) string { return "issuer:" + strings.TrimSuffix(issuerURL, "/") }

func (s *Service) open(c Config) (*oidc.Connector, error) {
	if last := s.remote.Load(); last != nil && secret.Same(last.config.ClientSecret, c.ClientSecret) && last.config.equal(c) {
		return last.connector, nil
	}
	scopes := slices.DeleteFunc(slices.Clone(c.scopes()), func(scope string) bool { return scope == "openid" })
	opened, err := oidc.Open(oidc.Config{
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURI: c.RedirectURI, Scopes: scopes,
		InsecureEnableGroups: true, InsecureSkipEmailVerified: !c.RequireEmailVerified,
	}, oidc.Deps{Now: s.with.Now, Log: s.with.Log, Rules: document.Rules{AllowHTTP: s.with.Insecure}})
	if err != nil {
		return nil, err
	}
	s.remote.Store(&remote{c, opened})
	return opened, nil
}

func (c Config) equal(o Config) bool {
	return c.Issuer == o.Issuer && c.ClientID == o.ClientID && c.RedirectURI == o.RedirectURI &&
		c.RequireEmailVerified == o.RequireEmailVerified && slices.Equal(c.Scopes, o.Scopes)
}

// probe asks an issuer for its discovery document and keys; what pachd would
// be there does not matter for that.
func (s *Service) probe(ctx context.Context, issuerURL string) error {
	secretOfNobody := rand.Text() + rand.Text() // long enough for client_secret_jwt
	c, err := oidc.Open(oidc.Config{Issuer: issuerURL, ClientID: "probe", ClientSecret: secretOfNobody, RedirectURI: "http://localhost/"},
		oidc.Deps{Now: s.with.Now, Log: s.with.Log, Rules: document.Rules{AllowHTTP: s.with.Insecure}})
	if err != nil {
		return err
	}
	return c.Ping(ctx)
}

// startRemote sends the browser to the other server.
func (s *Service) startRemote(c Config, a *attempt, state string) (string, error) {
	at, err := s.open(c)
	if err != nil {
		return "", err
	}
	to, pending, err := at.Begin(state, a.maxAge())
	if err != nil {
		return "", err
	}
	a.Issuer, a.Pending = c.Issuer, pending
	return reachable(to, c.UserAccessibleIssuerHost)
}

// finishRemote takes the other server's answer.
func (s *Service) finishRemote(r *http.Request, c Config, a *attempt) (identity.Identity, error) {
	if c.Issuer != a.Issuer {
		return identity.Identity{}, errUnknownState()
	}
	at, err := s.open(c)
	if err != nil {
		return identity.Identity{}, err
	}
	account, err := at.Finish(r, a.Pending)
	if err != nil {
		return identity.Identity{}, err
	}
	if a.proved = account.Proved; a.proved.IsZero() && a.Again {
		a.proved = a.created // it was told to ask, and promises to say nothing of it
	}
	return s.signedIn(r.Context(), c, account)
}

// withRemoteToken gives a session for an ID token of the other server; the
// session ends with it.
func (s *Service) withRemoteToken(ctx context.Context, c Config, raw string) (secret.Text, error) {
	at, err := s.open(c)
	if err != nil {
		return "", err
	}
	account, err := at.VerifyIDToken(ctx, raw)
	if err != nil {
		return "", fault.Prefix(err, "could not verify token")
	}
	ttl := min(s.with.SessionTTL, account.Expires.Sub(s.with.Now()))
	if ttl <= 0 { // it would be taken for no limit
		return "", fault.New(fault.Unauthenticated, "could not verify token: it has expired").
			Next("log in again with: pachctl auth login")
	}
	who, err := s.signedIn(ctx, c, account)
	if err != nil {
		return "", err
	}
	var held secret.Text
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		held, err = session.Begin(ctx, tx, who, session.Start{Now: s.with.Now(), TTL: ttl})
		return err
	})
	return held, err
}

// signedIn records whom the other server vouches for, as a connector's people
// are.
func (s *Service) signedIn(ctx context.Context, c Config, a oidc.Account) (identity.Identity, error) {
	instance := instanceOf(c.Issuer)
	name := hostOf(c.Issuer)
	groups, err := s.with.Issuer.Registry.GroupNames(ctx, name, instance, a.Groups)
	if err != nil {
		return identity.Identity{}, err
	}
	return identity.SignedIn(ctx, s.with.DB, identity.SignIn{
		ConnectorID: name, Instance: instance, Issuer: c.Issuer, Subject: a.Subject, Email: a.Email, Groups: groups,
		TokenSub: func(id string) (string, error) { return "issuer:" + id, nil },
		// Who may configure another issuer may grant roles.
		Connected: func(ctx context.Context, tx *db.Tx) (approved bool, err error) {
			now, err := s.readConfig(ctx, tx)
			if err == nil && now.Issuer != c.Issuer {
				err = fault.New(fault.Denied, "another identity service was set while you signed in").
					Next("start again")
			}
			return err == nil, err
		},
	}, s.with.Now())
}

func hostOf(issuerURL string) string {
	if u, err := url.Parse(issuerURL); err == nil {
		return u.Host
	}
	return issuerURL
}

// issuerOf is who a token says made it. Nothing is believed for it: it only
// says who is to verify the token.
func issuerOf(raw string) string {
	var claims struct {
		Issuer string `json:"iss"`
	}
	_, rest, _ := strings.Cut(raw, ".")
	payload, _, _ := strings.Cut(rest, ".")
	plain, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(plain, &claims) != nil {
		return ""
	}
	return claims.Issuer
}
