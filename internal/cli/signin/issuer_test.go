package signin

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pachyderm/api/pach"
)

func idToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(data) + ".x"
}

func TestCheckIDToken(t *testing.T) {
	good := map[string]any{"iss": "i", "aud": "c", "nonce": "n"}
	for name, test := range map[string]struct {
		change map[string]any
		ok     bool
	}{
		"good":             {nil, true},
		"audience in list": {map[string]any{"aud": []string{"c"}}, true},
		"another nonce":    {map[string]any{"nonce": "m"}, false},
		"no nonce":         {map[string]any{"nonce": ""}, false},
		"another issuer":   {map[string]any{"iss": "j"}, false},
		"another audience": {map[string]any{"aud": "d"}, false},
		"two audiences":    {map[string]any{"aud": []string{"c", "d"}}, false},
		"no audience":      {map[string]any{"aud": nil}, false},
	} {
		claims := map[string]any{}
		for _, m := range []map[string]any{good, test.change} {
			for k, v := range m {
				claims[k] = v
			}
		}
		if err := checkIDToken(idToken(t, claims), "i", "c", "n"); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{"", "a.b", "a.%.c", "a.e30K.c.d"} {
		if checkIDToken(raw, "i", "c", "n") == nil {
			t.Errorf("%q was taken", raw)
		}
	}
}

// The answer of the issuer is taken only from itself, in its own form.
func TestPost_NotAnIssuer(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a code was sent on") })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	mux.HandleFunc("/no", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error": "invalid_grant", "error_description": "expired"}`)
	})
	issuer := httptest.NewServer(mux)
	defer issuer.Close()
	client, err := httpClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &signIn{info: &pach.GetSignInResponse{Issuer: issuer.URL}, http: client}
	for path, want := range map[string]string{"/moved": "307", "/page": "does not match the specification", "/no": "expired"} {
		var into struct{}
		if err := s.post(t.Context(), issuer.URL+path, url.Values{"code": {"c0de"}}, &into); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c0de") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := s.post(t.Context(), "http://127.0.0.1:1/token", nil, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}
