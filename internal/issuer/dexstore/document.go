package dexstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// maxAttempts bounds how often one update is tried again after losing to
// another; the updaters of Dex are short.
const maxAttempts = 200

// Store is Dex's storage on our database, each call in a transaction of its own.
// It is safe for concurrent use and for any number of replicas.
type Store struct{ storage.Storage }

// New makes a store.
func New(d *db.DB, sealer *secret.Sealer) Store {
	return Store{&objects{db: d, sealer: sealer, keys: idTokenKeys}}
}

// In is the store within a transaction.
func (s Store) In(tx *db.Tx) Store {
	o := s.Storage.(*objects)
	return Store{&objects{db: o.db, sealer: o.sealer, tx: tx, keys: o.keys}}
}

// AccessKeys is a store whose keys are those of access tokens.
func (s Store) AccessKeys() Store {
	o := s.Storage.(*objects)
	return Store{&objects{db: o.db, sealer: o.sealer, tx: o.tx, keys: accessTokenKeys}}
}

// objects implements Dex's interface.
type objects struct {
	db     *db.DB
	sealer *secret.Sealer
	tx     *db.Tx // nil: each call has a transaction of its own
	keys   string // the id of those that it has
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

// ofStrangers are the kinds that anybody can have made.
func ofStrangers() []string {
	return []string{authRequests.name}
}

// network is the one that an object of a stranger came from.
func (k kind[T]) network(ctx context.Context) string {
	if !slices.Contains(ofStrangers(), k.name) {
		return ""
	}
	return limit.NetworkOf(ctx)
}

// Pending are the objects of strangers, of each network.
func Pending() (all []limit.Pending) {
	for _, name := range ofStrangers() {
		all = append(all, limit.Pending{
			Count: func(ctx context.Context, tx *db.Tx) (map[string]int, error) { return countPending(ctx, tx, name) },
			DropOldest: func(ctx context.Context, tx *db.Tx, network string, keep int) error {
				return dropOldest(ctx, tx, name, network, keep)
			},
		})
	}
	return all
}

func (k kind[T]) create(ctx context.Context, s *objects, v T) error {
	return k.createAs(ctx, s, k.id(v), v)
}

func (k kind[T]) createAs(ctx context.Context, s *objects, id string, v T) error {
	body, err := k.seal(s, id, v)
	if err != nil {
		return err
	}
	return sentinel(s.update(ctx, func(tx *db.Tx) error {
		return insertObject(ctx, tx, k.name, id, k.network(ctx), body, k.expiresAt(v))
	}))
}

func (k kind[T]) get(ctx context.Context, s *objects, id string) (T, error) {
	v, _, err := k.read(ctx, s, id)
	return v, err
}

func (k kind[T]) read(ctx context.Context, s *objects, id string) (v T, version int64, err error) {
	var body []byte
	err = s.view(ctx, func(tx *db.Tx) error {
		body, version, err = readObject(ctx, tx, k.name, id)
		return err
	})
	if err != nil {
		return v, 0, sentinel(err)
	}
	v, err = k.open(s, id, body)
	return v, version, err
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
	return s.update(ctx, func(tx *db.Tx) error {
		n, err := deleteObject(ctx, tx, k.name, id)
		if err == nil && n == 0 {
			return storage.ErrNotFound
		}
		return err
	})
}

// update reads, changes and writes back if nobody else did meanwhile. The
// updater runs outside of any transaction: Dex's may call an identity provider
// or the store again.
func (k kind[T]) update(ctx context.Context, s *objects, id string, update updater[T]) error {
	for attempt := range maxAttempts {
		old, version, err := k.read(ctx, s, id)
		if err != nil {
			return err
		}
		changed, err := update(old)
		if err != nil {
			return err
		}
		won, err := k.replace(ctx, s, id, version, changed)
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

func (k kind[T]) replace(ctx context.Context, s *objects, id string, version int64, v T) (bool, error) {
	body, err := k.seal(s, id, v)
	if err != nil {
		return false, err
	}
	var n int64
	err = s.update(ctx, func(tx *db.Tx) error {
		n, err = replaceObject(ctx, tx, k.name, id, version, body, k.expiresAt(v))
		return err
	})
	return n == 1, err
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
