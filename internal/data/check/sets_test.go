package check_test

import (
	"os"
	"testing"
	"time"

	"pachyderm/internal/data/fileset"
	"pachyderm/internal/db"
)

// set makes a file set that deletes something, too, and says how it is called.
func (r *rig) set() string {
	r.t.Helper()
	w, err := fileset.New(r.db, r.files, func() time.Time { return now }).Begin(r.t.Context(), fileset.Caller{Owner: "user:ada@example.com"})
	r.must(err)
	defer w.Close()
	r.must(w.Add("/d.png", "", []byte("fourth")))
	r.must(w.Delete("/other/", ""))
	_, err = w.Create()
	r.must(err)
	return "file set of user:ada@example.com made 2026-11-30 12:00:00 UTC: "
}

func TestProblems_OfFileSets(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*rig)
		want   string
	}{
		"no root":                         {func(r *rig) { r.sql(`UPDATE file_sets SET root = $1`, []byte("?")) }, "the file tree is damaged: a root of"},
		"another root":                    {func(r *rig) { r.another("root") }, "in /: the blob"},
		"another root of what it deletes": {func(r *rig) { r.another("deletes") }, "in /: the blob"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(_ *testing.T, r *rig) {
				of := r.set()
				r.finds(true)
				c.damage(r)
				r.finds(true, of+c.want)
			})
		})
	}
	each(t, func(_ *testing.T, r *rig) {
		before := map[string]bool{}
		for _, path := range r.objects() {
			before[path] = true
		}
		of := r.set()
		for _, path := range r.objects() {
			if !before[path] {
				r.must(os.Remove(path))
			}
		}
		r.finds(false, of+"in /: the blob", "the store has no such object")
	})
}

// another has the sets have another root than they had.
func (r *rig) another(column string) {
	r.t.Helper()
	var root []byte
	r.must(r.db.View(r.t.Context(), func(tx *db.Tx) error { return tx.Row(r.t.Context(), []any{&root}, `SELECT `+column+` FROM file_sets`) }))
	root[0] ^= 1
	r.sql(`UPDATE file_sets SET `+column+` = $1`, root)
}
