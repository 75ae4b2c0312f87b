package logout

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/people/identity"
)

const (
	topic = "logout"

	// AnswerWithin is how long an application has to answer.
	AnswerWithin = 10 * time.Second
	// leaseFor is how long a replica has to send what it has claimed.
	leaseFor = 2 * time.Minute
	// giveUpAfter is how long an application is told that does not answer.
	giveUpAfter = 24 * time.Hour
	// tokenLives is how long a logout token does (Back-Channel Logout, 2.4: short).
	tokenLives = 2 * time.Minute
	atOnce     = 8
)

// Sender tells applications that sign-ins of theirs have ended.
type Sender struct {
	DB  *db.DB
	Log *slog.Logger
	Now func() time.Time
	// Client is guarded: what an application names as its address must not lead
	// anywhere.
	Client *http.Client
	// Issuer signs, as it is called at the moment.
	Issuer func() jws.Issuer

	wake chan struct{}
}

// NewSender makes a sender; call it before changes are made.
func NewSender(s Sender) *Sender {
	s.wake = make(chan struct{}, 1)
	s.DB.Watch(func(c db.Change) {
		if c.Topic == topic || c.Topic == "" {
			select {
			case s.wake <- struct{}{}:
			default: // one is enough
			}
		}
	})
	return &s
}

// Run sends until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wait, err := s.round(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "cannot tell applications of ended sign-ins", "error", err)
			wait = time.Minute
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// round sends what is due, and returns for how long nothing more is.
func (s *Sender) round(ctx context.Context) (wait time.Duration, err error) {
	for {
		var due []message
		err := s.DB.Update(ctx, func(tx *db.Tx) (err error) {
			due, err = claim(ctx, tx, s.Now(), s.Now().Add(leaseFor))
			return err
		})
		if err != nil {
			return 0, err
		}
		if len(due) == 0 {
			break
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(atOnce)
		for _, m := range due {
			g.Go(func() error { return s.tell(ctx, m) })
		}
		if err := g.Wait(); err != nil {
			return 0, err
		}
	}
	wait = time.Hour
	return wait, s.DB.View(ctx, func(tx *db.Tx) error {
		next, err := nextDue(ctx, tx)
		if err == nil && !next.IsZero() {
			wait = min(wait, max(time.Second, next.Sub(s.Now())))
		}
		return err
	})
}

// tell sends one message, and forgets it once it was answered, or is too old. The
// error is of our side.
func (s *Sender) tell(ctx context.Context, m message) error {
	token, err := s.token(ctx, m)
	if err != nil {
		return err
	}
	why := s.send(ctx, m.uri, token)
	over := why == nil || s.Now().Sub(m.created) >= giveUpAfter
	if why != nil {
		s.Log.WarnContext(ctx, "an application did not take the logout of a person",
			"client", m.clientID, "grant", m.grantID, "attempt", m.attempts, "given_up", over, "error", why)
	}
	return s.DB.Update(ctx, func(tx *db.Tx) error {
		if over {
			return done(ctx, tx, m.grantID)
		}
		return postpone(ctx, tx, m.grantID, s.Now().Add(backoff(m.attempts)))
	})
}

// backoff is 5 seconds after the first attempt, doubled up to an hour.
func backoff(attempts int64) time.Duration {
	return min(time.Hour, 5*time.Second<<min(max(attempts-1, 0), 10))
}

// send posts a logout token (Back-Channel Logout, 2.5).
func (s *Sender) send(ctx context.Context, uri, token string) error {
	ctx, cancel := context.WithTimeout(ctx, AnswerWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := s.Client.Do(r)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10)) // so that the connection serves again
	if err := res.Body.Close(); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent {
		return fmt.Errorf("it answered with status %d", res.StatusCode)
	}
	return nil
}

// claims of a logout token (Back-Channel Logout, 2.4).
type claims struct {
	Issuer   string         `json:"iss"`
	Subject  string         `json:"sub,omitempty"`
	Audience string         `json:"aud"`
	IssuedAt int64          `json:"iat"`
	Expiry   int64          `json:"exp"`
	ID       string         `json:"jti"`
	Events   map[string]any `json:"events"`
	Grant    string         `json:"sid"`
}

func (s *Sender) token(ctx context.Context, m message) (string, error) {
	var who identity.Identity
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		who, err = identity.ByID(ctx, tx, m.identityID)
		return err
	})
	if err != nil && !fault.Is(err, fault.NotFound) { // the sid says enough
		return "", err
	}
	now, issuer := s.Now(), s.Issuer()
	return issuer.Sign(ctx, jws.Logout, claims{
		Issuer: issuer.Name, Subject: who.TokenSub, Audience: m.clientID, IssuedAt: now.Unix(), Expiry: now.Add(tokenLives).Unix(),
		ID: "logout-" + m.grantID, Grant: m.grantID,
		Events: map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
	})
}
