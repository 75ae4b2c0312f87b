package secrettest

import (
	"path/filepath"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/secret"
)

// Sealer seals with a new key what is kept in a database.
func Sealer(t testing.TB, d *db.DB) *secret.Sealer {
	t.Helper()
	s, err := secret.OpenFor(t.Context(), d, secret.File(filepath.Join(t.TempDir(), "key")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
