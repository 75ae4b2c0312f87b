package login

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

// waitFor is how long a person may take; upstream gives three minutes.
const waitFor = 10 * time.Minute

// The stages of an attempt.
const (
	waiting   = "waiting"   // for the browser to come back
	asking    = "asking"    // the person whether it is they who wait
	confirmed = "confirmed" // by the person; a token may be handed out, once
	failed    = "failed"    // for the reason that is kept
)

// attempt is a sign-in that a client waits for by its state.
type attempt struct {
	stateHash  string
	requester  string
	address    string
	stage      string
	identityID string
	grantID    string // empty for another server than our own
	reason     string
	browser    string // hash of the cookie of the browser that was asked
	created    time.Time
	proved     time.Time // when the person did at the provider who they are, if known
	// nonce and verifier bind the answer of the issuer to this attempt.
	attemptSecrets
}

type attemptSecrets struct {
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	// Client and Redirect are what the issuer was asked with; they may be
	// configured anew before it answers.
	Client   string `json:"client"`
	Redirect string `json:"redirect"`
	// Browser is the hash of the cookie of the browser that began the sign-in for
	// itself, and Next where it wants to go. Nobody waits then.
	Browser string `json:"browser,omitempty"`
	Next    string `json:"next,omitempty"`
	// Again says that the provider has to ask who the person is, whatever it
	// remembers.
	Again bool `json:"again,omitempty"`
	// Issuer is set for another server than our own, and Pending is what the
	// connector to it must still know.
	Issuer  string `json:"issuer,omitempty"`
	Pending []byte `json:"pending,omitempty"`
}

// maxAge is how old the proof may be that the provider has of who the person is.
func (a attempt) maxAge() *int64 {
	if a.Again {
		return new(int64)
	}
	return nil
}

// Start begins a sign-in that a client will wait for (upstream's
// GetOIDCLogin): the address to open in a browser, and the state to wait with.
// Fault: Precondition without an identity provider, or without the client that
// pachd is to be.
func (s *Service) Start(ctx context.Context, requester, address string) (loginURL, state string, err error) {
	return s.start(ctx, attempt{requester: device.CleanName(requester), address: address})
}

func (s *Service) start(ctx context.Context, a attempt) (loginURL, state string, err error) {
	c, err := s.configuration(ctx)
	if err != nil {
		return "", "", err
	}
	state = rand.Text() + rand.Text()
	a.stateHash, a.stage, a.created = secret.Hash(state), waiting, s.with.Now()
	if s.isOwn(c) {
		loginURL, err = s.startOwn(ctx, c, &a, state)
	} else {
		loginURL, err = s.startRemote(c, &a, state)
	}
	if err != nil {
		return "", "", err
	}
	return loginURL, state, s.with.DB.Update(ctx, func(tx *db.Tx) error { return s.insert(ctx, tx, a) })
}

func (s *Service) startOwn(ctx context.Context, c Config, a *attempt, state string) (string, error) {
	switch connected, err := s.with.Issuer.Connected(ctx); {
	case err != nil:
		return "", err
	case !connected:
		return "", issuer.ErrNotConnected()
	}
	if err := s.with.Issuer.CheckRegistered(ctx, c.clientID()); err != nil {
		return "", err
	}
	a.Nonce, a.Verifier, a.Client, a.Redirect = rand.Text(), rand.Text()+rand.Text(), c.clientID(), s.redirectURI(c)
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := url.Values{
		"client_id": {a.Client}, "redirect_uri": {a.Redirect}, "response_type": {"code"},
		"scope": {strings.Join(c.scopes(), " ")}, "state": {state}, "nonce": {a.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	if a.Again {
		q.Set("prompt", "login")
		q.Set("max_age", "0")
	}
	return reachable(s.with.Issuer.Endpoint("/auth")+"?"+q.Encode(), c.UserAccessibleIssuerHost)
}

// Wait returns a session once the person has signed in and confirmed, and
// ends at once when that has failed. A state is good for one session. Faults:
// Unauthenticated, with the reason, and for a state that is not known.
func (s *Service) Wait(ctx context.Context, state string) (secret.Text, error) {
	changed, stop := s.attempts.On(secret.Hash(state))
	defer stop()
	for {
		a, err := s.find(ctx, state)
		if err != nil {
			return "", err
		}
		if a.Browser != "" { // it is that browser's, and nobody else's
			return "", errUnknownState()
		}
		switch a.stage {
		case confirmed:
			return s.take(ctx, a)
		case failed:
			return "", fault.New(fault.Unauthenticated, "authorization failed: %s", a.reason)
		}
		over := time.NewTimer(a.created.Add(waitFor).Sub(s.with.Now()))
		select {
		case <-ctx.Done():
			over.Stop()
			return "", ctx.Err()
		case <-changed:
			over.Stop()
		case <-over.C:
		}
	}
}

// take hands the session of an attempt whose person is known out and forgets the
// attempt, in one transaction.
func (s *Service) take(ctx context.Context, a attempt) (held secret.Text, err error) {
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		switch there, err := deleteAttempt(ctx, tx, a); {
		case err != nil:
			return err
		case !there:
			return errUnknownState()
		}
		who, err := identity.ByID(ctx, tx, a.identityID)
		if err != nil {
			return err
		}
		now := s.with.Now()
		if held, err = session.Begin(ctx, tx, who, session.Start{
			GrantID: a.grantID, Proved: a.proved, Now: now, TTL: s.with.SessionTTL,
		}); err != nil || a.Issuer != "" {
			return err
		}
		return grant.Continue(ctx, tx, a.grantID, now.Add(s.with.SessionTTL), now)
	})
	return held, err
}

func errUnknownState() error {
	return fault.New(fault.Unauthenticated, "error during authorization: OIDC state token expired, or it was used before").
		Next("log in again with: pachctl auth login")
}

// advance moves an attempt from one stage to the next, if it is still there.
func (s *Service) advance(ctx context.Context, a attempt, from, to, identityID, reason string) (moved bool, err error) {
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		moved, err = advanceAttempt(ctx, tx, a, from, to, identityID, reason)
		return err
	})
	return moved, err
}

// ask is advance to the question whether it is they, put to one browser.
func (s *Service) ask(ctx context.Context, a attempt, identityID, grantID, browser string) (moved bool, err error) {
	err = s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if moved, err = askAttempt(ctx, tx, a, identityID, grantID, browser); err != nil || grantID == "" {
			return err
		}
		now := s.with.Now() // the ID token may live shorter than the person thinks
		return grant.Continue(ctx, tx, grantID, now.Add(waitFor), now)
	})
	return moved, err
}

func attemptPlace(stateHash string) string { return "login/" + stateHash }

func (s *Service) insert(ctx context.Context, tx *db.Tx, a attempt) error {
	plain, err := json.Marshal(a.attemptSecrets)
	if err != nil {
		return err
	}
	sealed, err := s.with.Sealer.Seal(plain, attemptPlace(a.stateHash))
	if err != nil {
		return err
	}
	return insertAttempt(ctx, tx, a, sealed)
}

func (s *Service) find(ctx context.Context, state string) (a attempt, err error) {
	var sealed []byte
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		a, sealed, err = readAttempt(ctx, tx, secret.Hash(state), s.with.Now())
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return a, errUnknownState()
	}
	if err != nil {
		return a, err
	}
	plain, err := s.with.Sealer.Open(sealed, attemptPlace(a.stateHash))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(plain, &a.attemptSecrets)
}
