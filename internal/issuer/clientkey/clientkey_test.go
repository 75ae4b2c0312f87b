package clientkey_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/clientkey"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

func sealer(t *testing.T, d *db.DB) *secret.Sealer {
	t.Helper()
	return secrettest.Sealer(t, d)
}

func served(t *testing.T, k *clientkey.Keys) (string, jose.JSONWebKeySet) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := k.Serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/connector-keys", nil)); err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	return w.Body.String(), set
}

func TestKeys_OneForAllReplicas(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := sealer(t, d)
		replicas := []*clientkey.Keys{{DB: d, Sealer: s}, {DB: d, Sealer: s}, {DB: d, Sealer: s}}
		for _, k := range replicas {
			if text, _ := served(t, k); text != "{\"keys\":[]}\n" {
				t.Errorf("before the first need: %s", text)
			}
		}
		if _, err := d.Meta(t.Context(), "connector-keys"); !fault.Is(err, fault.NotFound) {
			t.Errorf("whoever asks has keys made: %v", err)
		}
		ids := make([]string, len(replicas))
		var all sync.WaitGroup
		for n, k := range replicas {
			all.Go(func() {
				key, err := k.Signing(t.Context(), "ES256")
				if err != nil {
					t.Error(err)
				}
				ids[n] = key.KeyID
			})
		}
		all.Wait()
		if ids[0] == "" || ids[1] != ids[0] || ids[2] != ids[0] {
			t.Errorf("the replicas sign with %v", ids)
		}
		again := &clientkey.Keys{DB: d, Sealer: s}
		for _, k := range append(replicas, again) {
			for _, algorithm := range []jose.SignatureAlgorithm{jose.ES256, jose.RS256} {
				verifies(t, k, again, algorithm)
			}
		}
		if _, err := again.Signing(t.Context(), "HS256"); err == nil {
			t.Error("there is a key for HS256")
		}
	})
}

// verifies checks that what one replica signs is good by what another serves.
func verifies(t *testing.T, by, other *clientkey.Keys, algorithm jose.SignatureAlgorithm) {
	t.Helper()
	key, err := by.Signing(t.Context(), string(algorithm))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, set := served(t, other)
	public := set.Key(key.KeyID)
	if len(public) != 1 || public[0].Algorithm != string(algorithm) || public[0].Use != "sig" {
		t.Fatalf("key %q is served as %+v", key.KeyID, public)
	}
	if _, err := signed.Verify(public[0]); err != nil {
		t.Errorf("%s: %v", algorithm, err)
	}
}

func TestKeys_PrivateHalvesStayHere(t *testing.T) {
	d := dbtest.SQLite(t)
	k := &clientkey.Keys{DB: d, Sealer: sealer(t, d)}
	key, err := k.Signing(t.Context(), "RS256")
	if err != nil {
		t.Fatal(err)
	}
	text, set := served(t, k)
	if len(set.Keys) != 2 || !set.Keys[0].IsPublic() || !set.Keys[1].IsPublic() {
		t.Errorf("served: %s", text)
	}
	var raw struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	for _, one := range raw.Keys {
		for name := range one {
			if !slices.Contains([]string{"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"}, name) {
				t.Errorf("a key is served with %q", name)
			}
		}
	}
	stored, err := d.Meta(t.Context(), "connector-keys")
	if err != nil || bytes.Contains(stored, []byte("kty")) || bytes.Contains(stored, []byte(key.KeyID)) {
		t.Errorf("stored: %q, %v", stored, err)
	}
}

// Another sealing key, or a value from elsewhere, is not a reason to make keys
// that no provider knows.
func TestKeys_Unreadable(t *testing.T) {
	d := dbtest.SQLite(t)
	s := sealer(t, d)
	elsewhere, err := s.Seal([]byte(`{"keys":[]}`), "guess-key")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.EnsureMeta(t.Context(), "connector-keys", elsewhere); err != nil {
		t.Fatal(err)
	}
	k := &clientkey.Keys{DB: d, Sealer: s}
	if _, err := k.Signing(t.Context(), "ES256"); err == nil {
		t.Error("it signs")
	}
	w := httptest.NewRecorder()
	if err := k.Serve(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/connector-keys", nil)); err == nil || strings.Contains(w.Body.String(), "keys") {
		t.Errorf("it serves %s", w.Body)
	}
}
