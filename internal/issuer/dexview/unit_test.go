package dexview_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/issuer/loginctx"
)

// serve is one request of a login, in which Dex does what f does.
func (e env) serve(l *loginctx.Login, f func(ctx context.Context)) error {
	r := httptest.NewRequestWithContext(e.Context(), http.MethodGet, "/", nil)
	_, err := dexview.Serve(e.Context(), e.View, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) }), r, l, nil)
	return err
}

func (e env) grants() (n int64) {
	e.Helper()
	e.must(e.db.View(e.Context(), func(tx *db.Tx) error { return tx.Row(e.Context(), []any{&n}, `SELECT COUNT(*) FROM grants`) }))
	return n + int64(e.codes.Unredeemed())
}

func data(text string) func(storage.AuthRequest) (storage.AuthRequest, error) {
	return func(a storage.AuthRequest) (storage.AuthRequest, error) {
		a.ConnectorData = append(a.ConnectorData, text...)
		return a, nil
	}
}

func TestServe_WritesAtTheEnd(t *testing.T) {
	e := open(t)
	l := &loginctx.Login{}
	e.must(e.serve(l, func(ctx context.Context) {
		e.must(e.CreateAuthRequest(ctx, storage.AuthRequest{ID: "state", ConnectorID: "okta"}))
		e.must(e.UpdateAuthRequest(ctx, "state", data("+start")))
		if _, err := e.objects.GetAuthRequest(ctx, "state"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("stored before its end: %v", err)
		}
		if a, err := e.GetAuthRequest(ctx, "state"); err != nil || !strings.HasSuffix(string(a.ConnectorData), "+start") {
			t.Errorf("what Dex has written, Dex reads: %s, %v", a.ConnectorData, err)
		}
	}))
	e.must(e.serve(l, func(ctx context.Context) {
		if _, err := e.GetAuthRequest(ctx, "state"); err != nil {
			t.Error(err)
		}
		e.must(e.UpdateAuthRequest(ctx, "state", data("+back")))
		e.must(e.UpdateAuthRequest(ctx, "state", data("+again")))
	}))
	a, err := e.objects.GetAuthRequest(t.Context(), "state")
	if err != nil || !strings.HasSuffix(string(a.ConnectorData), "+start+back+again") {
		t.Errorf("stored: %s, %v", a.ConnectorData, err)
	}
}

// Two requests that end one login at once get one code.
func TestServe_EndsALoginOnce(t *testing.T) {
	e := open(t)
	e.must(e.objects.CreateAuthRequest(t.Context(), storage.AuthRequest{ID: "state", ConnectorID: "okta"}))
	end := func(ctx context.Context, code string) {
		if _, err := e.GetAuthRequest(ctx, "state"); err != nil {
			t.Error(err)
		}
		e.must(e.DeleteAuthRequest(ctx, "state"))
		e.must(e.CreateAuthCode(ctx, storage.AuthCode{ID: code, ConnectorID: "okta"}))
	}
	err := e.serve(nil, func(ctx context.Context) {
		end(ctx, "first")
		e.must(e.serve(nil, func(ctx context.Context) { end(ctx, "second") })) // has read it as well, and is quicker
	})
	if err == nil || !strings.Contains(err.Error(), "finished or cancelled before") || e.grants() != 1 {
		t.Errorf("%v, and %d grants", err, e.grants())
	}
}

// Requests of one login that are under way together, some of which change it and one
// of which has cancelled it at last, end it once.
func TestServe_EndsALoginOnceOfMany(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		e := openOn(t, d)
		for round := range 10 {
			id := fmt.Sprintf("state-%d", round)
			e.must(e.objects.CreateAuthRequest(t.Context(), storage.AuthRequest{ID: id, ConnectorID: "okta"}))
			var all, read sync.WaitGroup
			read.Add(8)
			var ended atomic.Int64
			for n := range 8 {
				all.Go(func() {
					err := e.serve(nil, func(ctx context.Context) {
						_, err := e.GetAuthRequest(ctx, id)
						read.Done()
						read.Wait()
						if err != nil {
							t.Error(err)
						}
						if n < 3 {
							err = e.UpdateAuthRequest(ctx, id, data("+"))
						} else if err = e.DeleteAuthRequest(ctx, id); n > 3 && err == nil {
							err = e.CreateAuthCode(ctx, storage.AuthCode{ID: fmt.Sprint(id, "-", n), ConnectorID: "okta"})
						}
						if err != nil {
							t.Error(err)
						}
					})
					if n >= 3 && err == nil {
						ended.Add(1)
					} else if err != nil && !strings.Contains(err.Error(), "finished or cancelled before") {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if ended.Load() != 1 || e.grants() > int64(round+1) {
				t.Errorf("ended %d times, %d grants of %d logins", ended.Load(), e.grants(), round+1)
			}
			if _, err := e.objects.GetAuthRequest(t.Context(), id); !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("a login that has ended is there: %v", err)
			}
		}
	})
}

func TestServe_StoresNothingThatWasRefused(t *testing.T) {
	e := open(t)
	l := &loginctx.Login{}
	e.must(e.serve(l, func(ctx context.Context) {
		e.must(e.CreateAuthRequest(ctx, storage.AuthRequest{ID: "state"}))
		e.must(e.CreateAuthCode(ctx, storage.AuthCode{ID: "code", ConnectorID: "okta"}))
		l.Err = errors.New("refused")
	}))
	if _, err := e.objects.GetAuthRequest(t.Context(), "state"); !errors.Is(err, storage.ErrNotFound) || e.grants() != 0 {
		t.Errorf("%v, and %d grants", err, e.grants())
	}
}

// A step that Dex sends the browser on to is served in the same transaction, as a browser
// would ask for it; not one of a login that was refused.
func TestServe_FollowsToTheNextStep(t *testing.T) {
	e := open(t)
	e.must(e.objects.CreateAuthRequest(t.Context(), storage.AuthRequest{ID: "state", ConnectorID: "okta"}))
	l := &loginctx.Login{}
	dex := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			e.must(e.UpdateAuthRequest(r.Context(), "state", data("+back")))
			w.Header().Set("Location", "/auth?req=state")
			w.WriteHeader(http.StatusSeeOther)
		case "/auth":
			if r.Method != http.MethodGet || r.FormValue("req") != "state" || r.FormValue("password") != "" || r.Header.Get("Content-Type") != "" {
				t.Errorf("the next step is %s %v, %v", r.Method, r.Form, r.Header)
			}
			if a, err := e.GetAuthRequest(r.Context(), "state"); err != nil || !strings.HasSuffix(string(a.ConnectorData), "+back") {
				t.Errorf("what was written before: %s, %v", a.ConnectorData, err)
			}
			e.must(e.DeleteAuthRequest(r.Context(), "state"))
			e.must(e.CreateAuthCode(r.Context(), storage.AuthCode{ID: "code", ConnectorID: "okta"}))
			_, _ = w.Write([]byte("the code"))
		}
	})
	login := func(follow bool) string {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/login", strings.NewReader("password=secret"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		e.must(r.ParseForm())
		ctx := e.WithUnit(t.Context())
		if _, err := e.GetAuthRequest(ctx, "state"); err != nil {
			t.Fatal(err)
		}
		rec, err := dexview.Serve(ctx, e.View, dex, r, l, func(to *url.URL) bool { return follow && to.Path == "/auth" })
		e.must(err)
		return rec.String()
	}
	l.Err = errors.New("refused")
	if body := login(true); body != "" || e.grants() != 0 {
		t.Errorf("of a refused login the next step was served: %s", body)
	}
	l.Err = nil
	if body := login(false); body != "" {
		t.Errorf("a step that is not to be followed was served: %s", body)
	}
	if body := login(true); body != "the code" || e.grants() != 1 {
		t.Errorf("the next step: %q, and %d grants", body, e.grants())
	}
	if _, err := e.objects.GetAuthRequest(t.Context(), "state"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("the auth request is still there: %v", err)
	}
}
