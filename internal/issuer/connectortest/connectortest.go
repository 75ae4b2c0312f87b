package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// livesFor is how long a person has.
	livesFor = 15 * time.Minute
	// testsOfOne is how many one administrator may have under way.
	testsOfOne = 20
	// waitFor is how long Wait waits.
	waitFor = 25 * time.Second
	// topic is what db.Watch calls a change of a test; the key is the hash of its
	// id.
	topic = "connector-test"
)

// Service keeps connector tests. It is safe for concurrent use.
type Service struct {
	db       *db.DB
	sealer   *secret.Sealer
	registry *registry.Registry
	now      func() time.Time
	deps     func() connector.Deps
	traces   *trace.Store
	changed  *db.Signals
}

// New makes a service; call it before changes are made.
func New(d *db.DB, sealer *secret.Sealer, r *registry.Registry, now func() time.Time, deps func() connector.Deps, t *trace.Store) *Service {
	return &Service{db: d, sealer: sealer, registry: r, now: now, deps: deps, traces: t, changed: d.Signals(topic)}
}

// Result is how a test ended.
type Result struct {
	Error       string // why the sign-in would be refused
	Claims      []trace.Claim
	User        principal.Name
	Note        string
	Groups      []string // nil if the connector says nothing of them
	IsLive      bool
	Differences []registry.Difference
}

// body is a test as it is stored.
type body struct {
	Tested  registry.Row
	Live    *registry.Row
	Browser string     // hash of the cookie of the browser that began
	Pending []byte     // what the connector wants back
	Answer  url.Values // of a provider that posts
	// MayGrant is whether its owner may grant roles on the cluster.
	MayGrant bool
	// Outsider is whether they are nobody here, and Reach how far connections go then.
	Outsider bool
	Reach    fetch.Reach
	Result   *Result
}

// Start begins the test of a document, beside what is stored under its id, if
// anything. Faults: those of opening a connector.
func (s *Service) Start(ctx context.Context, by registry.Author, tested registry.Row, live *registry.Row,
) (id string, expires time.Time, err error) {
	return s.start(ctx, by.Name, body{Tested: tested, Live: live, MayGrant: by.MayGrant})
}

// StartByOutsider begins one of a document of somebody who is nobody here: its
// connections go no further than reach, and who has an account here is not told. Faults:
// those of opening a connector.
func (s *Service) StartByOutsider(ctx context.Context, by principal.Name, tested registry.Row, reach fetch.Reach,
) (id string, expires time.Time, err error) {
	// What leads further than public addresses somebody has allowed who may grant roles.
	return s.start(ctx, by, body{Tested: tested, MayGrant: reach == fetch.Anywhere, Outsider: true, Reach: reach})
}

func (s *Service) start(ctx context.Context, by principal.Name, b body) (id string, expires time.Time, err error) {
	if _, err := s.open(b); err != nil {
		return "", expires, err
	}
	id, expires = rand.Text(), s.now().Add(livesFor)
	sealed, err := s.seal(id, b)
	if err != nil {
		return "", expires, err
	}
	tested := b.Tested
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		if err := insertTest(ctx, tx, id, by, sealed, expires); err != nil {
			return err
		}
		return audit.By{Actor: by, At: s.now()}.Record(ctx, tx, "connector.test", "connector/"+tested.ID, tested.Type)
	})
	return id, expires, err
}

func (s *Service) open(b body) (*connector.Provider, error) {
	tested, deps := b.Tested, s.deps()
	if b.Outsider {
		deps = deps.ForOutsider(b.Reach)
	}
	return connector.Open(tested.ID, tested.Type, tested.Config, deps.ForDeclared(tested.Managed))
}

// Wait waits a while for the end of a test, which only its owner may do, and
// forgets it then. Fault: NotFound.
func (s *Service) Wait(ctx context.Context, by principal.Name, id string) (Result, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	changed, stop := s.changed.On(secret.Hash(id))
	defer stop()
	for {
		owner, b, err := s.read(ctx, id)
		switch {
		case err == nil && owner != by, fault.Is(err, fault.NotFound):
			return Result{}, false, fault.New(fault.NotFound, "this test is over, or another user started it").
				Next("start another with: pachctl idp test-connector")
		case err != nil && ctx.Err() == nil:
			return Result{}, false, err
		case err == nil && b.Result != nil:
			return *b.Result, true, s.db.Update(ctx, func(tx *db.Tx) error { return deleteTest(ctx, tx, id) })
		}
		select {
		case <-ctx.Done():
			return Result{}, false, nil
		case <-changed:
		}
	}
}

func place(id string) string { return placeOf(secret.Hash(id)) }

func placeOf(hash string) string { return "trial/" + hash }

func (s *Service) seal(id string, b body) ([]byte, error) {
	plain, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	return s.sealer.Seal(plain, place(id))
}

func (s *Service) read(ctx context.Context, id string) (owner principal.Name, b body, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		owner, b, err = s.readIn(ctx, tx, id)
		return err
	})
	return owner, b, err
}

func (s *Service) readIn(ctx context.Context, tx *db.Tx, id string) (owner principal.Name, b body, err error) {
	owner, sealed, err := readTest(ctx, tx, id, s.now())
	if err != nil {
		return owner, b, err
	}
	plain, err := s.sealer.Open(sealed, place(id))
	if err != nil {
		return owner, b, err
	}
	return owner, b, json.Unmarshal(plain, &b)
}

// change rewrites a test; what change refuses stays as it was.
func (s *Service) change(ctx context.Context, id string, change func(*body) error) (b body, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
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
		return updateTest(ctx, tx, id, sealed)
	})
	return b, err
}
