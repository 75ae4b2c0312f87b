package dexstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/dexidp/dex/storage/conformance"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret/secrettest"
)

func storeOn(t testing.TB, d *db.DB) dexstore.Store {
	t.Helper()
	sealer := secrettest.Sealer(t, d)
	return dexstore.New(d, sealer)
}

// Dex says what a storage must do; its suites are run on both engines.
func TestConformance(t *testing.T) {
	for engine, url := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL} {
		open := func(t *testing.T) storage.Storage { return storeOn(t, dbtest.Open(t, url(t))) }
		t.Run(engine, func(t *testing.T) {
			t.Run("objects", func(t *testing.T) { conformance.RunTests(t, open) })
			t.Run("transactions", func(t *testing.T) { conformance.RunTransactionTests(t, open) })
			t.Run("concurrency", func(t *testing.T) { conformance.RunConcurrencyTests(t, open) })
		})
	}
}

// What is long, such as a SAML response that is kept, counts as much as many.
func TestPending_OldestGoFirstBySize(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s, now := storeOn(t, d), time.Now()
		create := func(network, id string, n, size int) {
			t.Helper()
			ctx := limit.NewContext(t.Context(), limit.Client{Network: network})
			a := storage.AuthRequest{ID: id, Expiry: now.Add(time.Duration(n) * time.Minute), ConnectorData: make([]byte, size)}
			if err := s.CreateAuthRequest(ctx, a); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 6 {
			create("a", fmt.Sprint("a", n), n, 10)
		}
		create("a", "long", 6, 48<<10) // counts as five, in base64
		create("a", "last", 7, 10)
		create("b", "b", 0, 10)
		for n := range 30 { // what is no stranger's is not counted
			if err := s.CreateClient(limit.NewContext(t.Context(), limit.Client{Network: "a"}), storage.Client{ID: fmt.Sprint("c", n)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Pending().Trim(t.Context(), d, 8, 100); err != nil {
			t.Fatal(err)
		}
		for id, kept := range map[string]bool{"last": true, "long": true, "a5": true, "a4": true, "a3": false, "a0": false, "b": true} {
			if _, err := s.GetAuthRequest(t.Context(), id); (err == nil) != kept {
				t.Errorf("%s: kept %v, %v", id, kept, err)
			}
		}
		if all, err := s.ListClients(t.Context()); err != nil || len(all) != 30 {
			t.Errorf("%d clients are left, %v", len(all), err)
		}
	})
}
