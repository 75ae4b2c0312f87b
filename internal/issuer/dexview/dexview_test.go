package dexview_test

import (
	"errors"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/secret/secrettest"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// env is a view, and what it looks at.
type env struct {
	*dexview.View
	*testing.T
	db      *db.DB
	objects dexstore.Store
	codes   *grant.Store
	clock   *time.Time
}

func open(t *testing.T) env { return openOn(t, dbtest.SQLite(t)) }

func openOn(t *testing.T, d *db.DB) env {
	t.Helper()
	sealer := secrettest.Sealer(t, d)
	clock := now
	objects, time := dexstore.New(d, sealer), func() time.Time { return clock }
	grants := grant.NewStore(d, sealer, time)
	r := registry.New(registry.Config{DB: d, Sealer: sealer, Objects: objects, Grants: grants, Now: time, Own: func() storage.Client {
		return storage.Client{ID: "own", RedirectURIs: []string{"/built-in"}}
	}})
	e := env{T: t, db: d, objects: objects, codes: grants, clock: &clock}
	e.View = dexview.New(dexview.Config{
		DB: d, Objects: e.objects, Registry: r, Providers: upstream.New(d, r, time, nil, trace.New(trace.Config{Now: time}), sealer), Grants: grants, Now: time,
		BuiltIn: func(id string) (storage.Client, bool) {
			return storage.Client{ID: id, Name: "built in", RedirectURIs: []string{"/built-in"}}, id == "fixed"
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

// A code is not kept as Dex would, and neither is what it would refresh with.
func TestCreateAuthCode_BeginsAGrant(t *testing.T) {
	e := open(t)
	e.must(e.CreateAuthCode(t.Context(), storage.AuthCode{ID: "the-code", ConnectorID: "okta", Expiry: now.Add(30 * time.Minute)}))
	if _, err := e.objects.GetAuthCode(t.Context(), "the-code"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Dex's own: %v", err)
	}
	if n := e.grants(); n != 1 {
		t.Errorf("%d grants", n)
	}
	e.must(e.CreateOfflineSessions(t.Context(), storage.OfflineSessions{UserID: "u", ConnID: "okta"}))
	if _, err := e.objects.GetOfflineSessions(t.Context(), "u", "okta"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Dex's offline session: %v", err)
	}
}

// What Dex makes outside of our handlers has no browser that it is bound to.
func TestCreateAuthRequest_OutsideOfALogin(t *testing.T) {
	if err := open(t).CreateAuthRequest(t.Context(), storage.AuthRequest{ID: "state"}); err == nil {
		t.Error("it was made")
	}
}
