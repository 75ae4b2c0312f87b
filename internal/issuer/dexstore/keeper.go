package dexstore

import (
	"context"
	"slices"
	"strings"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/pending"
	"pachyderm/internal/limit"
)

// rows are sealed documents in the database.
type rows[T any] struct {
	kind[T]
	of *objects
}

func (r rows[T]) insert(ctx context.Context, id string, v T) error {
	body, err := r.seal(r.of, id, v)
	if err != nil {
		return err
	}
	return r.of.update(ctx, func(tx *db.Tx) error {
		return insertObject(ctx, tx, r.name, id, r.network(ctx), body, r.expiresAt(v))
	})
}

func (r rows[T]) read(ctx context.Context, id string) (v T, version int64, err error) {
	var body []byte
	err = r.of.view(ctx, func(tx *db.Tx) error {
		body, version, err = readObject(ctx, tx, r.name, id)
		return err
	})
	if err != nil {
		return v, 0, err
	}
	v, err = r.open(r.of, id, body)
	return v, version, err
}

func (r rows[T]) replace(ctx context.Context, id string, version int64, v T) (bool, error) {
	body, err := r.seal(r.of, id, v)
	if err != nil {
		return false, err
	}
	var n int64
	err = r.of.update(ctx, func(tx *db.Tx) error {
		n, err = replaceObject(ctx, tx, r.name, id, version, body, r.expiresAt(v))
		return err
	})
	return n == 1, err
}

func (r rows[T]) remove(ctx context.Context, id string) (bool, error) {
	var n int64
	err := r.of.update(ctx, func(tx *db.Tx) (err error) {
		n, err = deleteObject(ctx, tx, r.name, id)
		return err
	})
	return n > 0, err
}

// memory has the auth requests of the only process that there is: a restart forgets
// them, and their people start again.
type memory struct {
	*pending.Memory[storage.AuthRequest]
}

func (m memory) insert(ctx context.Context, id string, v storage.AuthRequest) error {
	i := item(v)
	i.Network = limit.NetworkOf(ctx)
	if !m.Create(id, i) {
		return fault.New(fault.Exists, "it exists already")
	}
	return nil
}

func (m memory) read(_ context.Context, id string) (storage.AuthRequest, int64, error) {
	v, version, ok := m.Get(id)
	if !ok {
		return v, 0, fault.New(fault.NotFound, "not found")
	}
	return v, version, nil
}

func (m memory) replace(_ context.Context, id string, version int64, v storage.AuthRequest) (bool, error) { //nolint:unparam // keeper's
	return m.Replace(id, version, item(v)), nil
}

func (m memory) remove(_ context.Context, id string) (bool, error) { return m.Delete(id), nil } //nolint:unparam // keeper's

// item weighs an auth request as its row would be, in which bytes are base64. Its texts
// are its own: a part of a request's address would keep all of that.
func item(v storage.AuthRequest) pending.Item[storage.AuthRequest] {
	c, size := &v.Claims, (len(v.ConnectorData)+len(v.HMACKey)+len(v.WebAuthnSessionData))*4/3
	for _, text := range []*string{
		&v.ID, &v.ClientID, &v.RedirectURI, &v.Nonce, &v.State, &v.Prompt, &v.ConnectorID, &v.PKCE.CodeChallenge, &v.PKCE.CodeChallengeMethod,
		&c.UserID, &c.Username, &c.PreferredUsername, &c.Email,
	} {
		*text = strings.Clone(*text)
		size += len(*text)
	}
	for _, texts := range []*[]string{&v.ResponseTypes, &v.Scopes, &c.Groups} {
		*texts = slices.Clone(*texts)
		for n, text := range *texts {
			(*texts)[n] = strings.Clone(text)
			size += len(text)
		}
	}
	v.ConnectorData = slices.Clip(v.ConnectorData) // nobody else's appends land in it
	return pending.Item[storage.AuthRequest]{Value: v, Size: size, Expires: v.Expiry}
}
