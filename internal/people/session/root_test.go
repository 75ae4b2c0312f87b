package session_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Replicas that start together on an empty database: those that come second
// must not take away the root token that the first one has announced.
func TestEnsureRoot_ReplicasStartTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const replicas = 8
		var files [replicas]string
		var made [replicas]bool
		var wg sync.WaitGroup
		for n := range replicas {
			files[n] = filepath.Join(t.TempDir(), "root-token")
			s := session.New(session.Config{DB: d, Now: time.Now, RootFile: files[n]})
			wg.Go(func() {
				var err error
				if made[n], err = s.EnsureRoot(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		tokens := 0
		for n, file := range files {
			data, err := os.ReadFile(file)
			if (err == nil) != made[n] {
				t.Errorf("replica %d has made a root token: %v; its file: %v", n, made[n], err)
			}
			if err != nil {
				continue
			}
			tokens++
			err = d.View(t.Context(), func(tx *db.Tx) error {
				info, err := token.Verify(t.Context(), tx, secret.Text(strings.TrimSpace(string(data))), time.Now())
				if err == nil && info.Subject != principal.Root {
					err = fault.New(fault.Denied, "it is of %s", info.Subject)
				}
				return err
			})
			if err != nil {
				t.Errorf("the root token of replica %d: %v", n, err)
			}
		}
		if tokens != 1 {
			t.Errorf("%d root tokens were made", tokens)
		}
	})
}
