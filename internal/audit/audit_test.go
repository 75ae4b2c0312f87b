package audit_test

import (
	"strings"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

// Whoever reads the audit reads what others have written.
func TestRecord_KeepsWhatCanBeShown(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		by := audit.By{Actor: "user:ada@example.com", At: time.Now()}
		var events []audit.Event
		err := d.Update(t.Context(), func(tx *db.Tx) error {
			if err := by.Record(t.Context(), tx, "x.make", "x/\x1b]52;c;cm0=\x07\x00Zürich 東京 \u202e🙂", "a\nb"+strings.Repeat("é", 1<<20)); err != nil {
				return err
			}
			var err error
			events, _, err = audit.List(t.Context(), tx, audit.Filter{}, db.Page{Limit: 2})
			return err
		})
		if err != nil || len(events) != 1 {
			t.Fatal(events, err)
		}
		if got, want := events[0].Object, "x/]52;c;cm0=Zürich 東京 🙂"; got != want {
			t.Errorf("of %q, not %q", got, want)
		}
		if d := events[0].Detail; len(d) > 10<<10 || !strings.HasPrefix(d, "a béé") {
			t.Errorf("%d bytes of details: %.20q", len(d), d)
		}
	})
}
