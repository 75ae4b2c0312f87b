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
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/secret"
)

const (
	// waitFor is how long a person may take; upstream gives three minutes.
	waitFor = 10 * time.Minute
	// lookEvery is how often a waiting call looks for the end; the browser may
	// have been answered by another replica.
	lookEvery = 150 * time.Millisecond
)

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
	reason     string
	browser    string // hash of the cookie of the browser that was asked
	created    time.Time
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
	// Issuer is set for another server than our own, and Pending is what the
	// connector to it must still know.
	Issuer  string `json:"issuer,omitempty"`
	Pending []byte `json:"pending,omitempty"`
}

// Start begins a sign-in that a client will wait for (upstream's
// GetOIDCLogin): the address to open in a browser, and the state to wait with.
// Fault: Precondition without an identity provider.
func (s *Service) Start(ctx context.Context, requester, address string) (loginURL, state string, err error) {
	c, err := s.configuration(ctx)
	if err != nil {
		return "", "", err
	}
	state = rand.Text() + rand.Text()
	a := attempt{stateHash: secret.Hash(state), requester: device.CleanName(requester), address: address, stage: waiting, created: s.Now()}
	if s.isOwn(c) {
		loginURL, err = s.startOwn(ctx, c, &a, state)
	} else {
		loginURL, err = s.startRemote(c, &a, state)
	}
	if err != nil {
		return "", "", err
	}
	return loginURL, state, s.DB.Update(ctx, func(tx *db.Tx) error { return s.insert(ctx, tx, a) })
}

func (s *Service) startOwn(ctx context.Context, c Config, a *attempt, state string) (string, error) {
	switch connected, err := s.Issuer.Connected(ctx); {
	case err != nil:
		return "", err
	case !connected:
		return "", fault.New(fault.Precondition, "no identity provider is connected yet").
			Next("an administrator connects one with: pachctl idp create-connector --config FILE")
	}
	a.attemptSecrets = attemptSecrets{Nonce: rand.Text(), Verifier: rand.Text() + rand.Text(), Client: c.clientID(), Redirect: s.redirectURI(c)}
	challenge := sha256.Sum256([]byte(a.Verifier))
	q := url.Values{
		"client_id": {a.Client}, "redirect_uri": {a.Redirect}, "response_type": {"code"},
		"scope": {strings.Join(c.scopes(), " ")}, "state": {state}, "nonce": {a.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	return reachable(s.Issuer.Endpoint("/auth")+"?"+q.Encode(), c.UserAccessibleIssuerHost)
}

// Wait returns a session once the person has signed in and confirmed, and
// ends at once when that has failed. A state is good for one session. Faults:
// Unauthenticated, with the reason; Invalid for a state that is not known.
func (s *Service) Wait(ctx context.Context, state string) (secret.Text, error) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		a, err := s.find(ctx, state)
		if err != nil {
			return "", err
		}
		switch a.stage {
		case confirmed:
			return s.take(ctx, a)
		case failed:
			return "", fault.New(fault.Unauthenticated, "authorization failed: %s", a.reason)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
}

// take hands the session out and forgets the attempt, in one transaction.
func (s *Service) take(ctx context.Context, a attempt) (session secret.Text, err error) {
	who, err := s.People.ByID(ctx, a.identityID)
	if err != nil {
		return "", err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `DELETE FROM login_attempts WHERE state_hash = $1`, a.stateHash)
		if err != nil {
			return err
		}
		if n == 0 {
			return errUnknownState()
		}
		session, err = s.begin(ctx, tx, who, s.SessionTTL)
		return err
	})
	return session, err
}

func errUnknownState() error {
	return fault.New(fault.Unauthenticated, "error during authorization: OIDC state token expired, or it was used before").
		Next("log in again")
}

// advance moves an attempt from one stage to the next, if it is still there.
func (s *Service) advance(ctx context.Context, a attempt, from, to, identityID, reason string) (moved bool, err error) {
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE login_attempts SET stage = $3, identity_id = $4, reason = $5 WHERE state_hash = $1 AND stage = $2`,
			a.stateHash, from, to, identityID, reason)
		moved = n > 0
		return err
	})
	return moved, err
}

// ask is advance to the question whether it is they, put to one browser.
func (s *Service) ask(ctx context.Context, a attempt, identityID, browser string) (moved bool, err error) {
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		n, err := tx.Exec(ctx, `UPDATE login_attempts SET stage = $3, identity_id = $4, browser = $5 WHERE state_hash = $1 AND stage = $2`,
			a.stateHash, waiting, asking, identityID, browser)
		moved = n > 0
		return err
	})
	return moved, err
}

func (s *Service) insert(ctx context.Context, tx *db.Tx, a attempt) error {
	if _, err := tx.Exec(ctx, `DELETE FROM login_attempts WHERE expires_at < $1`, db.Micros(a.created)); err != nil {
		return err
	}
	plain, err := json.Marshal(a.attemptSecrets)
	if err != nil {
		return err
	}
	sealed, err := s.Sealer.Seal(plain, "login/"+a.stateHash)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO login_attempts (state_hash, secrets, requester, address, stage, identity_id, reason, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, '', '', $6, $7)`,
		a.stateHash, sealed, a.requester, a.address, a.stage, db.Micros(a.created), db.Micros(a.created.Add(waitFor)))
	return err
}

func (s *Service) find(ctx context.Context, state string) (attempt, error) {
	a := attempt{stateHash: secret.Hash(state)}
	var sealed []byte
	var created int64
	err := s.DB.View(ctx, func(tx *db.Tx) error {
		return tx.Row(ctx, []any{&sealed, &a.requester, &a.address, &a.stage, &a.identityID, &a.reason, &a.browser, &created},
			`SELECT secrets, requester, address, stage, identity_id, reason, browser, created_at FROM login_attempts WHERE state_hash = $1 AND expires_at > $2`,
			a.stateHash, db.Micros(s.Now()))
	})
	if fault.Is(err, fault.NotFound) {
		return a, errUnknownState()
	}
	if err != nil {
		return a, err
	}
	a.created = db.Time(created)
	plain, err := s.Sealer.Open(sealed, "login/"+a.stateHash)
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(plain, &a.attemptSecrets)
}
