package logout

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/signing"
	"pachyderm/internal/secret/secrettest"
)

// outbox is a sender with real keys, a clock that stands, and one application.
type outbox struct {
	*Sender
	t      *testing.T
	clock  time.Time
	log    bytes.Buffer
	uri    string
	status atomic.Int64 // that the application answers
	heard  atomic.Int64 // how often it was told
}

func each(t *testing.T, f func(o *outbox)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		sealer := secrettest.Sealer(t, d)
		o := &outbox{t: t, clock: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)}
		objects, now := dexstore.New(d, sealer), func() time.Time { return o.clock }
		keys, err := signing.New(t.Context(), objects, "ES256", now, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		t.Cleanup(stop)
		keys.Start(ctx)
		app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			o.heard.Add(1)
			if strings.Count(r.PostFormValue("logout_token"), ".") != 2 {
				t.Errorf("no logout token in %v", r.PostForm)
			}
			w.WriteHeader(int(o.status.Load()))
		}))
		t.Cleanup(app.Close)
		o.uri = app.URL
		o.Sender = NewSender(Sender{
			DB: d, Log: slog.New(slog.NewTextHandler(&o.log, nil)), Now: now, Client: app.Client(),
			Issuer: func() jws.Issuer {
				return jws.Issuer{Name: "https://pach.example.com", Signer: keys, Keys: keys.For, Now: now}
			},
		})
		f(o)
	})
}

func (o *outbox) update(f func(tx *db.Tx) error) {
	o.t.Helper()
	if err := o.DB.Update(o.t.Context(), f); err != nil {
		o.t.Fatal(err)
	}
}

func (o *outbox) ended(client, grant string) {
	o.t.Helper()
	o.update(func(tx *db.Tx) error { return Notify(o.t.Context(), tx, client, grant, "identity", o.clock) })
}

func (o *outbox) listens(client string) {
	o.t.Helper()
	o.update(func(tx *db.Tx) error { return SetURI(o.t.Context(), tx, client, o.uri) })
}

// sends runs one round, in which the application is to hear so much.
func (o *outbox) sends(want int64) (wait time.Duration) {
	o.t.Helper()
	before := o.heard.Load()
	wait, err := o.round(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	if got := o.heard.Load() - before; got != want {
		o.t.Errorf("at %s it was told %d times, not %d", o.clock, got, want)
	}
	return wait
}

func TestSender_OnlyWhoListensAndOnce(t *testing.T) {
	each(t, func(o *outbox) {
		o.status.Store(http.StatusOK)
		o.listens("app")
		o.ended("app", "one")
		o.ended("app", "one")
		o.ended("app", "two")
		o.ended("deaf", "three")
		o.sends(2)
		o.clock = o.clock.Add(time.Hour)
		if wait := o.sends(0); wait != time.Hour {
			t.Errorf("with nothing to do it waits %s", wait)
		}
		o.ended("app", "four")
		o.update(func(tx *db.Tx) error { return SetURI(t.Context(), tx, "app", "") }) // it is deleted, and hears of its last
		o.ended("app", "five")
		o.sends(1)
	})
}

func TestSender_TriesAgainForADay(t *testing.T) {
	each(t, func(o *outbox) {
		o.status.Store(http.StatusBadGateway)
		o.listens("app")
		o.ended("app", "one")
		if wait := o.sends(1); wait != 5*time.Second {
			t.Errorf("after the first attempt it waits %s", wait)
		}
		o.clock = o.clock.Add(4 * time.Second)
		o.sends(0)
		o.clock = o.clock.Add(time.Second)
		if wait := o.sends(1); wait != 10*time.Second {
			t.Errorf("after the second attempt it waits %s", wait)
		}
		o.clock = o.clock.Add(24 * time.Hour)
		o.sends(1) // the last
		o.clock = o.clock.Add(24 * time.Hour)
		o.sends(0)
		if n := strings.Count(o.log.String(), "given_up=true"); n != 1 {
			t.Errorf("given up %d times: %s", n, &o.log)
		}
	})
}

// What another replica has claimed is left alone until it must have failed.
func TestSender_OneReplicaSends(t *testing.T) {
	each(t, func(o *outbox) {
		o.status.Store(http.StatusNoContent)
		o.listens("app")
		o.ended("app", "one")
		o.update(func(tx *db.Tx) error {
			_, err := claim(t.Context(), tx, o.clock, o.clock.Add(leaseFor))
			return err
		})
		o.sends(0)
		o.clock = o.clock.Add(leaseFor)
		o.sends(1)
	})
}
