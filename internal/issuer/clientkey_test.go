package issuer_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/principal"
)

// signedOnly is a provider that takes private_key_jwt only, and refuses each
// client that comes; ids are those of the keys that it was shown.
func signedOnly(t *testing.T) (issuer string, ids *sync.Map) {
	t.Helper()
	ids = &sync.Map{}
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	send := func(w http.ResponseWriter, m map[string]any) { _ = json.NewEncoder(w).Encode(m) }
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		send(w, map[string]any{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/auth", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/keys",
			"token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		})
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		token, err := jose.ParseSignedCompact(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Errorf("not an assertion: %v", err)
			return
		}
		ids.Store(token.Signatures[0].Header.KeyID, true)
		w.WriteHeader(http.StatusUnauthorized)
		send(w, map[string]any{"error": "invalid_client"})
	})
	return s.URL, ids
}

// connectorKeys is what each replica serves.
func (h *env) connectorKeys() (all []string) {
	h.t.Helper()
	for range h.replicas {
		all = append(all, string(get(h.t, h.Endpoint("/connector-keys"))))
	}
	return all
}

func get(t *testing.T, address string) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("%s: %s %s, %v", address, res.Status, body, err)
	}
	return body
}

func TestConnectorKeys_OfAllReplicas(t *testing.T) {
	h := openReplicas(t, "/dex", 3)
	provider, ids := signedOnly(t)
	for _, text := range h.connectorKeys() {
		if text != "{\"keys\":[]}\n" {
			t.Errorf("before anybody needs a key: %s", text)
		}
	}
	document := registry.Connector{ID: "signed", Name: "Signed", Type: "oidc", Version: 1, Config: map[string]any{
		"issuer": provider, "clientID": "pach", "tokenEndpointAuthMethod": "private_key_jwt", "redirectURI": h.Callback(),
	}}
	var all sync.WaitGroup
	for _, replica := range h.replicas {
		all.Go(func() {
			steps, err := replica.Issuer.CheckConnector(t.Context(), principal.Root, document)
			told := false
			for _, step := range steps {
				told = told || step.Name == "credentials" && strings.Contains(step.Remedy, h.Endpoint("/connector-keys"))
			}
			if err != nil || !told {
				t.Errorf("nobody is told where the keys are: %+v, %v", steps, err)
			}
		})
	}
	all.Wait()
	served := h.connectorKeys()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(served[0]), &set); err != nil || len(set.Keys) != 2 || served[1] != served[0] || served[2] != served[0] {
		t.Errorf("the replicas serve %v, %v", served, err)
	}
	ids.Range(func(id, _ any) bool {
		if len(set.Key(id.(string))) != 1 {
			t.Errorf("signed with %v, which is not served", id)
		}
		return true
	})
}
