package graph

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
)

// Topic is what db.Watch calls a change of commits.
const Topic = "commit"

// TopicKey is the key of a change of commits of a repository, or of one beside it.
func TopicKey(r Repo) string { return r.Project + "/" + r.Name }

// Change is what one transaction does to the graph.
type Change struct {
	tx *db.Tx
	by audit.By
	// ID is the global id of every commit that the change makes.
	ID string
	// Sees says which repositories may be named to whoever makes the change; nil is all.
	Sees func(Repo) bool

	touched  map[int64]bool // branches whose head has changed or whose provenance has
	finished map[int64]bool // commits that have finished, for triggers
}

// NewID makes a global id.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return hex.EncodeToString(b[:])
}

// newKey makes the key of a row.
func newKey() int64 {
	var b [8]byte
	_, _ = rand.Read(b[:])                             // never fails
	return int64(binary.BigEndian.Uint64(b[:])>>1) | 1 // 63 bits, and not 0
}

// Update makes a change: what f does and what follows from it, or nothing. f may run
// again, so that it has no effect but on the Change.
func Update(ctx context.Context, d *db.DB, by audit.By, f func(*Change) error) error {
	id := NewID()
	return d.Update(ctx, func(tx *db.Tx) error { return In(ctx, tx, by, id, f) })
}

// In is Update within the caller's transaction, with the global id that its commits get.
func In(ctx context.Context, tx *db.Tx, by audit.By, id string, f func(*Change) error) error {
	c := &Change{tx: tx, by: by, ID: id, touched: map[int64]bool{}, finished: map[int64]bool{}}
	if err := f(c); err != nil {
		return err
	}
	return c.end(ctx)
}

// Tx is the transaction of the change.
func (c *Change) Tx() *db.Tx { return c.tx }

func (c *Change) now() time.Time { return c.by.At }

// creator is who is said to have made something: nobody while authentication is off.
func (c *Change) creator() string { return c.by.Actor.String() }

// changed wakes whoever waits for commits of a repository.
func (c *Change) changed(ctx context.Context, r Repo) error {
	return c.tx.Changed(ctx, Topic, TopicKey(r))
}

// named is how a branch is called in what the maker of the change is told.
func (c *Change) named(b Branch) string {
	if c.Sees == nil || c.Sees(b.Repo) {
		return b.String()
	}
	return "one that you may not see"
}
