package txn

import (
	"context"
	"time"

	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

const (
	// maxOpen is how many transactions somebody may have, MaxRequests how many requests
	// one, and maxRequest how long each may be, in bytes.
	maxOpen     = 100
	MaxRequests = 1000
	maxRequest  = 64 << 10
)

// Request is a change that is to be made, and what it would answer.
type Request struct{ Request, Response []byte }

// Transaction is changes that are to be made together.
type Transaction struct {
	ID       string
	Owner    principal.Name // nobody while authentication is off
	Started  time.Time
	Version  int64 // the number of requests
	Requests []Request
}

func errNone(id string) error {
	return fault.New(fault.NotFound, "transaction %s not found", fault.Clean(id, 100)).
		Next("see what there is: pachctl list transaction; leave it with: pachctl stop transaction")
}

// Start begins a transaction. Fault: Exhausted.
func Start(ctx context.Context, tx *db.Tx, owner principal.Name, now time.Time) (Transaction, error) {
	have, err := count(ctx, tx, owner)
	if err != nil {
		return Transaction{}, err
	}
	if have >= maxOpen {
		return Transaction{}, fault.New(fault.Exhausted, "you have %d transactions that are neither finished nor deleted", have).
			Next("delete some: pachctl delete transaction")
	}
	t := Transaction{ID: graph.NewID(), Owner: owner, Started: now}
	return t, insert(ctx, tx, t)
}

// Get is a transaction of somebody; what others have is not there. Fault: NotFound.
func Get(ctx context.Context, tx *db.Tx, owner principal.Name, id string) (Transaction, error) {
	t, err := one(ctx, tx, id)
	if err != nil {
		return t, err
	}
	if t.Owner != owner {
		return Transaction{}, errNone(id)
	}
	t.Requests, err = requests(ctx, tx, id)
	return t, err
}

// List are the transactions of somebody, oldest first.
func List(ctx context.Context, tx *db.Tx, owner principal.Name) ([]Transaction, error) {
	all, err := of(ctx, tx, owner)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Requests, err = requests(ctx, tx, all[i].ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Append adds a request to a transaction as it was read. Faults: Conflict if another was
// added meanwhile; Exhausted, Invalid.
func Append(ctx context.Context, tx *db.Tx, t Transaction, r Request) error {
	if t.Version >= MaxRequests {
		return fault.New(fault.Exhausted, "transaction %s has %d requests, which is the most", t.ID, t.Version).
			Next("finish it, and do the rest in another")
	}
	if n := len(r.Request); n > maxRequest {
		return fault.New(fault.Invalid, "a request has %d bytes, and may have %d in a transaction", n, maxRequest).
			Next("make it outside of the transaction")
	}
	moved, err := bump(ctx, tx, t)
	if err != nil {
		return err
	}
	if !moved {
		return fault.New(fault.Conflict, "transaction %s was changed meanwhile", t.ID).Next("try again")
	}
	return add(ctx, tx, t.ID, t.Version, r)
}

// Delete forgets a transaction.
func Delete(ctx context.Context, tx *db.Tx, id string) error { return remove(ctx, tx, id) }
