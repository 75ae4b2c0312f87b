package setuplink

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// livesFor is how long a link works if nobody says otherwise, and longest at most.
	livesFor, longest = 24 * time.Hour, 7 * 24 * time.Hour
	// keptFor is how long it is listed after that, and what was handed in can be
	// approved.
	keptFor = 14 * 24 * time.Hour
	// together is how many links there may be at once.
	together = 100
	// maxAttempts is how many checks and tests one link is good for: pachd connects
	// to where its holder says.
	maxAttempts = 200
	// maxDocument bounds a document, in bytes of JSON.
	maxDocument = 64 << 10
	// waitFor is how long Wait waits.
	waitFor = 25 * time.Second
	// topic is what db.Watch calls a change of a link; the key is its id.
	topic = "setup-link"
)

// State is how far a link got.
type State string

// The states, in their order.
const (
	Sent      State = "sent"
	Begun     State = "begun" // in a browser
	Submitted State = "submitted"
	Approved  State = "approved"
)

// Link is a link as those see it who may make connectors.
type Link struct {
	ID               string
	Connector, Name  string // id and name of what is prepared
	Type, Preset     string
	PublicOnly       bool // pachd connects to public addresses only for it
	By               principal.Name
	Created, Expires time.Time
	Changed          time.Time
	State            State
	Attempts         int64
	body             Prepared
	keyHash          string
	sealed           []byte
}

// Prepared is what the holder of a link has prepared.
type Prepared struct {
	// Document is what was checked or tested last; its secrets are in it.
	Document map[string]any
	Steps    []probe.Step // what the last check of it found
	// TestID is of the test that was begun last, Testing the fingerprint of its
	// document, Tested of the last with which somebody signed in, and the rest who
	// that was.
	TestID, Testing, Tested string
	User                    principal.Name
	Groups                  []string
}

func fingerprint(config map[string]any) string {
	text, err := json.Marshal(config)
	if err != nil {
		return ""
	}
	return secret.Hash(string(text))
}

// Seen is what was prepared, as it may be shown.
type Seen struct {
	Document map[string]any // without its secrets
	Steps    []probe.Step
	// IsTested is whether somebody has signed in with the very document, and the rest
	// as whom.
	IsTested bool
	User     principal.Name
	Groups   []string
}

// Seen is what was prepared, as it may be shown.
func (l Link) Seen() Seen {
	p := l.body
	s := Seen{Steps: p.Steps}
	if p.Document != nil {
		s.Document = connector.Redact(l.Type, p.Document)
	}
	if p.Tested != "" && p.Tested == fingerprint(p.Document) {
		s.IsTested, s.User, s.Groups = true, p.User, p.Groups
	}
	return s
}

// holder is who acts by a link, in the audit.
func (l Link) holder() principal.Name { return principal.Name("internal:setup-link/" + l.ID) }

func (l Link) object() string { return "setup-link/" + l.ID }

func (l Link) reach() fetch.Reach {
	if l.PublicOnly {
		return fetch.PublicOnly
	}
	return fetch.Anywhere
}

// connectorOf is the connector that a document makes.
func (l Link) connectorOf(config map[string]any) registry.Connector {
	return registry.Connector{ID: l.Connector, Name: l.Name, Type: l.Type, Config: config}
}

// Config is what a Service is made from.
type Config struct {
	DB       *db.DB
	Sealer   *secret.Sealer
	Registry *registry.Registry
	Tests    *connectortest.Service
	Deps     func() connector.Deps
	Now      func() time.Time
}

// Service keeps set-up links. It is safe for concurrent use.
type Service struct {
	with    Config
	changed *db.Signals
}

// New makes a service; call it before changes are made.
func New(c Config) *Service { return &Service{c, c.DB.Signals(topic)} }

// Create makes a link for one connector that there is not, of the id, name and type of
// l, and returns what it is opened with, which is kept as a hash only. An expiry of 0
// is a day. Whoever may not grant roles makes one that leads to public addresses only.
// Faults: Invalid, Exists, Denied, Precondition.
func (s *Service) Create(ctx context.Context, by registry.Author, l Link, expiry time.Duration) (_ Link, token secret.Text, err error) {
	if expiry == 0 {
		expiry = livesFor
	}
	switch {
	case expiry < time.Minute || expiry > longest:
		return l, "", fault.New(fault.Invalid, "a set-up link is good for a minute to 7 days, not for %s", expiry).At("expires_in")
	case !l.PublicOnly && !by.MayGrant:
		return l, "", fault.New(fault.Denied, "only a clusterAdmin may let somebody who is nobody here have pachd connect to private addresses").
			Next("leave that out, or ask a clusterAdmin").At("private_network")
	case len(l.Preset) > 63 || fault.Clean(l.Preset, 63) != l.Preset:
		return l, "", fault.New(fault.Invalid, "preset %q is none", fault.Clean(l.Preset, 63)).At("preset")
	}
	if err := s.checkNew(ctx, l); err != nil {
		return l, "", err
	}
	now := s.with.Now()
	token = secret.Text(rand.Text())
	l.ID, l.keyHash = strings.ToLower(rand.Text()[:12]), secret.Hash(token.Reveal())
	l.By, l.Created, l.Changed, l.Expires, l.State, l.Attempts = by.Name, now, now, now.Add(expiry), Sent, 0
	if l.sealed, err = s.seal(l); err != nil {
		return l, "", err
	}
	return l, token, s.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := insertLink(ctx, tx, l); err != nil {
			return err
		}
		detail := "connector " + l.Connector + " of type " + l.Type
		if !l.PublicOnly {
			detail += ", private addresses allowed"
		}
		return audit.By{Actor: by.Name, At: now}.Record(ctx, tx, "setup-link.create", l.object(), detail)
	})
}

// checkNew refuses the connector of a link if there is one of its id, or cannot be.
func (s *Service) checkNew(ctx context.Context, l Link) error {
	_, live, err := s.with.Registry.ForTest(ctx, l.connectorOf(map[string]any{"issuer": ""}))
	switch {
	case live != nil:
		return fault.New(fault.Exists, "connector %q: ID already exists", l.Connector).
			Next("a set-up link is for a connector that there is not yet: choose another id").At("connector_id")
	case err != nil:
		return err
	}
	if !slices.Contains(connector.Types(), l.Type) {
		return fault.New(fault.Invalid, "unknown connector type %q", l.Type).Next("use one of %v", connector.Types()).At("type")
	}
	return nil
}

// List lists the links, those that ended not long ago included, by id.
func (s *Service) List(ctx context.Context, p db.Page) (all []Link, next string, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		all, next, err = links(ctx, tx, p)
		return err
	})
	return all, next, err
}

// Get reads a link. If seen is when it was last changed it waits for a while until it
// is changed again. Fault: NotFound.
func (s *Service) Get(ctx context.Context, id string, seen time.Time) (l Link, err error) {
	changed, stop := s.changed.On(id)
	defer stop()
	until, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	for {
		err = s.with.DB.View(ctx, func(tx *db.Tx) error {
			l, err = linkByID(ctx, tx, id)
			return err
		})
		if err != nil {
			return l, notFound(err, id)
		}
		if !l.Changed.Equal(seen) {
			l.body, err = s.unseal(l)
			return l, err
		}
		select {
		case <-until.Done():
			seen = time.Time{}
		case <-changed:
		}
	}
}

func notFound(err error, id string) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.NotFound, "there is no set-up link %q", id).Next("pachctl idp setup-link list shows those that there are")
	}
	return err
}

// Approve makes a connector of what was handed in, as whoever approves it, who is its
// creator or may grant roles. A draft is one that nobody signs in with yet. Faults:
// NotFound, Precondition, Denied, and those of creating a connector.
func (s *Service) Approve(ctx context.Context, by registry.Author, id string, draft bool) error {
	l, err := s.Get(ctx, id, time.Time{})
	switch {
	case err != nil:
		return err
	case l.State == Approved:
		return fault.New(fault.Precondition, "connector %s has been made of set-up link %s", l.Connector, id)
	case l.State != Submitted:
		return fault.New(fault.Precondition, "nothing has been handed in by set-up link %s yet", id).
			Next("wait for whoever has it")
	case l.By != by.Name && !by.MayGrant:
		return fault.New(fault.Denied, "only %s, who sent the link, or a clusterAdmin may approve what was handed in by it", l.By)
	}
	create := s.with.Registry.CreateConnector
	if draft {
		create = s.with.Registry.CreateDraft
	}
	if err := create(ctx, by, l.connectorOf(l.body.Document)); err != nil {
		return err
	}
	// Whoever is cut off here finds the connector and, at the next try, that it is there.
	return s.change(ctx, by.Name, id, "approve", func(l *Link) error {
		l.State, l.body = Approved, Prepared{}
		return nil
	})
}

// Delete ends a link, and forgets what was handed in by it. Fault: NotFound.
func (s *Service) Delete(ctx context.Context, by principal.Name, id string) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		l, err := linkByID(ctx, tx, id)
		if err != nil {
			return notFound(err, id)
		}
		if err := deleteLink(ctx, tx, id); err != nil {
			return err
		}
		return audit.By{Actor: by, At: s.with.Now()}.Record(ctx, tx, "setup-link.delete", l.object(), "connector "+l.Connector)
	})
}

// change rewrites a link; what f refuses stays as it was.
func (s *Service) change(ctx context.Context, by principal.Name, id, action string, f func(*Link) error) error {
	return s.with.DB.Update(ctx, func(tx *db.Tx) error {
		l, err := linkByID(ctx, tx, id)
		if err != nil {
			return notFound(err, id)
		}
		return s.changeIn(ctx, tx, l, by, action, f)
	})
}

func (s *Service) changeIn(ctx context.Context, tx *db.Tx, l Link, by principal.Name, action string, f func(*Link) error) (err error) {
	if l.body, err = s.unseal(l); err != nil {
		return err
	}
	if err = f(&l); err != nil {
		return err
	}
	if l.sealed, err = s.seal(l); err != nil {
		return err
	}
	now := s.with.Now()
	l.Changed = later(now, l.Changed)
	if err := updateLink(ctx, tx, l); err != nil || action == "" {
		return err
	}
	return audit.By{Actor: by, At: now}.Record(ctx, tx, "setup-link."+action, l.object(), "connector "+l.Connector)
}

// later is now, or a moment after what was: two changes never have one time, which is
// kept to the microsecond.
func later(now, was time.Time) time.Time {
	if now = now.Truncate(time.Microsecond); now.After(was) {
		return now
	}
	return was.Add(time.Microsecond)
}

func placeOf(id string) string { return "setup-link/" + id }

func (s *Service) seal(l Link) ([]byte, error) {
	plain, err := json.Marshal(l.body)
	if err != nil {
		return nil, err
	}
	return s.with.Sealer.Seal(plain, placeOf(l.ID))
}

func (s *Service) unseal(l Link) (p Prepared, err error) {
	plain, err := s.with.Sealer.Open(l.sealed, placeOf(l.ID))
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(plain, &p)
}
