package session

import (
	"context"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Config is what a Service is made from.
type Config struct {
	DB     *db.DB
	Access *access.Service
	Now    func() time.Time
	// EndGrants ends, in the caller's transaction, what an identity has granted to
	// applications, and returns how many refresh tokens that were.
	EndGrants func(ctx context.Context, tx *db.Tx, identityID string, now time.Time) (int64, error)
	// SignOut is EndGrants that leaves the sessions: whoever holds one hears of the
	// gate why it does not serve.
	SignOut func(ctx context.Context, tx *db.Tx, identityID string, now time.Time) error
	// Stale says which facts about groups are too old, and Use is called with each use
	// of a session whose groups can be read again. Either may be nil.
	Stale func(ctx context.Context, who principal.Name, groups []principal.Name) (access.Stale, error)
	Use   func(identityID string)
	// RobotTTL is the longest that a new token of a robot may live; 0 is for ever.
	RobotTTL time.Duration
	// RootToken is the configured root token, or empty.
	RootToken secret.Text
	// RootFile is where a root token that is made is written to.
	RootFile string
}

// Service knows who holds what. It is safe for concurrent use.
type Service struct {
	with   Config
	memory *memory
}

// New makes a service; call it before changes are made.
func New(c Config) *Service { return &Service{with: c, memory: newMemory(c.DB, c.Now)} }

// By is the actor of a change that is made now.
func (s *Service) By(actor principal.Name) audit.By { return audit.By{Actor: actor, At: s.with.Now()} }

// Start is what a session of a person begins with.
type Start struct {
	// GrantID is the grant of the ID token that it begins from, if our issuer made
	// that: the session ends with it.
	GrantID string
	// Proved is when the person last proved to their provider who they are; zero if
	// that is not known.
	Proved time.Time
	Now    time.Time
	TTL    time.Duration
}

// Begin is where every session of a person begins: behind the gate. Fault:
// Unauthenticated.
func Begin(ctx context.Context, tx *db.Tx, who identity.Identity, s Start) (secret.Text, error) {
	if _, err := identity.Gate(ctx, tx, who.User, who.ID); err != nil {
		return "", err
	}
	return begin(ctx, tx, who, s)
}

// BeginByTokenSub is Begin for whoever an ID token of our issuer speaks of. Faults:
// Unauthenticated, NotFound.
func BeginByTokenSub(ctx context.Context, tx *db.Tx, sub string, s Start) (secret.Text, error) {
	who, err := identity.GateByTokenSub(ctx, tx, sub)
	if err != nil {
		return "", err
	}
	return begin(ctx, tx, who, s)
}

func begin(ctx context.Context, tx *db.Tx, who identity.Identity, s Start) (secret.Text, error) {
	raw, err := token.Issue(ctx, tx, token.Info{
		Subject: who.User, IdentityID: who.ID, GrantID: s.GrantID, Proved: s.Proved, Created: s.Now,
	}, s.TTL)
	if err != nil {
		return "", err
	}
	by := audit.By{Actor: who.User, At: s.Now}
	return raw, by.Record(ctx, tx, "login", "connector/"+who.ConnectorID, "session of "+s.TTL.Round(time.Second).String())
}

// Roles are everybody's roles as they are now.
func (s *Service) Roles(ctx context.Context) (*access.Index, error) { return s.with.Access.Index(ctx) }

// ErrNotActivated is in upstream's words, which clients look for.
func ErrNotActivated() error {
	return fault.New(fault.Unimplemented, "the auth service is not activated")
}

// Verify finds out who holds a token; roles are those that decide about the
// call. The texts are upstream's, which clients look for. Fault:
// Unauthenticated.
func (s *Service) Verify(ctx context.Context, roles *access.Index, raw secret.Text) (Caller, error) {
	c, err := s.memory.get(ctx, raw, s.identify)
	if err == nil {
		err = c.Token.CheckExpiry(s.with.Now())
	}
	if err != nil {
		return Caller{}, err
	}
	c.Roles = roles
	if c.reads && s.with.Use != nil {
		s.with.Use(c.Token.IdentityID)
	}
	if s.with.Stale != nil {
		c.stale, err = s.with.Stale(ctx, c.Name, c.Groups)
	}
	return c, err
}

// identify reads who a token belongs to: token, gate and groups in one view of
// the database.
func (s *Service) identify(ctx context.Context, raw secret.Text) (c Caller, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		if c.Token, err = token.Verify(ctx, tx, raw, s.with.Now()); err != nil {
			return err
		}
		c.Name = c.Token.Subject
		by, err := identity.Gate(ctx, tx, c.Name, c.Token.IdentityID)
		if err != nil {
			return err
		}
		if by.ID != "" && !by.Approved {
			c.Unapproved = by.ConnectorID
			return nil
		}
		c.reads = by.ReadsGroups
		c.Groups, err = identity.Groups(ctx, tx, c.Name)
		return err
	})
	return c, err
}
