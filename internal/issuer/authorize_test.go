package issuer

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"pachyderm/internal/web/record"
)

func TestResponse_NamesTheIssuer(t *testing.T) {
	const issuer = "https://pach.example.com/dex"
	for location, want := range map[string]string{
		"http://127.0.0.1:7/?code=c&state=s": "http://127.0.0.1:7/?code=c&iss=https%3A%2F%2Fpach.example.com%2Fdex&state=s",
		"http://127.0.0.1:7/?error=e&iss=x":  "http://127.0.0.1:7/?error=e&iss=https%3A%2F%2Fpach.example.com%2Fdex",
		"/dex/auth/demo?client_id=pachctl":   "/dex/auth/demo?client_id=pachctl",
		"":                                   "",
	} {
		rec := record.Of(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if location != "" {
				w.Header().Set("Location", location)
			}
			w.WriteHeader(http.StatusSeeOther)
			_, _ = w.Write([]byte("see"))
		}), httptest.NewRequestWithContext(t.Context(), http.MethodGet, issuer, nil))
		addIssuer(rec, issuer)
		w := httptest.NewRecorder()
		rec.Flush(w)
		if got := w.Header().Get("Location"); got != want || w.Code != http.StatusSeeOther || w.Body.String() != "see" {
			t.Errorf("%q became %q, %d, %q", location, got, w.Code, w.Body)
		}
	}
}
