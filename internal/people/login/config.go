package login

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/webaddr"
)

// Config is where pachd lets people sign in, as a client of which issuer. The
// zero value is its own issuer, as the built-in client. The json names are
// stored: do not change them.
type Config struct {
	Issuer       string   `json:"issuer"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"` // secret.Mask wherever it is read
	RedirectURI  string   `json:"redirect_uri"`
	Scopes       []string `json:"scopes"`
	// RequireEmailVerified refuses people whose provider does not vouch for
	// their address.
	RequireEmailVerified bool `json:"require_email_verified"`
	// LocalhostIssuer says that the issuer is this pachd.
	LocalhostIssuer bool `json:"localhost_issuer"`
	// UserAccessibleIssuerHost replaces scheme and host of the address that
	// browsers are sent to.
	UserAccessibleIssuerHost string `json:"user_accessible_issuer_host"`
}

// Format keeps the client secret out of every %v, %+v and %#v.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "client "+c.ClientID+" of "+c.Issuer)
}

// LogValue does the same for structured logs.
func (c Config) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(c)) }

const (
	// configID is the one row of oidc_config, and where it is sealed.
	configID    = "auth"
	configPlace = "oidc-config"
	// redirectOfUpstream is where upstream's "pachctl auth activate" has pachd
	// answered unless it is told otherwise: at a port of the person's own machine,
	// which pachctl forwards there.
	redirectOfUpstream = "http://localhost:30657" + CallbackPath
)

func (c Config) isZero() bool {
	return c.Issuer == "" && c.ClientID == "" && c.ClientSecret == "" && c.RedirectURI == "" && len(c.Scopes) == 0 &&
		!c.RequireEmailVerified && !c.LocalhostIssuer && c.UserAccessibleIssuerHost == ""
}

// Configuration is what was set, or the zero value, with a mask for the secret.
func (s *Service) Configuration(ctx context.Context) (Config, error) {
	c, err := s.configuration(ctx)
	if c.ClientSecret != "" {
		c.ClientSecret = secret.Mask
	}
	return c, err
}

// BrowsersAt is where browsers reach our own issuer if not by its name, or nil.
func (s *Service) BrowsersAt(ctx context.Context) *url.URL {
	c, err := s.configuration(ctx)
	if err != nil || c.UserAccessibleIssuerHost == "" || !s.isOwn(c) {
		return nil
	}
	to, err := reachable("https://x/", c.UserAccessibleIssuerHost) // checked when it was stored
	if err != nil {
		return nil
	}
	u, err := url.Parse(to)
	if err != nil {
		return nil
	}
	if !strings.Contains(c.UserAccessibleIssuerHost, "://") {
		u.Scheme = "" // the issuer's
	}
	return u
}

// Elsewhere is the issuer if it is another server than this one, or "".
func (s *Service) Elsewhere(ctx context.Context) (string, error) {
	c, err := s.configuration(ctx)
	if s.isOwn(c) {
		return "", err
	}
	return c.Issuer, err
}

// configuration is shared, and must not be changed.
func (s *Service) configuration(ctx context.Context) (Config, error) { return s.config.Get(ctx) }

func (s *Service) loadConfig(ctx context.Context) (c Config, err error) {
	err = s.with.DB.ViewOne(ctx, func(tx *db.Tx) error {
		c, err = s.readConfig(ctx, tx)
		return err
	})
	return c, err
}

func (s *Service) readConfig(ctx context.Context, tx *db.Tx) (c Config, err error) {
	sealed, err := readOIDCConfig(ctx, tx)
	if fault.Is(err, fault.NotFound) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	plain, err := s.with.Sealer.Open(sealed, configPlace)
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(plain, &c)
}

// SetConfiguration checks a configuration, asks its issuer, and stores it; the
// zero value goes back to the built-in client. A masked secret stays what it
// is. Faults: Invalid, Precondition, Unavailable.
func (s *Service) SetConfiguration(ctx context.Context, by principal.Name, c Config) error {
	return s.setConfiguration(ctx, by, managed.Entry{}, c)
}

// DeclareConfiguration is SetConfiguration by an entry of pachd's configuration.
func (s *Service) DeclareConfiguration(ctx context.Context, by managed.Entry, c Config) error {
	return s.setConfiguration(ctx, principal.Root, by, c)
}

func (s *Service) setConfiguration(ctx context.Context, by principal.Name, declared managed.Entry, c Config) error {
	old, err := s.configuration(ctx)
	if err != nil {
		return err
	}
	if c.ClientSecret == secret.Mask {
		if c.ClientSecret, err = s.keptSecret(ctx, old, c); err != nil {
			return err
		}
	}
	if !c.isZero() {
		if err := s.check(ctx, c); err != nil {
			return err
		}
	}
	return s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := managed.Guard(ctx, tx, declared, managed.AuthConfig, "", "auth.SetConfiguration"); err != nil {
			return err
		}
		if err := s.changeIssuer(ctx, tx, c); err != nil {
			return err
		}
		if err := s.writeConfig(ctx, tx, c); err != nil {
			return err
		}
		return audit.By{Actor: by, At: s.with.Now()}.Record(ctx, tx, "auth.configure", "auth-config", c.Issuer+" as "+c.ClientID)
	})
}

// keptSecret is what a masked secret stands for: the stored one of the same client
// of the same issuer, or that of a client of our own issuer. Fault: Invalid.
func (s *Service) keptSecret(ctx context.Context, old, c Config) (string, error) {
	if old.ClientSecret != "" && c.ClientID == old.ClientID && sameIssuer(c.Issuer, old.Issuer) && s.isOwn(c) == s.isOwn(old) {
		return old.ClientSecret, nil
	}
	if s.isOwn(c) {
		kept, err := s.with.Issuer.Registry.ClientSecret(ctx, c.ClientID)
		if !fault.Is(err, fault.NotFound) {
			return kept, err
		}
	}
	return "", fault.New(fault.Invalid,
		"client_secret is %s, which stands for the stored secret of the same client of the same issuer, and there is none", secret.Mask).
		Next("write the secret itself").At("client_secret")
}

// DeleteConfiguration goes back to the built-in client, in the caller's
// transaction, unless the configuration is declared.
func (s *Service) DeleteConfiguration(ctx context.Context, tx *db.Tx) error {
	if _, declared, err := managed.Find(ctx, tx, managed.AuthConfig, ""); err != nil || declared {
		return err
	}
	return s.deleteConfiguration(ctx, tx)
}

// WithdrawConfiguration takes back a configuration that is declared no more.
func (s *Service) WithdrawConfiguration(ctx context.Context) error {
	return s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := managed.Remove(ctx, tx, managed.AuthConfig, ""); err != nil {
			return err
		}
		return s.deleteConfiguration(ctx, tx)
	})
}

func (s *Service) deleteConfiguration(ctx context.Context, tx *db.Tx) error {
	if err := s.changeIssuer(ctx, tx, Config{}); err != nil {
		return err
	}
	return s.writeConfig(ctx, tx, Config{})
}

func (s *Service) writeConfig(ctx context.Context, tx *db.Tx, c Config) error {
	if err := deleteOIDCConfig(ctx, tx); err != nil || c.isZero() {
		return err
	}
	plain, err := json.Marshal(c) //nolint:gosec // to be sealed
	if err != nil {
		return err
	}
	sealed, err := s.with.Sealer.Seal(plain, configPlace)
	if err != nil {
		return err
	}
	return insertOIDCConfig(ctx, tx, sealed)
}

// changeIssuer ends what another issuer than the next one vouched for, and
// lets one that is not our own name groups if nobody else does.
func (s *Service) changeIssuer(ctx context.Context, tx *db.Tx, next Config) error {
	old, err := s.readConfig(ctx, tx)
	if err != nil {
		return err
	}
	if !s.isOwn(old) && (s.isOwn(next) || !sameIssuer(old.Issuer, next.Issuer)) {
		if err := registry.ReleaseBareGroups(ctx, tx, instanceOf(old.Issuer)); err != nil {
			return err
		}
		if err := endInstance(ctx, tx, instanceOf(old.Issuer)); err != nil {
			return err
		}
	}
	if s.isOwn(next) {
		return nil
	}
	return registry.ClaimBareGroups(ctx, tx, instanceOf(next.Issuer))
}

// endInstance ends the sessions, too: the same issuer may come back, and they
// must not with it.
func endInstance(ctx context.Context, tx *db.Tx, instance string) error {
	all, err := identity.OfInstance(ctx, tx, instance)
	if err != nil {
		return err
	}
	for _, a := range all {
		if err := token.RevokeOfIdentity(ctx, tx, a.User, a.ID); err != nil {
			return err
		}
	}
	_, err = identity.EndInstance(ctx, tx, instance)
	return err
}

// check follows upstream's order: issuer, discovery, redirect URI, client.
func (s *Service) check(ctx context.Context, c Config) error {
	if _, err := webAddress(c.Issuer); err != nil {
		return fault.New(fault.Invalid, "OIDC issuer must be a valid URL: %q is not", c.Issuer).
			Next("write one such as https://pach.example.com/dex").At("issuer")
	}
	if err := s.discover(ctx, c); err != nil {
		return fault.Prefix(err, "provided OIDC issuer does not implement OIDC protocol").At("issuer")
	}
	if _, err := webAddress(c.RedirectURI); err != nil {
		return fault.New(fault.Invalid, "OIDC redirect_uri must be a valid URL: %q is not", c.RedirectURI).
			Next("write pachd's own address and %s", CallbackPath).At("redirect_uri")
	}
	if c.ClientID == "" {
		return fault.New(fault.Invalid, "OIDC configuration must have a non-empty client_id").At("client_id")
	}
	if err := fault.CheckName("client_id", c.ClientID); err != nil {
		return err
	}
	if h := c.UserAccessibleIssuerHost; h != "" {
		if _, err := reachable("https://x/", h); err != nil {
			return err
		}
	}
	if s.isOwn(c) {
		return s.checkRedirect(ctx, c.ClientID, s.redirectURI(c))
	}
	_, err := s.open(c)
	return err
}

// checkRedirect compares with what the client has. The client may be registered
// next; until then Start refuses.
func (s *Service) checkRedirect(ctx context.Context, id, redirectURI string) error {
	client, err := s.with.Issuer.Registry.Client(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case !slices.Contains(client.RedirectURIs, redirectURI):
		return fault.New(fault.Invalid, "redirect_uri %q is not one of client %q, which has %q", redirectURI, id, client.RedirectURIs).
			Next("add it with: pachctl idp update-client").At("redirect_uri")
	}
	return nil
}

// discover asks the issuer whether it is one; our own needs no asking.
func (s *Service) discover(ctx context.Context, c Config) error {
	switch {
	case s.isOwn(c):
		return nil
	case c.LocalhostIssuer:
		return fault.New(fault.Invalid, "localhost_issuer says that it is this pachd, which calls itself %q", s.with.Issuer.URL()).
			Next("write that, or set it with: pachctl idp set-config")
	}
	return s.probe(ctx, c.Issuer)
}

func webAddress(text string) (*url.URL, error) {
	u, err := webaddr.Parse(text)
	if err == nil && !webaddr.IsBare(u) {
		err = fault.New(fault.Invalid, "not a web address")
	}
	return u, err
}

// isOwn reports whether the issuer is the one in this process: by its name, or by
// upstream's default with the word that it is this pachd.
func (s *Service) isOwn(c Config) bool {
	return c.Issuer == "" || sameIssuer(c.Issuer, s.with.Issuer.URL()) || c.hasDefaultIssuer()
}

// hasDefaultIssuer reports whether the issuer is what upstream's client sets
// unless it is told another.
func (c Config) hasDefaultIssuer() bool {
	return c.LocalhostIssuer && c.Issuer == settings.DefaultOfUpstream
}

func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// AuthorizeClient lets only those who may grant roles on the cluster change a
// client whose ID tokens begin sessions here: who has its secret, a redirect URI
// or a trusted peer gets a session of whoever opens a link. Its trusted peers
// may ask for such tokens, so that they are such clients too. Fault: Denied.
func (s *Service) AuthorizeClient(ctx context.Context, id string) error {
	c, err := s.configuration(ctx)
	if err != nil {
		return err
	}
	begins, err := s.beginsSessions(ctx, c, id)
	if err != nil || !begins {
		return err
	}
	return session.FromContext(ctx).AuthorizeCluster(access.ClusterModifyBindings)
}

func (s *Service) beginsSessions(ctx context.Context, c Config, id string) (bool, error) {
	own := []string{issuer.LegacyClient}
	if s.isOwn(c) {
		own = append(own, c.clientID())
	}
	if slices.Contains(own, id) {
		return true, nil
	}
	for _, o := range own {
		client, err := s.with.Issuer.Registry.Client(ctx, o)
		switch {
		case fault.Is(err, fault.NotFound):
		case err != nil:
			return false, err
		case slices.Contains(client.TrustedPeers, id):
			return true, nil
		}
	}
	return false, nil
}

// clientID is the client that pachd is.
func (c Config) clientID() string {
	if c.ClientID == "" {
		return issuer.LegacyClient
	}
	return c.ClientID
}

// redirectURI is where the browser comes back to. With upstream's defaults that is
// pachd where the browser has just been: nothing need be forwarded.
func (s *Service) redirectURI(c Config) string {
	defaults := c.hasDefaultIssuer() && c.ClientID == issuer.LegacyClient && c.RedirectURI == redirectOfUpstream
	if defaults || c.RedirectURI == "" {
		return s.with.Issuer.LegacyRedirect()
	}
	return c.RedirectURI
}

func (c Config) scopes() []string {
	if len(c.Scopes) == 0 {
		return []string{"openid", "email", "profile", "groups"}
	}
	if !slices.Contains(c.Scopes, "openid") {
		return append([]string{"openid"}, c.Scopes...)
	}
	return c.Scopes
}

// checkVerified is in upstream's words.
func (c Config) checkVerified(verified bool) error {
	if c.RequireEmailVerified && !verified {
		return fault.New(fault.Denied, "email_verified claim was false, and require_email_verified was set").
			Next("have the address verified at the identity provider")
	}
	return nil
}

// reachable puts another scheme and host into the address that a browser is
// sent to; host may come with a scheme or without one.
func reachable(loginURL, host string) (string, error) {
	u, err := url.Parse(loginURL)
	if err != nil || host == "" {
		return loginURL, err
	}
	if !strings.Contains(host, "://") {
		host = u.Scheme + "://" + host
	}
	to, err := webAddress(host)
	if err != nil {
		return "", fault.New(fault.Invalid, "user_accessible_issuer_host %q is not a host", host).
			Next("write one such as https://pach.example.com").At("user_accessible_issuer_host")
	}
	u.Scheme, u.Host = to.Scheme, to.Host
	return u.String(), nil
}
