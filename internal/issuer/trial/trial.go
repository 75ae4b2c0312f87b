package trial

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/url"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// livesFor is how long a person has.
	livesFor = 15 * time.Minute
	// waitFor is how long Wait waits, looking every waitStep.
	waitFor  = 25 * time.Second
	waitStep = 250 * time.Millisecond
)

// Server keeps and serves trials. It is safe for concurrent use.
type Server struct {
	DB       *db.DB
	Sealer   *secret.Sealer
	Registry *registry.Registry
	People   *identity.Service
	Deps     func() connector.Deps
	Log      *slog.Logger
	Now      func() time.Time
}

// Result is how a trial ended.
type Result struct {
	Error       string // why the sign-in would be refused
	Claims      []Claim
	User        principal.Name
	Note        string
	Groups      []string // nil if the connector says nothing of them
	IsLive      bool
	Differences []Difference
}

// Claim is one thing that the provider said, as JSON.
type Claim struct{ Name, Value, UsedAs string }

// Difference is a key that the live connector has otherwise, as JSON.
type Difference struct{ Key, Live, Tested string }

// body is a trial as it is stored.
type body struct {
	Draft   registry.Row
	Live    *registry.Row
	Browser string     // hash of the cookie of the browser that began
	Pending []byte     // what the connector wants back
	Answer  url.Values // of a provider that posts
	Result  *Result
}

// Start begins a trial of a document. Faults: those of opening a connector.
func (s *Server) Start(
	ctx context.Context, by principal.Name, draft registry.Row, live *registry.Row,
) (id string, expires time.Time, err error) {
	if _, err := s.open(draft); err != nil {
		return "", expires, err
	}
	id, expires = rand.Text(), s.Now().Add(livesFor)
	sealed, err := s.seal(id, body{Draft: draft, Live: live})
	if err != nil {
		return "", expires, err
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(
			ctx, `INSERT INTO connector_trials (id, owner, body, expires_at) VALUES ($1, $2, $3, $4)`, secret.Hash(id), by, sealed,
			db.Micros(expires),
		)
		return err
	})
	return id, expires, err
}

func (s *Server) open(draft registry.Row) (*connector.Provider, error) {
	return connector.Open(draft.ID, draft.Type, draft.Config, s.Deps())
}

// Wait waits a while for the end of a trial, which only its owner may do, and
// forgets it then. Fault: NotFound.
func (s *Server) Wait(ctx context.Context, by principal.Name, id string) (Result, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	for {
		owner, b, err := s.read(ctx, id)
		switch {
		case err == nil && owner != by, fault.Is(err, fault.NotFound):
			return Result{}, false, fault.New(fault.NotFound, "this test is over, or somebody else began it").
				Next("start another with: pachctl idp test-connector")
		case err != nil && ctx.Err() == nil:
			return Result{}, false, err
		case err == nil && b.Result != nil:
			return *b.Result, true, s.DB.Update(ctx, func(tx *db.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM connector_trials WHERE id = $1`, secret.Hash(id))
				return err
			})
		}
		select {
		case <-ctx.Done():
			return Result{}, false, nil
		case <-time.After(waitStep):
		}
	}
}

// DeleteExpired forgets trials that nobody finished.
func DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM connector_trials WHERE expires_at < $1`, db.Micros(now))
	return err
}

func place(id string) string { return "trial/" + secret.Hash(id) }

func (s *Server) seal(id string, b body) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return s.Sealer.Seal(plain, place(id))
}

func (s *Server) read(ctx context.Context, id string) (owner principal.Name, b body, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		owner, b, err = s.readIn(ctx, tx, id)
		return err
	})
	return owner, b, err
}

func (s *Server) readIn(ctx context.Context, tx *db.Tx, id string) (owner principal.Name, b body, err error) {
	var sealed []byte
	err = tx.Row(
		ctx, []any{&owner, &sealed}, `SELECT owner, body FROM connector_trials WHERE id = $1 AND expires_at > $2`, secret.Hash(id),
		db.Micros(s.Now()),
	)
	if err != nil {
		return owner, b, err
	}
	plain, err := s.Sealer.Open(sealed, place(id))
	if err != nil {
		return owner, b, err
	}
	return owner, b, json.Unmarshal(plain, &b)
}

// change rewrites a trial; what change refuses stays as it was.
func (s *Server) change(ctx context.Context, id string, change func(*body) error) (b body, err error) {
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if _, b, err = s.readIn(ctx, tx, id); err != nil {
			return err
		}
		if err := change(&b); err != nil {
			return err
		}
		sealed, err := s.seal(id, b)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE connector_trials SET body = $2 WHERE id = $1`, secret.Hash(id), sealed)
		return err
	})
	return b, err
}
