package grant

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/pending"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/tracing"
)

const (
	// codesLiveFor is how long an authorization code can be redeemed (RFC 9700
	// asks for a minute at most; Dex would give thirty).
	codesLiveFor = time.Minute
	// refreshedLive is how long tokens live at most that come with a refresh token:
	// an application hears within it that its person may not act any more.
	refreshedLive = 10 * time.Minute
	// unusedFor is how long a refresh token lives that nobody uses.
	unusedFor = 90 * 24 * time.Hour
	// retryWithin is how long the refresh token before the current one is
	// answered as the current one was, for a client whose answer got lost.
	retryWithin = 3 * time.Second
)

// The stages of a grant.
const (
	issued   = "issued"   // the client has a code
	approved = "approved" // a device may have its tokens
	redeemed = "redeemed" // for tokens, once
)

// Grant is what one person has granted to one client, once.
type Grant struct {
	ID          string // the sid of its ID tokens
	ClientID    string
	ConnectorID string
	IdentityID  string
	Created     time.Time
	Used        time.Time // of its last tokens
	// RefreshUntil is the end of its refresh tokens; zero if it has none.
	RefreshUntil time.Time

	inMemory bool // and has no row yet
	stage    string
	codeHash string
	device   string // hash of the device code, or empty
	family   string // hash of what all its refresh tokens begin with, or empty
	current  string // hash of the refresh token
	previous string // and of the one before it
	expires  time.Time
	body
}

// body is the part that is sealed.
type body struct {
	RedirectURI string    `json:"redirect"`
	Challenge   string    `json:"challenge,omitempty"` // S256 (RFC 7636)
	Nonce       string    `json:"nonce,omitempty"`
	Scopes      []string  `json:"scopes"`
	AuthTime    time.Time `json:"auth_time"`
	// Person is what the connector said last, with groups by our names.
	Person        storage.Claims `json:"person"`
	ConnectorData []byte         `json:"data,omitempty"`
	// Offline says that a refresh token was asked for, and can be served.
	Offline bool `json:"offline,omitempty"`
	// Refresh is the current refresh token, for a client whose answer got lost.
	Refresh string `json:"refresh,omitempty"`
	Trace   string `json:"trace,omitempty"` // of the login
}

// codesBytes is how much grants whose code nobody has redeemed may take in memory.
const codesBytes = 32 << 20

// Store keeps grants. It is safe for concurrent use.
type Store struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Now    func() time.Time

	// codes has the grants whose code nobody has redeemed, by its hash, where no other
	// process needs to know them; nil where they are rows.
	codes *pending.Memory[Grant]
}

// NewStore makes a store. Where no other process has the database, it keeps in memory
// what is granted until the code is redeemed.
func NewStore(d *db.DB, sealer *secret.Sealer, now func() time.Time) *Store {
	s := &Store{DB: d, Sealer: sealer, Now: now}
	if d.Alone() {
		s.codes = pending.New[Grant](codesBytes)
	}
	return s
}

func place(id string) string { return "grant/" + id }

func (s *Store) seal(g Grant) ([]byte, error) {
	plain, err := json.Marshal(g.body)
	if err != nil {
		return nil, err
	}
	return s.Sealer.Seal(plain, place(g.ID))
}

// Create begins a grant with a code that Dex has made. Offline says whether a refresh
// token was asked for, and the connector can serve it. Where codes are in memory, tx may be nil, and
// whatever becomes of it, the grant has begun.
func (s *Store) Create(ctx context.Context, tx *db.Tx, c storage.AuthCode, offline bool) error {
	now := s.Now()
	g := Grant{
		ID: rand.Text(), ClientID: c.ClientID, ConnectorID: c.ConnectorID, IdentityID: c.Claims.UserID, Created: now,
		stage: issued, codeHash: secret.Hash(c.ID), expires: now.Add(codesLiveFor),
		body: body{
			RedirectURI: c.RedirectURI, Challenge: c.PKCE.CodeChallenge, Nonce: c.Nonce, Scopes: c.Scopes, AuthTime: c.AuthTime,
			Person: c.Claims, ConnectorData: c.ConnectorData, Offline: offline,
			Trace: tracing.Traceparent(ctx),
		},
	}
	if s.codes != nil {
		return s.keepCode(g)
	}
	return s.insert(ctx, tx, g)
}

// Trace makes the request of ctx, if it is traced, a part of the login that a grant is
// of.
func (s *Store) Trace(ctx context.Context, id string) {
	if !tracing.On(ctx) || id == "" {
		return
	}
	_ = s.DB.View(ctx, func(tx *db.Tx) error { // a grant that is not there has nothing to add
		g, err := s.ByID(ctx, tx, id)
		tracing.Continue(ctx, g.Trace)
		return err
	})
}

// end ends a grant for a reason, which is recorded, and all that it gave.
func end(ctx context.Context, tx *db.Tx, by audit.By, g Grant, why string) error {
	if err := endWhere(ctx, tx, by.At, `id = $1`, g.ID); err != nil {
		return err
	}
	return by.Record(ctx, tx, "grant.end", "client/"+g.ClientID, why)
}

// End ends a grant, with its sessions. Fault: NotFound.
func (s *Store) End(ctx context.Context, tx *db.Tx, by principal.Name, id string) error {
	g, err := s.ByID(ctx, tx, id)
	if err != nil {
		return err
	}
	return end(ctx, tx, audit.By{Actor: by, At: s.Now()}, g, "revoked")
}

// EndOfIdentity ends what an identity has granted, and returns how many
// refresh tokens that were.
func (s *Store) EndOfIdentity(ctx context.Context, tx *db.Tx, identityID string, now time.Time) (refresh int64, err error) {
	refresh, err = countRefresh(ctx, tx, identityID)
	if err != nil {
		return 0, err
	}
	s.forgetCodes(func(g Grant) bool { return g.IdentityID == identityID })
	return refresh, endWhere(ctx, tx, now, `identity_id = $1`, identityID)
}

// EndOfClient ends what was granted to a client.
func (s *Store) EndOfClient(ctx context.Context, tx *db.Tx, clientID string, now time.Time) error {
	s.forgetCodes(func(g Grant) bool { return g.ClientID == clientID })
	return endWhere(ctx, tx, now, `client_id = $1`, clientID)
}

// Continue lets a session begin from an ID token of a grant, if that has not
// ended, and keeps the grant as long, so that it can still end the session.
// Fault: Unauthenticated.
func Continue(ctx context.Context, tx *db.Tx, id string, until, now time.Time) error {
	there, err := keep(ctx, tx, id, until, now)
	if err == nil && !there {
		err = fault.New(fault.Unauthenticated, "could not verify token: the sign-in that it is of has been ended").
			Next("log in again with: pachctl auth login")
	}
	return err
}

// A refresh token is two random parts: one that all of a grant have, by which a
// replaced one is known for what it is, and one of its own. Its prefix lets
// secret scanners find one that got into the wrong place.
const refreshPrefix = "pach_refresh_"

func newFamily() string { return refreshPrefix + rand.Text() }

func newRefresh(family string) string { return family + "_" + rand.Text() }

// familyOf is the part that all refresh tokens of a grant have.
func familyOf(raw string) (family string, ok bool) {
	n := strings.LastIndexByte(raw, '_')
	return raw[:max(n, 0)], n > len(refreshPrefix) && strings.HasPrefix(raw, refreshPrefix)
}

// redeem makes of a grant, in memory, one that has been redeemed; it returns its
// first refresh token if it has one.
func (g *Grant) redeem(s *Server, now time.Time) (refresh string) {
	g.stage, g.Used, g.expires = redeemed, now, now.Add(s.TokensLive)
	if !g.Offline {
		return ""
	}
	family := newFamily()
	g.family = secret.Hash(family)
	return g.rotate(s, family, now)
}

// rotate replaces the refresh token of a grant, in memory.
func (g *Grant) rotate(s *Server, family string, now time.Time) (refresh string) {
	g.Refresh = newRefresh(family)
	g.previous, g.current, g.Used = g.current, secret.Hash(g.Refresh), now
	g.RefreshUntil = now.Add(unusedFor)
	if limit := g.Created.Add(s.RefreshLives); s.RefreshLives > 0 && limit.Before(g.RefreshUntil) {
		g.RefreshUntil = limit
	}
	for _, until := range []time.Time{g.RefreshUntil, now.Add(s.TokensLive)} {
		if until.After(g.expires) {
			g.expires = until
		}
	}
	return g.Refresh
}
