package exchange

import (
	"context"
	"log/slog"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Config is what a Service is made from.
type Config struct {
	DB       *db.DB
	Sessions *session.Service
	Log      *slog.Logger
	Now      func() time.Time
	// Issuer is our own, which cannot be trusted.
	Issuer func() string
	// Insecure allows issuers at plain http on hosts that are not this machine.
	Insecure bool
}

// Service exchanges tokens. It is safe for concurrent use.
type Service struct {
	with Config
	keys *keys
}

// New makes a service; call it before changes are made.
func New(c Config) *Service {
	s := &Service{with: c, keys: newKeys(c.Now, c.Log)}
	c.DB.Watch(func(change db.Change) {
		if change.Topic == trust.Topic || change.Topic == "" {
			s.keys.forget()
		}
	})
	return s
}

// Create stores a trust once the keys of its issuer have been seen. Faults:
// Invalid, Exists, Denied, and those of fetching the keys.
func (s *Service) Create(ctx context.Context, by session.Caller, t trust.Trust) error {
	if err := t.Check(s.with.Issuer(), s.with.Insecure); err != nil {
		return err
	}
	set, err := s.keys.open(t)
	if err == nil {
		err = set.Renew(ctx)
	}
	if err != nil {
		return fault.Prefix(err, "the keys of %s cannot be had", t.Issuer)
	}
	return s.with.Sessions.CreateTrust(ctx, by, t)
}

// Result is what one trust makes of a token.
type Result struct {
	Trust trust.Trust
	// Err is nil if the trust gives a robot's token for it, or says why not.
	Err error
}

// Test says what each trust in a token's issuer makes of it. Faults: Invalid for
// what is not a token, NotFound where there is no trust in its issuer.
func (s *Service) Test(ctx context.Context, raw secret.Text) ([]Result, error) {
	_, found, err := s.try(ctx, raw)
	for n, r := range found {
		if r.Err == nil {
			found[n].Err = s.with.Sessions.Warranted(ctx, r.Trust)
		}
	}
	return found, err
}

func (s *Service) try(ctx context.Context, raw secret.Text) (token, []Result, error) {
	t, err := parse(raw)
	if err != nil {
		return t, nil, err
	}
	var trusts []trust.Trust
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		trusts, err = trust.Of(ctx, tx, t.unverified.Text("iss"))
		return err
	})
	if err != nil {
		return t, nil, err
	}
	if len(trusts) == 0 {
		return t, nil, fault.New(fault.NotFound, "there is no trust in the issuer %q", fault.Clean(t.unverified.Text("iss"), 200)).
			Next("an administrator makes one with: pachctl idp trust create --config FILE")
	}
	found := make([]Result, len(trusts))
	for n, each := range trusts {
		found[n] = Result{each, s.accept(ctx, each, t)}
	}
	return t, found, nil
}

// accept is nil if the token is what the trust demands. The issuer is asked for
// its keys last, so that only somebody who knows what the trust demands can make
// pachd ask.
func (s *Service) accept(ctx context.Context, t trust.Trust, raw token) error {
	if err := t.Match(raw.unverified); err != nil {
		return err
	}
	if err := raw.checkTimes(s.with.Now()); err != nil {
		return err
	}
	set, err := s.keys.open(t)
	if err != nil {
		return err
	}
	_, err = set.Verify(ctx, raw.signed)
	return err
}

// exchange gives a token of the robot that the workload with this token may be,
// or of the named one if there are several. Faults: Denied and others, of which
// the caller is to say no more; Invalid for a choice that it has to make;
// Unavailable.
func (s *Service) exchange(ctx context.Context, raw secret.Text, robot principal.Name) (secret.Text, time.Duration, error) {
	t, found, err := s.try(ctx, raw)
	if err != nil {
		return "", 0, err
	}
	var use trust.Trust
	refused := error(fault.New(fault.Denied, "the token is accepted for another robot only"))
	for _, r := range found {
		switch {
		case r.Err != nil && fault.Is(refused, fault.Unavailable):
		case r.Err != nil:
			refused = fault.Prefix(r.Err, "trust %s", r.Trust.ID)
		case robot != "" && r.Trust.Robot != robot:
		case use.ID != "" && use.Robot != r.Trust.Robot:
			return "", 0, fault.New(fault.Invalid, "this token may act as several robots").
				Next("name one of them in requested_subject: %s or %s", use.Robot, r.Trust.Robot)
		case use.ID == "":
			use = r.Trust
		}
	}
	if use.ID == "" {
		return "", 0, refused
	}
	return s.with.Sessions.FromTrust(ctx, use, fault.Clean(t.unverified.Text("sub"), 200))
}
