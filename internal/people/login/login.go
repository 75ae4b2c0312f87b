package login

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

const (
	// freshFor is how old an ID token may be to begin a full session: long
	// enough for the way from the browser to pachctl.
	freshFor = 5 * time.Minute
	// skew is what clocks of replicas may differ by: a used token is remembered
	// for so much longer than it could be used.
	skew = time.Minute
)

// Deps are what a Service is made from.
type Deps struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Issuer *issuer.Issuer
	Log    *slog.Logger
	Now    func() time.Time
	// Insecure allows an issuer at plain http on a host that is not this machine.
	Insecure bool
	// SessionTTL is how long a session by pachctl lives.
	SessionTTL time.Duration
}

// Service issues sessions for people. It is safe for concurrent use.
type Service struct {
	with     Deps
	attempts *db.Signals
	config   *db.Memory[Config]
	remote   lastRemote
	begun    begun
}

// New makes a service; call it before changes are made.
func New(with Deps) *Service {
	s := &Service{with: with, attempts: with.DB.Signals(attemptTopic)}
	s.config = db.Remember(with.DB, configTopic, s.loadConfig)
	return s
}

// WithIDToken gives a session for an ID token of our issuer. One made for
// pachctl begins a full session, once, while it is fresh; one made for another
// client that pachd trusts begins a session that ends with it. So does one of
// the server that is configured to be the identity service. Faults:
// Unauthenticated, Denied, Unavailable.
func (s *Service) WithIDToken(ctx context.Context, raw string) (secret.Text, error) {
	c, err := s.configuration(ctx)
	if err != nil {
		return "", err
	}
	if !s.isOwn(c) && sameIssuer(issuerOf(raw), c.Issuer) {
		return s.withRemoteToken(ctx, c, raw)
	}
	claims, err := s.with.Issuer.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	if err := c.checkVerified(claims.EmailVerified); err != nil {
		return "", s.refused(ctx, claims.Subject, claims.Audience, err)
	}
	audience := issuer.LegacyClient
	if s.isOwn(c) {
		audience = c.clientID()
	}
	now := s.with.Now()
	ttl := min(s.with.SessionTTL, claims.Expiry.Sub(now))
	own := slices.Contains(claims.Audience, issuer.CLIClient) || slices.Contains(claims.Audience, issuer.DeviceClient)
	switch {
	case own && now.Sub(claims.IssuedAt) > freshFor:
		return "", fault.New(fault.Unauthenticated, "could not verify token: it is older than %v", freshFor).
			Next("log in again with: pachctl auth login")
	case own:
		ttl = s.with.SessionTTL
	case !slices.Contains(claims.Audience, audience):
		return "", fault.New(fault.Unauthenticated, "could not verify token: expected audience %q got %q", audience, claims.Audience).
			Next("ask for the scope audience:server:client_id:%s", audience)
	case ttl <= 0: // no time at all would be taken for no limit
		return "", fault.New(fault.Unauthenticated, "could not verify token: it has expired").
			Next("log in again with: pachctl auth login")
	}
	var held secret.Text
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if own {
			if err := useOnce(ctx, tx, claims); err != nil {
				return err
			}
		}
		held, err = session.BeginByTokenSub(ctx, tx, claims.Subject, session.Start{
			GrantID: claims.GrantID, Proved: claims.Proved, Now: now, TTL: ttl,
		})
		if err != nil {
			return errUnknownPerson(err)
		}
		return grant.Continue(ctx, tx, claims.GrantID, now.Add(ttl), now)
	})
	return held, err
}

func (s *Service) byTokenSub(ctx context.Context, sub string) (who identity.Identity, err error) {
	err = s.with.DB.ViewOne(ctx, func(tx *db.Tx) error {
		who, err = identity.ByTokenSub(ctx, tx, sub)
		return err
	})
	return who, errUnknownPerson(err)
}

// refused leaves a trace of a sign-in that the issuer has completed, and this server's
// own rules refuse: the issuer's trace says that it succeeded.
func (s *Service) refused(ctx context.Context, sub string, client []string, why error) error {
	who, err := s.byTokenSub(ctx, sub)
	if err != nil {
		return err
	}
	ctx, t := trace.Begin(ctx, s.with.Now, who.ConnectorID, "", strings.Join(client, " "))
	t.Person = who.User
	s.with.Issuer.Traces.Add(t.End(s.with.Now(), trace.Account{}, why))
	s.with.Log.InfoContext(ctx, "a sign-in that the issuer completed was refused", "user", who.User, "error", why)
	return why
}

// errUnknownPerson is what it means that nobody is found by the subject of a token.
func errUnknownPerson(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.Unauthenticated, "could not verify token: its person is not known here (any more)").
			Next("log in again with: pachctl auth login")
	}
	return err
}

// useOnce knows a token by what it says: the same token can be written in many
// ways, with white space, other base64 padding bits or another signature.
func useOnce(ctx context.Context, tx *db.Tx, c issuer.Claims) error {
	err := insertUsed(ctx, tx, c.Digest, c.Expiry)
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Unauthenticated, "could not verify token: it was used before").
			Next("log in again with: pachctl auth login")
	}
	return err
}
