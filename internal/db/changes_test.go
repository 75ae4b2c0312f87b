package db_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

func TestWatch_OnlyWhatIsCommitted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var received []db.Change
		d.Watch(func(c db.Change) { received = append(received, c) })
		change := func(key string, fail error) {
			err := d.Update(t.Context(), func(tx *db.Tx) error {
				if err := tx.Changed(t.Context(), "token", key); err != nil {
					return err
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Errorf("Update = %v", err)
			}
		}
		change("a", nil)
		change("b", errors.New("rolled back"))
		change("c", nil)
		if len(received) != 2 || received[0] != (db.Change{Topic: "token", Key: "a"}) || received[1].Key != "c" {
			t.Errorf("received %v", received)
		}
	})
}

func TestWatch_OtherReplicas(t *testing.T) {
	url := dbtest.PostgresURL(t)
	here, there := dbtest.Open(t, url), dbtest.Open(t, url)
	if there.Exact() {
		t.Error("a replica that does not listen yet takes its memory for exact")
	}
	received := make(chan db.Change, 10)
	there.Watch(func(c db.Change) { received <- c })
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- there.Listen(ctx, func(error) {}, func() {}) }()
	if c := <-received; c != (db.Change{}) {
		t.Errorf("at first everything may have changed, received %v", c)
	}
	if !there.Exact() {
		t.Error("not exact although it listens")
	}
	err := here.Update(t.Context(), func(tx *db.Tx) error { return tx.Changed(t.Context(), "user", "user:alice@example.com") })
	if err != nil {
		t.Fatal(err)
	}
	if c := <-received; c != (db.Change{Topic: "user", Key: "user:alice@example.com"}) {
		t.Errorf("received %v", c)
	}

	// The listener's connection is lost: until it is back nothing is exact,
	// and then everything may have changed.
	err = here.Update(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if c := <-received; c != (db.Change{}) {
		t.Errorf("after the loss received %v", c)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMemory_ChangeIsVisibleToNextGet(t *testing.T) {
	d := dbtest.SQLite(t)
	reads := 0
	m := db.Remember(d, "n", func(context.Context) (int, error) { reads++; return reads, nil })
	for range 3 {
		if got, err := m.Get(t.Context()); got != 1 || err != nil {
			t.Errorf("unchanged: %d, %v", got, err)
		}
	}
	for want, topic := range []string{0: "other", 1: "n", 2: ""} {
		err := d.Update(t.Context(), func(tx *db.Tx) error { return tx.Changed(t.Context(), topic, "") })
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.Get(t.Context()); got != want+1 || err != nil {
			t.Errorf("after a change of %q: %d, %v", topic, got, err)
		}
	}
}

func TestMemory_BypassedWhileDisconnected(t *testing.T) {
	d := dbtest.Open(t, dbtest.PostgresURL(t)) // and nobody calls Listen
	reads := 0
	m := db.Remember(d, "n", func(context.Context) (int, error) { reads++; return reads, nil })
	for want := range 3 {
		if got, err := m.Get(t.Context()); got != want+1 || err != nil {
			t.Errorf("read %d: %d, %v", want+1, got, err)
		}
	}
}

// What takes long to read is not read once for each of those who wait.
func TestMemory_WhoWaitsSharesARead(t *testing.T) {
	d := dbtest.Open(t, dbtest.PostgresURL(t)) // and nobody calls Listen
	synctest.Test(t, func(t *testing.T) {
		reads, hold := 0, make(chan struct{})
		m := db.Remember(d, "n", func(context.Context) (int, error) {
			reads++
			<-hold
			return reads, nil
		})
		get := func(ctx context.Context, want int, fails bool) {
			if got, err := m.Get(ctx); got != want || fails != (err != nil) {
				t.Errorf("got %d, %v; want %d", got, err, want)
			}
		}
		go get(t.Context(), 1, false)
		synctest.Wait()
		for range 10 {
			go get(t.Context(), 2, false) // what the first one reads may be older than they are
		}
		away, leave := context.WithCancel(t.Context())
		go get(away, 0, true)
		synctest.Wait()
		leave()
		synctest.Wait()
		close(hold)
		synctest.Wait()
		get(t.Context(), 3, false)
	})
}
