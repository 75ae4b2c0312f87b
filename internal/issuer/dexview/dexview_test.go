package dexview_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/secret"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// env is a view, and what it looks at.
type env struct {
	storage.Storage
	*testing.T
	db      *db.DB
	objects dexstore.Store
	clock   *time.Time
}

func open(t *testing.T) env {
	t.Helper()
	d := dbtest.SQLite(t)
	sealer, err := secret.OpenFor(t.Context(), d, filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	clock := now
	e := env{T: t, db: d, objects: dexstore.New(d, sealer), clock: &clock}
	e.Storage = dexview.New(dexview.Config{
		Objects: e.objects, DB: d, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return clock },
		BuiltIn: func(id string) (c storage.Client, fixed, ok bool) {
			return storage.Client{ID: id, Name: "built in", RedirectURIs: []string{"/built-in"}}, id == "fixed", id == "fixed" || id == "own"
		},
	})
	return e
}

func (e env) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func TestGetClient_BuiltIn(t *testing.T) {
	for name, c := range map[string]struct {
		id         string
		registered []string // redirect URIs, if it is
		want       []string // nil if it is not there
	}{
		"fixed":                       {"fixed", nil, []string{"/built-in"}},
		"fixed, whoever registers it": {"fixed", []string{"https://evil.example.com"}, []string{"/built-in"}},
		"pachd itself":                {"own", nil, []string{"/built-in"}},
		"pachd itself, registered":    {"own", []string{"/another"}, []string{"/another", "/built-in"}},
		"registered as it is":         {"own", []string{"/built-in"}, []string{"/built-in"}},
		"an application":              {"app", []string{"/app"}, []string{"/app"}},
		"nobody":                      {"app", nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			e := open(t)
			if c.registered != nil {
				e.must(e.objects.CreateClient(t.Context(), storage.Client{ID: c.id, RedirectURIs: c.registered}))
			}
			got, err := e.GetClient(t.Context(), c.id)
			if c.want == nil && !errors.Is(err, storage.ErrNotFound) || c.want != nil && err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.RedirectURIs); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreateAuthCode_LivesForAMinute(t *testing.T) {
	e := open(t)
	for id, given := range map[string]time.Duration{"long": 30 * time.Minute, "short": 20 * time.Second} {
		e.must(e.CreateAuthCode(t.Context(), storage.AuthCode{ID: id, Expiry: now.Add(given)}))
		stored, err := e.objects.GetAuthCode(t.Context(), id)
		if want := min(given, time.Minute); err != nil || !stored.Expiry.Equal(now.Add(want)) {
			t.Errorf("%s lives until %s, %v", id, stored.Expiry, err)
		}
	}
}

// A code and a refresh token of somebody who may not sign in, or by a connector
// that is not the client's, do not exist.
func TestGate_CodeAndRefreshToken(t *testing.T) {
	e := open(t)
	who, err := identity.SignedIn(t.Context(), e.db, identity.SignIn{
		ConnectorID: "okta", Instance: "i", Issuer: "https://id.example.com", Subject: "s", Email: "alice@example.com",
		TokenSub:  func(id string) (string, error) { return id, nil },
		Connected: func(context.Context, *db.Tx) (bool, error) { return true, nil },
	}, now)
	e.must(err)
	e.must(e.objects.CreateClient(t.Context(), storage.Client{ID: "app"}))
	e.must(e.objects.CreateClient(t.Context(), storage.Client{ID: "other", AllowedConnectors: []string{"github"}}))
	grants := func(client, person string) (code, refresh error) {
		id := client + "/" + person
		claims := storage.Claims{UserID: person}
		e.must(e.objects.CreateAuthCode(t.Context(), storage.AuthCode{
			ID: id, ClientID: client, ConnectorID: "okta", Claims: claims, Expiry: now.Add(time.Minute),
		}))
		e.must(e.objects.CreateRefresh(t.Context(), storage.RefreshToken{ID: id, ClientID: client, ConnectorID: "okta", Claims: claims}))
		_, code = e.GetAuthCode(t.Context(), id)
		_, refresh = e.GetRefresh(t.Context(), id)
		e.must(e.objects.DeleteAuthCode(t.Context(), id))
		e.must(e.objects.DeleteRefresh(t.Context(), id))
		return code, refresh
	}
	want := func(name, client, person string, good bool) {
		t.Helper()
		code, refresh := grants(client, person)
		for what, err := range map[string]error{"code": code, "refresh token": refresh} {
			if good && err != nil || !good && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s of %s: %v", what, name, err)
			}
		}
	}
	want("alice", "app", who.ID, true)
	want("alice, by a connector that is not the client's", "other", who.ID, false)
	want("nobody", "app", "", false)
	want("a stranger", "app", "nosuch", false)
	e.must(e.db.Update(t.Context(), func(tx *db.Tx) error {
		_, err := identity.EndInstance(t.Context(), tx, "i")
		return err
	}))
	want("alice, whose connector is gone", "app", who.ID, false)
}

func TestGetKeys_InMemoryUntilTheyRotate(t *testing.T) {
	e := open(t)
	set := func(next time.Time) {
		t.Helper()
		e.must(e.objects.UpdateKeys(t.Context(), func(storage.Keys) (storage.Keys, error) { return storage.Keys{NextRotation: next}, nil }))
	}
	for _, step := range []struct {
		set, want time.Time
		later     time.Duration
	}{
		{set: now.Add(-time.Hour), want: now.Add(-time.Hour)}, // due: read each time
		{set: now.Add(time.Hour), want: now.Add(time.Hour)},
		{set: now.Add(2 * time.Hour), want: now.Add(time.Hour)}, // kept
		{set: now.Add(3 * time.Hour), want: now.Add(3 * time.Hour), later: time.Hour},
	} {
		*e.clock = now.Add(step.later)
		set(step.set)
		if k, err := e.GetKeys(t.Context()); err != nil || !k.NextRotation.Equal(step.want) {
			t.Errorf("keys until %s, %v; want %s", k.NextRotation, err, step.want)
		}
	}
}

func TestCreateDeviceRequest_KeepsWhoAsks(t *testing.T) {
	e := open(t)
	d := storage.DeviceRequest{UserCode: "BCDF-GHJK", DeviceCode: "code", ClientID: "app", Expiry: now.Add(time.Minute)}
	if err := e.CreateDeviceRequest(t.Context(), d); err == nil {
		t.Error("nobody asked, and a request was made")
	}
	e.must(e.CreateDeviceRequest(dexview.Asking(t.Context(), device.Asker{Name: "root@build-7", Address: "192.0.2.7"}), d))
	e.must(e.db.View(t.Context(), func(tx *db.Tx) error {
		r, err := device.ByUserCode(t.Context(), tx, d.UserCode, now)
		if r.Name != "root@build-7" || r.Address != "192.0.2.7" || r.ClientID != "app" {
			t.Errorf("got %+v", r)
		}
		return err
	}))
	if stored, err := e.objects.GetDeviceRequest(t.Context(), d.UserCode); err != nil || stored.ClientID != "app" {
		t.Errorf("Dex's own: %+v, %v", stored, err)
	}
	e.must(e.db.View(t.Context(), func(tx *db.Tx) error {
		if _, err := device.ByUserCode(t.Context(), tx, d.UserCode, now.Add(time.Hour)); !fault.Is(err, fault.NotFound) {
			t.Errorf("after its end: %v", err)
		}
		return nil
	}))
}

// What Dex makes outside of our handlers has no browser that it is bound to.
func TestCreateAuthRequest_OutsideOfALogin(t *testing.T) {
	if err := open(t).CreateAuthRequest(t.Context(), storage.AuthRequest{ID: "state"}); err == nil {
		t.Error("it was made")
	}
}
