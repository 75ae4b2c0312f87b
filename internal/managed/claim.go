package managed

import (
	"context"
	"time"

	"pachyderm/internal/db"
)

// replicaGone is how long a replica that says nothing counts as one that is there.
const replicaGone = 30 * time.Second

// Claimant is a replica that wants its declaration to hold.
type Claimant struct {
	Replica string
	Digest  string // of the declaration; empty for one of nothing
	// Older says that another declaration has replaced this one while this process ran.
	Older bool
	Now   time.Time
}

// Claim is what comes of it.
type Claim struct {
	Mine   bool        // it holds
	Noted  bool        // others know of the replica now
	Last   Declaration // the one that holds if it is not
	Others []string    // replicas with that
}

// Claim makes a declaration the one that holds, if it may. One that has held before
// does not come back while others are there that have the one that does: a replica
// with an old file would undo what the new ones do. One that is started when they
// have gone, as after a rollback, brings it back.
func (c Claimant) Claim(ctx context.Context, tx *db.Tx) (got Claim, err error) {
	if got.Last, err = last(ctx, tx); err != nil {
		return got, err
	}
	if got.Last.Number == 0 && c.Digest == "" { // nothing is declared, nor ever was
		got.Mine = true
		return got, nil
	}
	got.Noted = true
	if err := seen(ctx, tx, c.Replica, c.Digest, c.Now); err != nil {
		return got, err
	}
	if got.Mine = got.Last.Digest == c.Digest && got.Last.Number > 0; got.Mine {
		return got, nil
	}
	held, err := hasHeld(ctx, tx, c.Digest)
	if err != nil {
		return got, err
	}
	if got.Others, err = othersWith(ctx, tx, got.Last.Digest, c.Replica, c.Now); err != nil {
		return got, err
	}
	if got.Mine = !c.Older && (!held || len(got.Others) == 0); !got.Mine {
		return got, nil
	}
	return got, hold(ctx, tx, Declaration{Number: got.Last.Number + 1, Digest: c.Digest, AppliedBy: c.Replica, AppliedAt: c.Now})
}
