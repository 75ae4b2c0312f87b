package dexview

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/web"
	"pachyderm/internal/web/record"
)

// unit is what one HTTP request of a login writes: Dex writes in several steps, which
// become one transaction, at the end of the request and before the browser hears of
// it. A power cut may lose it, and the person starts again: nothing has been
// acknowledged but to the browser that is on its way.
type unit struct {
	view *View

	request *storage.AuthRequest // as Dex sees it, once it was read or made
	made    bool                 // by this unit
	steps   []step
	codes   []func(ctx context.Context, tx *db.Tx) error // are made last
}

// step is a part of what is written.
type step struct {
	do func(ctx context.Context, tx *db.Tx) error
	// request is what it makes or changes; ending that leaves nothing to do.
	request string
}

type unitKey struct{}

// WithUnit gives the context of a request whose writes wait for its end.
func (v *View) WithUnit(ctx context.Context) context.Context {
	if unitOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, unitKey{}, &unit{view: v})
}

// Serve has Dex serve a request of a login, nil if it is not known yet, and stores what
// Dex wrote before anybody reads the response. Where Dex sends the browser on to the
// login's next step, follow says whether that is served as well, in the same
// transaction, in place of a request of its own. Nothing is stored of a login that was
// refused.
func Serve(ctx context.Context, v *View, h http.Handler, r *http.Request, l *loginctx.Login, follow func(step *url.URL) bool,
) (*record.Recorder, error) {
	ctx = v.WithUnit(ctx)
	if l != nil {
		ctx = loginctx.NewContext(ctx, l)
	}
	rec := record.Of(h, r.WithContext(ctx))
	if to := rec.Redirect(); to != nil && (l == nil || l.Err == nil) && follow != nil && follow(to) {
		rec = record.Of(h, record.Follow(r.WithContext(ctx), to))
	}
	if l != nil && l.Err != nil {
		return rec, nil //nolint:nilerr // the login says why itself
	}
	err := unitOf(ctx).commit(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		err = ErrLoginOver()
	}
	return rec, err
}

// ErrLoginOver is for a login that is not there any more.
func ErrLoginOver() error {
	return web.Problem{
		Status: http.StatusBadRequest, Title: "This sign-in is over",
		What: "It was finished or cancelled before, or it took longer than half an hour.",
		Next: "Start again where you came from, for example with: pachctl auth login",
	}
}

func unitOf(ctx context.Context) *unit {
	u, _ := ctx.Value(unitKey{}).(*unit)
	return u
}

// commit writes all of it, or nothing. Error: storage.ErrNotFound for a login that
// another request has ended meanwhile.
func (u *unit) commit(ctx context.Context) error {
	if len(u.steps)+len(u.codes) == 0 {
		return nil
	}
	if u.view.with.DB.Alone() {
		// All of it is in memory. What can fail is that the login has ended, and then what
		// was done to it has ended with it.
		return u.write(ctx, nil)
	}
	update := u.view.with.DB.UpdateUnsynced
	if u.made && len(u.steps) == 1 && len(u.codes) == 0 { // an auth request is inserted
		update = u.view.with.DB.UpdateOne
	}
	return update(ctx, func(tx *db.Tx) error { return u.write(ctx, tx) })
}

func (u *unit) write(ctx context.Context, tx *db.Tx) error {
	for _, step := range u.steps {
		if err := step.do(ctx, tx); err != nil {
			return err
		}
	}
	for _, code := range u.codes {
		if err := code(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// later is done by commit to an auth request.
func (u *unit) later(id string, do func(ctx context.Context, objects dexstore.Store) error) {
	u.steps = append(u.steps, step{func(ctx context.Context, tx *db.Tx) error { return do(ctx, u.view.with.Objects.In(tx)) }, id})
}

// has is the auth request of that id, if the unit knows it.
func (u *unit) has(id string) bool { return u != nil && u.request != nil && u.request.ID == id }

func (u *unit) create(a storage.AuthRequest) {
	u.request, u.made = &a, true
	// What is changed before the end is changed in what is made.
	u.later(a.ID, func(ctx context.Context, objects dexstore.Store) error {
		return objects.CreateAuthRequest(ctx, *u.request)
	})
}

// GetAuthRequest reads it once in a request.
func (v *View) GetAuthRequest(ctx context.Context, id string) (storage.AuthRequest, error) {
	u := unitOf(ctx)
	if u.has(id) {
		return *u.request, nil
	}
	a, err := v.Storage.GetAuthRequest(ctx, id)
	if u != nil && err == nil {
		u.request = &a
	}
	return a, err
}

// UpdateAuthRequest is one of what is stored by then, where the unit did not make it.
func (v *View) UpdateAuthRequest(ctx context.Context, id string, update func(storage.AuthRequest) (storage.AuthRequest, error)) error {
	update = proved(ctx, update)
	u := unitOf(ctx)
	if !u.has(id) {
		return v.Storage.UpdateAuthRequest(ctx, id, update)
	}
	changed, err := update(*u.request)
	if err != nil {
		return err
	}
	u.request = &changed
	if !u.made {
		u.later(id, func(ctx context.Context, objects dexstore.Store) error {
			return objects.UpdateAuthRequest(ctx, id, update)
		})
	}
	return nil
}

// proved has a login say when its person proved who they are: Dex takes the time at
// which they came back for it, whatever the provider remembered.
func proved(ctx context.Context, update func(storage.AuthRequest) (storage.AuthRequest, error),
) func(storage.AuthRequest) (storage.AuthRequest, error) {
	return func(was storage.AuthRequest) (storage.AuthRequest, error) {
		a, err := update(was)
		if l := loginctx.FromContext(ctx); l != nil && !a.AuthTime.Equal(was.AuthTime) {
			a.AuthTime = l.Proved
		}
		return a, err
	}
}

// DeleteAuthRequest ends a login, once.
func (v *View) DeleteAuthRequest(ctx context.Context, id string) error {
	u := unitOf(ctx)
	if !u.has(id) {
		return v.Storage.DeleteAuthRequest(ctx, id)
	}
	u.request = nil
	u.steps = slices.DeleteFunc(u.steps, func(s step) bool { return s.request == id })
	if !u.made {
		u.later("", func(ctx context.Context, objects dexstore.Store) error { return objects.DeleteAuthRequest(ctx, id) })
	}
	return nil
}
