package db_test

import (
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

func TestSignals_WakeWhoWaitsForTheKey(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		signals := d.Signals("topic")
		mine, stop := signals.On("a")
		second, stopSecond := signals.On("a")
		others, stopOthers := signals.On("b")
		defer stopSecond()
		defer stopOthers()
		change := func(topic, key string) {
			t.Helper()
			if err := d.Update(t.Context(), func(tx *db.Tx) error { return tx.Changed(t.Context(), topic, key) }); err != nil {
				t.Fatal(err)
			}
		}
		woken := func(c <-chan struct{}) bool {
			select {
			case <-c:
				return true
			default:
				return false
			}
		}

		change("topic", "a")
		change("topic", "a") // twice is one signal: nobody looked meanwhile
		if !woken(mine) || woken(mine) || !woken(second) || woken(others) {
			t.Error("a change of a key woke others, or not all who wait for it, or twice")
		}
		change("another", "a")
		if woken(mine) {
			t.Error("a change of another topic woke")
		}
		stop()
		change("", "") // anything may have changed
		if woken(mine) || !woken(second) || !woken(others) {
			t.Error("a change of anything woke who had stopped, or not all others")
		}
	})
}
