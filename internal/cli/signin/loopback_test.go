package signin

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pachyderm/api/auth"
)

// newLoopback waits for state "s" of issuer "i", and redeems the code "good".
func newLoopback() *loopback {
	return &loopback{path: "/p", state: "s", issuer: "i", done: make(chan outcome, 1), redeem: func(code string) (*auth.WhoAmIResponse, error) {
		if code != "good" {
			return nil, &oauthError{Code: "invalid_grant", Description: "the code is not valid"}
		}
		return aliceIs(), nil
	}}
}

func ask(t *testing.T, h http.Handler, method, target string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Header(), string(body)
}

func TestLoopback_OneResponse(t *testing.T) {
	for name, test := range map[string]struct {
		query  string
		status int
		page   string
		err    string
	}{
		"signed in":      {"state=s&iss=i&code=good", 200, "<bdi>user:alice@example.com</bdi>", ""},
		"bad code":       {"state=s&iss=i&code=bad", 403, "the code is not valid", "the code is not valid: try again with: pachctl auth login"},
		"refused":        {"state=s&iss=i&error=access_denied&error_description=" + url.QueryEscape("<script>no</script>\x1b[2J"), 403, "&lt;script&gt;no&lt;/script&gt;", "you are not signed in: <script>no</script>[2J"},
		"without words":  {"state=s&iss=i&error=server_error", 403, "server_error", "server_error"},
		"another issuer": {"state=s&iss=j&code=good", 403, "not from issuer i", "not from issuer i"},
		"no issuer":      {"state=s&code=good", 403, "not from issuer i", "not from issuer i"},
		"no code":        {"state=s&iss=i", 403, "without a code", "without a code"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoopback()
			code, header, body := ask(t, l, "GET", "/p?"+test.query)
			if code != test.status || !strings.Contains(body, test.page) {
				t.Errorf("got %d: %s", code, body)
			}
			if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(body, "<script") {
				t.Errorf("the page may run scripts: %s", csp)
			}
			end := <-l.done
			if (end.err == nil) != (test.err == "") || end.err != nil && !strings.Contains(end.err.Error(), test.err) {
				t.Errorf("ended with %v, want %q", end.err, test.err)
			}
			if code, _, body := ask(t, l, "GET", "/p?"+test.query); code != http.StatusGone || !strings.Contains(body, "over") {
				t.Errorf("a second answer got %d: %s", code, body)
			}
		})
	}
}

func TestLoopback_OtherRequests(t *testing.T) {
	l := newLoopback()
	for target, want := range map[string]int{
		"/": 404, "/favicon.ico": 404, "/p/": 404, "/q?state=s&iss=i&code=good": 404,
		"/p?state=x&iss=i&code=good": 400, "/p?iss=i&error=access_denied": 400,
	} {
		if code, _, _ := ask(t, l, "GET", target); code != want {
			t.Errorf("%s got %d, want %d", target, code, want)
		}
	}
	for _, method := range []string{"HEAD", "POST"} {
		if code, _, _ := ask(t, l, method, "/p?state=s&iss=i&code=good"); code != http.StatusMethodNotAllowed {
			t.Errorf("%s got %d", method, code)
		}
	}
	if code, _, _ := ask(t, l, "GET", "/p?state=s&iss=i&code=good"); code != 200 {
		t.Errorf("the answer itself got %d", code)
	}
}
