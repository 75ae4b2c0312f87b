package device_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/secret"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestCleanName(t *testing.T) {
	for given, want := range map[string]string{
		"alice@laptop":                  "alice@laptop",
		"  alice@laptop\n":              "alice@laptop",
		"a\x00b\x1b[31mc":               "ab[31mc",
		"safe\u202egnp.exe":             "safegnp.exe",
		"a\u200bb":                      "ab",
		strings.Repeat("é", 150):        strings.Repeat("é", 100) + "...",
		strings.Repeat("\u200b", 150):   "",
		"<script>alert(1)</script> & o": "<script>alert(1)</script> & o", // the template escapes it
	} {
		if got := device.CleanName(given); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
}

func TestUserCode_TypedLoosely(t *testing.T) {
	for given, want := range map[string]string{
		"BCDF-GHJK": "BCDF-GHJK", "bcdfghjk": "BCDF-GHJK", " bcdf ghjk\t": "BCDF-GHJK", "b-c-d-f-g-h-j-k": "BCDF-GHJK",
		"BCDF": "BCDF", "": "", "BCDF-GHJKL": "BCDFGHJKL",
	} {
		if got := device.NormalUserCode(given); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
	}
}

func TestRequest_KeptUntilExpiry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		update := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Update(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		byUser := func(code string, at time.Time) (r device.Request, err error) {
			err = d.View(ctx, func(tx *db.Tx) error {
				r, err = device.ByUserCode(ctx, tx, code, at)
				return err
			})
			return r, err
		}
		byDevice := func(code string) (r device.Request, err error) {
			err = d.View(ctx, func(tx *db.Tx) error {
				r, err = device.ByDeviceCode(ctx, tx, code)
				return err
			})
			return r, err
		}
		want := device.Request{
			Asker: device.Asker{Name: "alice@laptop", Address: "192.0.2.7"}, UserCode: "BCDF-GHJK", DeviceHash: secret.Hash("the device code"), ClientID: "pachctl-device",
			Scopes: []string{"openid", "email"}, Challenge: "the challenge", Interval: device.PollEvery,
			Created: now, Expires: now.Add(10 * time.Minute),
		}
		other := want
		other.UserCode, other.DeviceHash, other.Expires = "WXYZ-WXYZ", secret.Hash("another"), now.Add(time.Hour)
		update(func(tx *db.Tx) error { return device.Create(ctx, tx, want) })
		update(func(tx *db.Tx) error { return device.Create(ctx, tx, other) })

		got, err := byDevice("the device code")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("by device code: %v\n%s", err, diff)
		}
		if _, err := byDevice("made up"); !fault.Is(err, fault.NotFound) {
			t.Errorf("by a made-up device code: %v", err)
		}
		update(func(tx *db.Tx) error { return device.Confirm(ctx, tx, want.UserCode, "browser") })
		update(func(tx *db.Tx) error { return device.Refuse(ctx, tx, want.UserCode, "why") })
		want.ConfirmedBy, want.Refused = "browser", "why"
		got, err = byUser(want.UserCode, want.Expires.Add(-time.Microsecond))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("answered: %v\n%s", err, diff)
		}
		if _, err := byUser(want.UserCode, want.Expires); !fault.Is(err, fault.NotFound) {
			t.Errorf("at its end: %v", err)
		}
		if got, err := byUser(other.UserCode, now); err != nil || got.ConfirmedBy != "" || got.Refused != "" {
			t.Errorf("the answer went to another as well: %+v, %v", got, err)
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return device.Create(ctx, tx, want) }); !fault.Is(err, fault.Exists) {
			t.Errorf("a user code that is in use: %v", err)
		}
		polled := want
		polled.Polled, polled.Interval = now.Add(time.Second), 10*time.Second
		update(func(tx *db.Tx) error { return device.StorePoll(ctx, tx, polled) })
		if got, err := byDevice("the device code"); err != nil || !cmp.Equal(polled, got) {
			t.Errorf("polled: %v\n%s", err, cmp.Diff(polled, got))
		}
		gone := other
		gone.UserCode, gone.DeviceHash = "GONE-GONE", secret.Hash("gone")
		update(func(tx *db.Tx) error { return device.Create(ctx, tx, gone) })
		update(func(tx *db.Tx) error { return device.Delete(ctx, tx, gone.UserCode) })
		if _, err := byDevice("gone"); !fault.Is(err, fault.NotFound) {
			t.Errorf("one that was deleted: %v", err)
		}
		update(func(tx *db.Tx) error { return device.DeleteExpired(ctx, tx, want.Expires.Add(time.Microsecond)) })
		if _, err := byDevice("the device code"); !fault.Is(err, fault.NotFound) {
			t.Errorf("after it was deleted: %v", err)
		}
		if _, err := byDevice("another"); err != nil {
			t.Errorf("another was deleted as well: %v", err)
		}
	})
}

// RFC 8628, 3.5: each poll that comes too early makes the wait longer, for good.
func TestPoll_IntervalGrows(t *testing.T) {
	r := device.Request{Interval: device.PollEvery}
	for n, step := range []struct {
		at    time.Duration
		early bool
		then  time.Duration
	}{
		{0, false, 5 * time.Second},
		{4 * time.Second, true, 10 * time.Second},
		{13 * time.Second, true, 15 * time.Second},
		{28 * time.Second, false, 15 * time.Second},
		{42 * time.Second, true, 20 * time.Second},
	} {
		if early := r.Poll(now.Add(step.at)); early != step.early || r.Interval != step.then {
			t.Errorf("poll %d: early %v, then every %v", n, early, r.Interval)
		}
	}
}
