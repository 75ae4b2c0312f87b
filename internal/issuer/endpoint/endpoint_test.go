package endpoint_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
)

func TestCheckAuthorization(t *testing.T) {
	good := url.Values{"response_type": {"code"}, "code_challenge": {"c"}, "code_challenge_method": {"S256"}}
	for name, c := range map[string]struct {
		parameter, value string
		want             string // error code
	}{
		"nothing else":       {"state", "s", ""},
		"by query":           {"response_mode", "query", ""},
		"by a form":          {"response_mode", "form_post", ""},
		"by a fragment":      {"response_mode", "fragment", "invalid_request"},
		"a prompt":           {"prompt", "login", ""},
		"no prompt":          {"prompt", "none", "login_required"},
		"a token":            {"response_type", "token", "unsupported_response_type"},
		"a plain challenge":  {"code_challenge_method", "plain", "invalid_request"},
		"a method not named": {"code_challenge_method", "", "invalid_request"},
		"a request object":   {"request", "e30", "request_not_supported"},
		"one by reference":   {"request_uri", "urn:x", "request_uri_not_supported"},
	} {
		form := url.Values{c.parameter: {c.value}}
		for key, values := range good {
			if !form.Has(key) {
				form[key] = values
			}
		}
		code, err := endpoint.CheckAuthorization(form, true)
		if code != c.want || (err != nil) != (c.want != "") || err != nil && fault.NextOf(err) == "" {
			t.Errorf("%s: %q, %v", name, code, err)
		}
	}
	for needsPKCE, want := range map[bool]string{true: "invalid_request", false: ""} {
		if code, err := endpoint.CheckAuthorization(url.Values{"response_type": {"code"}}, needsPKCE); code != want {
			t.Errorf("without PKCE, needed %v: %q, %v", needsPKCE, code, err)
		}
	}
}

func TestCheckAuthorization_SaysLittleAgain(t *testing.T) {
	for _, parameter := range []string{"response_type", "response_mode", "code_challenge_method"} {
		form := url.Values{"response_type": {"code"}, "code_challenge": {"c"}, "code_challenge_method": {"S256"}}
		form.Set(parameter, strings.Repeat("x", 8<<10))
		if _, err := endpoint.CheckAuthorization(form, true); err == nil || len(err.Error()) > 200 {
			t.Errorf("%s of 8 KiB is answered with %d bytes", parameter, len(err.Error()))
		}
	}
}

func TestParseForm_OnlyTheBodyAndNothingTwice(t *testing.T) {
	for name, c := range map[string]struct {
		method, body string
		status       int
	}{
		"a form":            {http.MethodPost, "a=1&b=2", 0},
		"by GET":            {http.MethodGet, "", http.StatusMethodNotAllowed},
		"twice":             {http.MethodPost, "a=1&a=2", http.StatusBadRequest},
		"no form":           {http.MethodPost, "a=%zz", http.StatusBadRequest},
		"a field of 9 KiB":  {http.MethodPost, "a=" + strings.Repeat("x", 9<<10), http.StatusRequestEntityTooLarge},
		"a name of 9 KiB":   {http.MethodPost, strings.Repeat("x", 9<<10) + "=", http.StatusRequestEntityTooLarge},
		"a form of 100 KiB": {http.MethodPost, strings.Repeat("a=x&", 25<<10), http.StatusRequestEntityTooLarge},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "/token?secret=s", strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		form, err := endpoint.ParseForm(httptest.NewRecorder(), r)
		var no *endpoint.Error
		if c.status == 0 {
			if err != nil || form.Get("a") != "1" || form.Has("secret") {
				t.Errorf("%s: %v, %v", name, form, err)
			}
		} else if !errors.As(err, &no) || no.Status != c.status {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestError_Write(t *testing.T) {
	w := httptest.NewRecorder()
	endpoint.Unavailable(fault.New(fault.Unavailable, "the database does not answer")).Write(w)
	var body map[string]string
	err := json.Unmarshal(w.Body.Bytes(), &body)
	if err != nil || w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" || w.Header().Get("Cache-Control") != "no-store" ||
		body["error"] != "temporarily_unavailable" || body["error_description"] != "the database does not answer" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}
