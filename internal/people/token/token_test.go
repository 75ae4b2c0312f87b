package token_test

import (
	"strings"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/token"
	"pachyderm/internal/secret"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func issue(t *testing.T, d *db.DB, ttl time.Duration) (raw secret.Text) {
	t.Helper()
	err := d.Update(t.Context(), func(tx *db.Tx) (err error) {
		raw, err = token.Issue(t.Context(), tx, token.Info{Subject: "robot:ci", Created: now}, ttl)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verify(t *testing.T, d *db.DB, raw secret.Text, at time.Time) (info token.Info, err error) {
	t.Helper()
	err = d.View(t.Context(), func(tx *db.Tx) error {
		info, err = token.Verify(t.Context(), tx, raw, at)
		return err
	})
	return info, err
}

// Five bits for each character that crypto/rand chose.
func TestNew_130Bits(t *testing.T) {
	seen := map[rune]bool{}
	for range 100 {
		random, ok := strings.CutPrefix(token.New().Reveal(), "pach_")
		if !ok || len(random)*5 < 130 {
			t.Fatalf("%q is too short", random)
		}
		for _, r := range random {
			seen[r] = true
		}
	}
	if len(seen) != 32 {
		t.Errorf("%d different characters in 2600", len(seen))
	}
}

func TestVerify_UntilExpiry(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		raw := issue(t, d, time.Hour)
		if info, err := verify(t, d, raw, now.Add(time.Hour-1)); err != nil || info.Subject != "robot:ci" || !info.Expires.Equal(now.Add(time.Hour)) {
			t.Errorf("before: %+v, %v", info, err)
		}
		_, err := verify(t, d, raw, now.Add(time.Hour))
		if !fault.Is(err, fault.Unauthenticated) || !strings.Contains(err.Error(), "token expiration is in the past") {
			t.Errorf("after: %v", err)
		}
		for _, wrong := range []secret.Text{"", "pach_", raw[:len(raw)-1], raw + "A", secret.Text(token.Hash(raw))} {
			if _, err := verify(t, d, wrong, now); !fault.Is(err, fault.Unauthenticated) {
				t.Errorf("%q was taken: %v", wrong.Reveal(), err)
			}
		}
		forever := issue(t, d, 0)
		if info, err := verify(t, d, forever, now.AddDate(100, 0, 0)); err != nil || !info.Expires.IsZero() {
			t.Errorf("without expiry: %+v, %v", info, err)
		}
	})
}

func TestRevoke(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, b, c := issue(t, d, 0), issue(t, d, 0), issue(t, d, time.Second)
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			found, err := token.Revoke(t.Context(), tx, token.Hash(a))
			if !found {
				t.Error("Revoke found nothing")
			}
			if err != nil {
				return err
			}
			return token.DeleteExpired(t.Context(), tx, now.Add(time.Minute))
		})
		if err != nil {
			t.Fatal(err)
		}
		for raw, want := range map[secret.Text]bool{a: false, b: true, c: false} {
			if _, err := verify(t, d, raw, now); (err == nil) != want {
				t.Errorf("Verify = %v, want it to work: %v", err, want)
			}
		}
		err = d.Update(t.Context(), func(tx *db.Tx) error {
			n, err := token.RevokeAllOf(t.Context(), tx, "robot:ci")
			if n != 1 {
				t.Errorf("RevokeAllOf = %d", n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestPut_NegativeTTL(t *testing.T) {
	d := dbtest.SQLite(t)
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		_, err := token.Issue(t.Context(), tx, token.Info{Subject: "robot:ci", Created: now}, -time.Hour)
		return err
	})
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("Issue = %v", err)
	}
}

// Nothing but the token itself opens anything.
func FuzzVerify(f *testing.F) {
	f.Add("")
	f.Add("pach_")
	f.Add("iamroot")
	d := dbtest.SQLite(f)
	var raw secret.Text
	err := d.Update(f.Context(), func(tx *db.Tx) (err error) {
		raw, err = token.Issue(f.Context(), tx, token.Info{Subject: "robot:ci", Created: now}, 0)
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw.Reveal())
	f.Add(raw.Reveal() + "\x00")
	f.Fuzz(func(t *testing.T, given string) {
		if _, err := verify(t, d, secret.Text(given), now); (err == nil) != (given == raw.Reveal()) {
			t.Errorf("%q: %v", given, err)
		}
	})
}

// What somebody was allowed before must not come back with the next activation.
func TestDeleteAll_AllowancesToo(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		raw := issue(t, d, 0)
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if err := token.AllowCreator(t.Context(), tx, "robot:ci", "user:alice@example.com"); err != nil {
				return err
			}
			if err := token.DeleteAll(t.Context(), tx); err != nil {
				return err
			}
			left, err := token.Creators(t.Context(), tx, "robot:ci")
			if len(left) > 0 {
				t.Errorf("still allowed: %v", left)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := verify(t, d, raw, now); !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("the token: %v", err)
		}
	})
}

func TestUsed_OnceInAGrain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		raw := issue(t, d, 0)
		for _, step := range []struct{ at, want time.Time }{
			{now.Add(10 * time.Minute), now.Add(10 * time.Minute)},
			{now.Add(50 * time.Minute), now.Add(10 * time.Minute)},
			{now.Add(-time.Hour), now.Add(10 * time.Minute)},
			{now.Add(60 * time.Minute), now.Add(60 * time.Minute)},
		} {
			err := d.Update(t.Context(), func(tx *db.Tx) error {
				_, err := token.Used(t.Context(), tx, map[string]time.Time{token.Hash(raw): step.at}, time.Hour)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if info, err := verify(t, d, raw, now); err != nil || !info.Used.Equal(step.want) {
				t.Errorf("used at %v, it says %v, want %v (%v)", step.at, info.Used, step.want, err)
			}
		}
	})
}
