package dexstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/pending"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// maxAttempts bounds how often one update is tried again after losing to
// another; the updaters of Dex are short.
const maxAttempts = 200

// Store is Dex's storage on our database, each call in a transaction of its own.
// It is safe for concurrent use and for any number of replicas.
type Store struct{ storage.Storage }

// pendingBytes is how much auth requests may take in memory.
const pendingBytes = 32 << 20

// New makes a store. Where no other process has the database, it keeps auth requests in
// memory.
func New(d *db.DB, sealer *secret.Sealer) Store {
	o := &objects{db: d, sealer: sealer, keys: idTokenKeys}
	if d.Alone() {
		o.requests = pending.New[storage.AuthRequest](pendingBytes)
	}
	return Store{o}
}

// In is the store within a transaction. What it keeps in memory is no part of that.
func (s Store) In(tx *db.Tx) Store {
	o := *s.Storage.(*objects)
	o.tx = tx
	return Store{&o}
}

// AccessKeys is a store whose keys are those of access tokens.
func (s Store) AccessKeys() Store {
	o := *s.Storage.(*objects)
	o.keys = accessTokenKeys
	return Store{&o}
}

// objects implements Dex's interface.
type objects struct {
	db     *db.DB
	sealer *secret.Sealer
	tx     *db.Tx // nil: each call has a transaction of its own
	keys   string // the id of those that it has
	// requests are the auth requests, where no other process needs to know them; nil
	// where they are rows.
	requests *pending.Memory[storage.AuthRequest]
}

// view is for one statement.
func (s *objects) view(ctx context.Context, f func(*db.Tx) error) error {
	if s.tx != nil {
		return f(s.tx)
	}
	return s.db.ViewOne(ctx, f)
}

func (s *objects) update(ctx context.Context, f func(*db.Tx) error) error {
	if s.tx != nil {
		return f(s.tx)
	}
	return s.db.Update(ctx, f)
}

// Close does nothing: the database belongs to pachd.
func (s *objects) Close() error { return nil }

// kind names a type of object, and how its documents are keyed and how long
// they live.
type kind[T any] struct {
	name   string
	id     func(T) string
	expiry func(T) time.Time // nil: for ever
}

func (k kind[T]) place(id string) string { return "dex/" + k.name + "/" + id }

func (k kind[T]) expiresAt(v T) any {
	if k.expiry == nil {
		return nil
	}
	return db.Micros(k.expiry(v))
}

func (k kind[T]) seal(s *objects, id string, v T) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", k.name, err)
	}
	return s.sealer.Seal(plain, k.place(id))
}

func (k kind[T]) open(s *objects, id string, body []byte) (v T, err error) {
	plain, err := s.sealer.Open(body, k.place(id))
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(plain, &v); err != nil {
		return v, fmt.Errorf("decode %s: %w", k.name, err)
	}
	return v, nil
}

// network is the one that an object of a stranger came from: an auth request, which
// anybody can have made.
func (k kind[T]) network(ctx context.Context) string {
	if k.name != authRequests.name {
		return ""
	}
	return limit.NetworkOf(ctx)
}

// Pending are the auth requests, of each network.
func (s Store) Pending() limit.Pending {
	if m := s.Storage.(*objects).requests; m != nil {
		return limit.Pending{
			Count: func(context.Context, *db.Tx) (map[string]int, error) { return m.Counts(), nil },
			DropOldest: func(_ context.Context, _ *db.Tx, network string, keep int) error {
				m.DropOldest(network, keep)
				return nil
			},
		}
	}
	return limit.Pending{
		Count: func(ctx context.Context, tx *db.Tx) (map[string]int, error) {
			return countPending(ctx, tx, authRequests.name)
		},
		DropOldest: func(ctx context.Context, tx *db.Tx, network string, keep int) error {
			return dropOldest(ctx, tx, authRequests.name, network, keep)
		},
	}
}

// keeper is where the documents of a kind are: in rows, or in memory.
type keeper[T any] interface {
	// insert is a fault.Exists for an id that has one.
	insert(ctx context.Context, id string, v T) error
	// read is a fault.NotFound if there is none; the version is for replace.
	read(ctx context.Context, id string) (v T, version int64, err error)
	// replace changes nothing, and is false, unless the document is still of that version.
	replace(ctx context.Context, id string, version int64, v T) (bool, error)
	// remove is false if there is none.
	remove(ctx context.Context, id string) (bool, error)
}

func (k kind[T]) in(s *objects) keeper[T] {
	if s.requests != nil {
		if m, ok := any(memory{s.requests}).(keeper[T]); ok && k.name == authRequests.name {
			return m
		}
	}
	return rows[T]{k, s}
}

func (k kind[T]) create(ctx context.Context, s *objects, v T) error {
	return k.createAs(ctx, s, k.id(v), v)
}

func (k kind[T]) createAs(ctx context.Context, s *objects, id string, v T) error {
	return sentinel(k.in(s).insert(ctx, id, v))
}

func (k kind[T]) get(ctx context.Context, s *objects, id string) (T, error) {
	v, _, err := k.in(s).read(ctx, id)
	return v, sentinel(err)
}

func (k kind[T]) list(ctx context.Context, s *objects) ([]T, error) {
	rows, err := db.All(ctx, s.view, func(ctx context.Context, tx *db.Tx, p db.Page) ([]object, string, error) {
		return listObjects(ctx, tx, k.name, p)
	})
	if err != nil {
		return nil, err
	}
	all := make([]T, len(rows))
	for n, r := range rows {
		if all[n], err = k.open(s, r.id, r.body); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (k kind[T]) delete(ctx context.Context, s *objects, id string) error {
	there, err := k.in(s).remove(ctx, id)
	if err == nil && !there {
		return storage.ErrNotFound
	}
	return err
}

// update reads, changes and writes back if nobody else did meanwhile. The
// updater runs outside of any transaction: Dex's may call an identity provider
// or the store again.
func (k kind[T]) update(ctx context.Context, s *objects, id string, update updater[T]) error {
	for attempt := range maxAttempts {
		old, version, err := k.in(s).read(ctx, id)
		if err != nil {
			return sentinel(err)
		}
		changed, err := update(old)
		if err != nil {
			return err
		}
		won, err := k.in(s).replace(ctx, id, version, changed)
		if won || err != nil {
			return err
		}
		if err := db.Pause(ctx, attempt); err != nil {
			return err
		}
	}
	return fault.New(fault.Unavailable, "too many changes to one %s at once", k.name).
		Next("try again")
}

// sentinel gives Dex the error values that it compares with ==.
func sentinel(err error) error {
	switch {
	case err == nil || errors.Is(err, storage.ErrNotFound):
		return err
	case fault.Is(err, fault.NotFound):
		return storage.ErrNotFound
	case fault.Is(err, fault.Exists):
		return storage.ErrAlreadyExists
	}
	return err
}

// Sealed says where the bodies are.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "dex_objects", Column: "body", Key: []string{"kind", "id"},
		Place: func(key []string) string { return kind[any]{name: key[0]}.place(key[1]) },
	}
}
