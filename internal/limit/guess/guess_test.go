package guess_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/secret"
)

const most = 3 // wrong passwords for one account from one network

// counters are Guesses and their clock.
type counters struct {
	*guess.Guesses
	t   *testing.T
	db  *db.DB
	now time.Time
}

func open(t *testing.T, d *db.DB) *counters {
	t.Helper()
	return openWith(t, d, filepath.Join(t.TempDir(), "key"))
}

// at is the same at another time.
func (c *counters) at(now time.Time) *counters {
	c.now = now
	return c
}

// stored is how many counters the table has.
func (c *counters) stored() (n int) {
	c.t.Helper()
	err := c.db.View(c.t.Context(), func(tx *db.Tx) error {
		return tx.Row(c.t.Context(), []any{&n}, `SELECT COUNT(*) FROM guesses`)
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func openWith(t *testing.T, d *db.DB, key string) *counters {
	t.Helper()
	sealer, err := secret.OpenFor(t.Context(), d, secret.File(key))
	if err != nil {
		t.Fatal(err)
	}
	c := &counters{t: t, db: d, now: time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)}
	now, log := func() time.Time { return c.now }, slog.New(slog.DiscardHandler)
	c.Guesses, err = guess.New(t.Context(), guess.Config{
		DB: d, Sealer: sealer, Log: log, Now: now, WrongPasswords: most,
		Limits: limit.New(limit.Config{SignInsPerMinute: 60, Log: log, Now: now}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// try guesses a password, which is right or wrong, and returns how long that
// was delayed.
func (c *counters) try(network, account string, right bool) (time.Duration, error) {
	c.t.Helper()
	g, err := c.Password(c.t.Context(), network, account)
	if err != nil {
		return 0, err
	}
	guess.Judge(guess.NewContext(c.t.Context(), g), right, nil)
	g.End(c.t.Context())
	return g.Delay, nil
}

func (c *counters) wrong(network, account string) {
	c.t.Helper()
	if _, err := c.try(network, account, false); err != nil {
		c.t.Fatalf("%s from %s: %v", account, network, err)
	}
}

func (c *counters) refused(network, account string) {
	c.t.Helper()
	if _, err := c.try(network, account, true); !fault.Is(err, fault.Exhausted) || fault.RetryAfter(err) == 0 {
		c.t.Errorf("%s from %s: %v", account, network, err)
	}
}

func TestPassword_AccountAndNetworkAreRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		for range most {
			c.wrong("a", "alice")
		}
		c.refused("a", "alice")
		c.refused("a", "  ALICE ") // is the same account
		c.wrong("a", "bob")
		c.now = c.now.Add(5 * time.Minute) // a third of the window: one more
		c.wrong("a", "alice")
		c.refused("a", "alice")
		c.now = c.now.Add(15 * time.Minute)
		if delay, err := c.try("a", "alice", false); err != nil || delay != 0 {
			t.Errorf("a window later: %v, %v", delay, err)
		}
	})
}

func TestPassword_AccountAloneIsDelayedNeverRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		for network := range 30 { // strangers from everywhere
			for range most {
				c.wrong(fmt.Sprint("stranger-", network), "alice")
			}
		}
		delay, err := c.try("home", "alice", true)
		if err != nil || delay <= 0 || delay > 5*time.Second {
			t.Errorf("alice herself: delayed by %v, %v", delay, err)
		}
		if delay, err := c.try("home", "bob", true); err != nil || delay != 0 {
			t.Errorf("bob: delayed by %v, %v", delay, err)
		}
		c.now = c.now.Add(31 * time.Minute)
		if delay, err := c.try("home", "alice", true); err != nil || delay != 0 {
			t.Errorf("half an hour after it: delayed by %v, %v", delay, err)
		}
	})
}

func TestPassword_NetworkIsRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		for n := range 20 * most {
			c.wrong("a", fmt.Sprint("user-", n))
		}
		c.refused("a", "somebody-else")
		for range most {
			c.wrong("b", "another")
		}
		c.refused("b", "another")
		c.wrong("b", "somebody-else")
	})
}

func TestPassword_RightOnesDoNotCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		for range 100 * most {
			if _, err := c.try("office", "alice", true); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			for range most - 1 {
				c.wrong("office", "alice")
			}
			if _, err := c.try("office", "alice", true); err != nil { // and forgets those before
				t.Fatal(err)
			}
		}
	})
}

// A directory that does not answer must not lock anybody out.
func TestPassword_UnansweredOnesDoNotCount(t *testing.T) {
	c := open(t, dbtest.SQLite(t))
	for _, judge := range []func(context.Context){
		func(ctx context.Context) { guess.Judge(ctx, false, fault.New(fault.Unavailable, "away")) },
		func(context.Context) {}, // as when the sign-in was over before
	} {
		for range 5 * most {
			g, err := c.Password(t.Context(), "a", "alice")
			if err != nil {
				t.Fatal(err)
			}
			judge(guess.NewContext(t.Context(), g))
			g.End(t.Context())
		}
	}
	g, err := c.Password(t.Context(), "a", "alice")
	if err != nil {
		t.Fatal(err)
	}
	guess.Judge(guess.NewContext(t.Context(), g), false, errors.New("that is refused"))
	g.End(t.Context())
	for range most - 1 {
		c.wrong("a", "alice")
	}
	c.refused("a", "alice")
}

// Many at once must not all be the first.
func TestPassword_AtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		var begun atomic.Int64
		var all sync.WaitGroup
		for range 10 * most {
			all.Go(func() {
				if _, err := c.Password(t.Context(), "a", "alice"); err == nil {
					begun.Add(1)
				}
			})
		}
		all.Wait()
		if n := begun.Load(); n != most {
			t.Errorf("%d guesses are under way, want %d", n, most)
		}
	})
}

func TestUserCode_NetworkIsRefused(t *testing.T) {
	c := open(t, dbtest.SQLite(t))
	try := func(network string, right bool) error {
		g, err := c.UserCode(t.Context(), network)
		if err == nil {
			guess.Judge(guess.NewContext(t.Context(), g), right, nil)
			g.End(t.Context())
		}
		return err
	}
	for range 20 * most {
		if err := try("a", true); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 * most {
		if err := try("a", false); err != nil {
			t.Fatal(err)
		}
	}
	if err := try("a", true); !fault.Is(err, fault.Exhausted) {
		t.Errorf("one too many: %v", err)
	}
	if err := try("b", true); err != nil {
		t.Errorf("another network: %v", err)
	}
}

func TestKnown_OnlyWithOurCookieForThatAccount(t *testing.T) {
	c := open(t, dbtest.SQLite(t))
	cookie := c.Remember("alice", "")
	for name, got := range map[string]bool{
		"herself": c.Known("alice", cookie), "written otherwise": c.Known(" Alice", cookie),
		"beside others": c.Known("alice", c.Remember("bob", c.Remember("carol", cookie))),
	} {
		if !got {
			t.Errorf("%s: is not known", name)
		}
	}
	other := open(t, dbtest.SQLite(t))
	made, mac, _ := strings.Cut(cookie, ".")
	for name, got := range map[string]bool{
		"nobody": c.Known("alice", ""), "another account": c.Known("bob", cookie), "of another pachd": c.Known("alice", other.Remember("alice", "")),
		"made later": c.Known("alice", "z"+made+"."+mac), "made up": c.Known("alice", made+"."), "without a date": c.Known("alice", "."+mac),
	} {
		if got {
			t.Errorf("%s: is known", name)
		}
	}
	many := cookie
	for n := range 50 {
		many = c.Remember(fmt.Sprint("user-", n), many)
	}
	if len(many) > 500 || !c.Known("user-49", many) || c.Known("alice", many) {
		t.Errorf("after fifty accounts the cookie is %d bytes long", len(many))
	}
	c.now = c.now.Add(guess.KnownFor + 24*time.Hour)
	if c.Known("alice", cookie) {
		t.Error("it has no end")
	}
}

// Whoever has guessed wrong does not begin anew because pachd does; whoever has not
// leaves no trace in the table of a pachd that shares it with no other.
func TestGuesses_OutliveARestart(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		key := filepath.Join(t.TempDir(), "key")
		c := openWith(t, d, key)
		if _, err := c.try("office", "bob", true); err != nil {
			t.Fatal(err)
		}
		if n := c.stored(); d.Alone() && n != 0 {
			t.Errorf("a right password has stored %d counters", n)
		}
		for range most {
			c.wrong("a", "alice")
		}
		if _, err := c.try("a", "bob", true); err != nil { // whose network is that
			t.Fatal(err)
		}
		c = openWith(t, d, key)
		c.refused("a", "alice")
		if delay, err := c.try("home", "alice", true); err != nil || delay == 0 {
			t.Errorf("alice from home: %v, %v", delay, err)
		}
		c.now = c.now.Add(15 * time.Minute)
		c = openWith(t, d, key).at(c.now)
		c.wrong("a", "alice")
		if _, err := c.try("a", "alice", true); err != nil { // which forgets what was wrong
			t.Fatal(err)
		}
		c = openWith(t, d, key).at(c.now)
		for range most {
			c.wrong("a", "alice")
		}
		c.refused("a", "alice")
	})
}

// Wrong ones at once are all stored, whichever is stored last.
func TestGuesses_StoredAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		key := filepath.Join(t.TempDir(), "key")
		c := openWith(t, d, key)
		var all sync.WaitGroup
		for n := range 20 * most { // as many as one network may
			all.Go(func() { c.wrong("a", fmt.Sprint("user-", n)) })
		}
		all.Wait()
		openWith(t, d, key).refused("a", "somebody-else")
	})
}

// In memory as many are kept as in the table.
func TestGuesses_MemoryIsBounded(t *testing.T) {
	c := open(t, dbtest.SQLite(t))
	for n := range guess.MaxCounters / 2 {
		if _, err := c.Password(t.Context(), fmt.Sprint("network-", n), fmt.Sprint("user-", n)); err != nil {
			t.Fatal(err)
		}
	}
	sweep := func() int {
		t.Helper()
		if err := c.db.Update(t.Context(), func(tx *db.Tx) error { return c.DeleteExpired(t.Context(), tx, c.now) }); err != nil {
			t.Fatal(err)
		}
		return c.InMemory()
	}
	if n := sweep(); n != guess.MaxCounters {
		t.Errorf("%d are kept, want %d", n, guess.MaxCounters)
	}
	c.now = c.now.Add(time.Hour)
	if n := sweep(); n != 0 {
		t.Errorf("%d outlive their window", n)
	}
}

func TestGuesses_TableIsBoundedAndSaysNoNames(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := open(t, d)
		c.wrong("a", "a-password-typed-as-name")
		sweep := func() {
			t.Helper()
			if err := d.Update(t.Context(), func(tx *db.Tx) error { return c.DeleteExpired(t.Context(), tx, c.now) }); err != nil {
				t.Fatal(err)
			}
		}
		var names bytes.Buffer
		err := d.View(t.Context(), func(tx *db.Tx) error {
			return tx.Rows(t.Context(), func(scan func(...any) error) error {
				var key string
				defer func() { names.WriteString(key) }()
				return scan(&key)
			}, `SELECT key FROM guesses`)
		})
		if err != nil || names.Len() == 0 || strings.Contains(names.String(), "password") {
			t.Errorf("the keys are %s, %v", &names, err)
		}
		if sweep(); c.stored() != 3 {
			t.Errorf("%d counters that are not over are left, want 3", c.stored())
		}
		err = d.Update(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 21000)
				INSERT INTO guesses (key, until) SELECT 'n' || i, CAST($1 AS BIGINT) + i FROM n`, db.Micros(c.now.Add(time.Hour)))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if sweep(); c.stored() != guess.MaxCounters {
			t.Errorf("%d counters are left, want %d", c.stored(), guess.MaxCounters)
		}
		c.now = c.now.Add(2 * time.Hour)
		if sweep(); c.stored() != 0 {
			t.Errorf("%d counters outlive their window", c.stored())
		}
	})
}
