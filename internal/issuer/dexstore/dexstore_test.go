package dexstore_test

import (
	"path/filepath"
	"testing"

	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/conformance"

	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/secret"
)

// Dex says what a storage must do; its suites are run on both engines.
func TestConformance(t *testing.T) {
	for engine, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		open := func(t *testing.T) storage.Storage {
			d := dbtest.Open(t, url(t))
			sealer, err := secret.OpenFor(t.Context(), d, filepath.Join(t.TempDir(), "key"))
			if err != nil {
				t.Fatal(err)
			}
			return dexstore.New(d, sealer)
		}
		t.Run(engine, func(t *testing.T) {
			t.Run("objects", func(t *testing.T) { conformance.RunTests(t, open) })
			t.Run("transactions", func(t *testing.T) { conformance.RunTransactionTests(t, open) })
			t.Run("concurrency", func(t *testing.T) { conformance.RunConcurrencyTests(t, open) })
		})
	}
}
