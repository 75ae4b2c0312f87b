package lease

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

// The leases of all sessions are renewed in one transaction, and those of a session that
// has ended are not.
func TestKeeper_RenewsAllTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		begin := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
		at := begin
		k := New(d, slog.New(slog.DiscardHandler), func() time.Time { return at })
		var release []func()
		for _, id := range []string{"c", "a", "b"} {
			err := d.Update(t.Context(), func(tx *db.Tx) error {
				return catalog.InsertPack(t.Context(), tx, catalog.Pack{ID: id, State: catalog.Writing, Writer: id, Created: begin, Until: begin.Add(Lasts), Key: []byte("x")})
			})
			if err != nil {
				t.Fatal(err)
			}
			release = append(release, k.Hold(func() []string { return []string{id} }))
		}
		release[2]()
		at = begin.Add(Lasts / 2)
		if err := k.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		err := d.View(t.Context(), func(tx *db.Tx) error {
			over, err := catalog.Expired(t.Context(), tx, at.Add(Lasts), 10)
			if !slices.Equal(over, []string{"b"}) {
				t.Errorf("the leases of %v are over, wanted that of b", over)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		release[0]()
		release[1]()
		if k.stop != nil {
			t.Error("it goes on with nothing to renew")
		}
	})
}
