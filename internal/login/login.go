package login

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

const (
	// freshFor is how old an ID token may be to begin a full session: long
	// enough for the way from the browser to pachctl.
	freshFor = 5 * time.Minute
	// skew is what clocks of replicas may differ by: a used token is remembered
	// for so much longer than it could be used.
	skew = time.Minute
)

// Service issues sessions for people. It is safe for concurrent use.
type Service struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Issuer *issuer.Issuer
	People *identity.Service
	Log    *slog.Logger
	Now    func() time.Time
	// SessionTTL is how long a session by pachctl lives.
	SessionTTL time.Duration

	remote lastRemote
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
	claims, err := s.Issuer.Verify(ctx, raw)
	if err != nil {
		return "", err
	}
	if err := c.checkVerified(claims.EmailVerified); err != nil {
		return "", err
	}
	audience := issuer.LegacyClient
	if s.isOwn(c) {
		audience = c.clientID()
	}
	now := s.Now()
	ttl := min(s.SessionTTL, claims.Expiry.Sub(now))
	own := slices.Contains(claims.Audience, issuer.CLIClient) || slices.Contains(claims.Audience, issuer.DeviceClient)
	switch {
	case own && now.Sub(claims.IssuedAt) > freshFor:
		return "", fault.New(fault.Unauthenticated, "could not verify token: it is older than %v", freshFor).
			Next("log in again")
	case own:
		ttl = s.SessionTTL
	case !slices.Contains(claims.Audience, audience):
		return "", fault.New(fault.Unauthenticated, "could not verify token: expected audience %q got %q", audience, claims.Audience).
			Next("ask for the scope audience:server:client_id:%s", audience)
	case ttl <= 0: // no time at all would be taken for no limit
		return "", fault.New(fault.Unauthenticated, "could not verify token: it has expired").
			Next("log in again")
	}
	who, err := s.byTokenSub(ctx, claims.Subject)
	if err != nil {
		return "", err
	}
	var session secret.Text
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if own {
			if err := useOnce(ctx, tx, claims, now); err != nil {
				return err
			}
		}
		session, err = s.begin(ctx, tx, who, ttl)
		return err
	})
	return session, err
}

// begin is where every session of a person begins: behind the gate.
func (s *Service) begin(ctx context.Context, tx *db.Tx, who identity.Identity, ttl time.Duration) (secret.Text, error) {
	if err := identity.Gate(ctx, tx, who.ID); err != nil {
		return "", err
	}
	session, err := token.Issue(ctx, tx, who.User, who.ID, s.Now(), ttl)
	if err != nil {
		return "", err
	}
	return session, audit.Record(ctx, tx, audit.Event{
		At: s.Now(), Actor: who.User, Action: "login", Object: "connector/" + who.ConnectorID, Detail: "session of " + ttl.Round(time.Second).String(),
	})
}

func (s *Service) byTokenSub(ctx context.Context, sub string) (identity.Identity, error) {
	who, err := s.People.ByTokenSub(ctx, sub)
	if fault.Is(err, fault.NotFound) {
		err = fault.New(fault.Unauthenticated, "could not verify token: its person is not known here (any more)").
			Next("log in again")
	}
	return who, err
}

// useOnce knows a token by what it says: the same token can be written in many
// ways, with white space, other base64 padding bits or another signature.
func useOnce(ctx context.Context, tx *db.Tx, c issuer.Claims, now time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM used_id_tokens WHERE expires_at < $1`, db.Micros(now.Add(-skew))); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO used_id_tokens (hash, expires_at) VALUES ($1, $2)`, c.Digest, db.Micros(c.Expiry))
	if fault.Is(err, fault.Exists) {
		return fault.New(fault.Unauthenticated, "could not verify token: it was used before").
			Next("log in again")
	}
	return err
}
