package issuer_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer"
)

// What an outsider sends is stored with a login, a device code or an answer.
func TestRequests_AreBoundedBeforeTheyAreStored(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	long := strings.Repeat("x", 9<<10)
	victim := h.browser()
	victim.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.Callback()) }
	callback := victim.SignIn(h.authURL(nil), optest.Alice)
	if callback.URL.Query().Get("state") == "" {
		t.Fatal("the login has no state")
	}
	authorize, err := url.Parse(h.authURL(map[string]string{"state": long}))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		path string
		form url.Values
		want int
	}{
		"a login":       {"/auth", authorize.Query(), http.StatusRequestEntityTooLarge},
		"of a provider": {"/auth/demo", authorize.Query(), http.StatusMethodNotAllowed},
		"a device code": {"/device/code", url.Values{"client_id": {"pachctl-device"}, "scope": {long}}, http.StatusRequestEntityTooLarge},
		"an answer of a SAML provider where there is none": {
			"/callback", url.Values{"SAMLResponse": {"PHg+"}, "RelayState": {callback.URL.Query().Get("state")}}, http.StatusBadRequest,
		},
	} {
		if got := h.browser().Post(h.Endpoint(c.path), c.form); got.Status != c.want {
			t.Errorf("%s: %d: %s", name, got.Status, got.Text())
		}
	}
	// An application is told in its own way.
	for path, form := range map[string]url.Values{
		"/device/code": {"client_id": {"pachctl-device"}, "scope": {long}}, "/token": {"grant_type": {"authorization_code"}, "code": {long}},
	} {
		if status, answer := h.post(path, form); status != http.StatusRequestEntityTooLarge || answer["error"] != "invalid_request" {
			t.Errorf("%s: %d %v", path, status, answer)
		}
	}
	victim.Stop = h.browser().Stop
	h.redeem(victim.Get(callback.URL.String())) // goes on
}

// What anybody sends is not in the log as it came.
func TestRefusals_SayLittleAgain(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	long := strings.Repeat("x", 8<<10)
	for _, parameter := range []string{
		"client_id", "redirect_uri", "response_type", "response_mode", "scope", "state", "nonce", "prompt", "max_age", "login_hint", "domain_hint",
		"connector_id", "code_challenge", "code_challenge_method", "id_token_hint", "requester", "request", "request_uri",
	} {
		before := len(h.server.Log.String())
		h.browser().Get(h.authURL(map[string]string{parameter: long}))
		if n := len(h.server.Log.String()) - before; n > 1000 {
			t.Errorf("%s of 8 KiB leaves %d bytes in the log", parameter, n)
		}
	}
	for _, path := range []string{"/auth/" + long + "?" + url.Values{"client_id": {issuer.CLIClient}, "redirect_uri": {loopback}}.Encode(), "/logout?id_token_hint=" + long} {
		before := len(h.server.Log.String())
		h.browser().Get(h.Endpoint(path))
		if n := len(h.server.Log.String()) - before; n > 1000 {
			t.Errorf("%.20s of 8 KiB leaves %d bytes in the log", path, n)
		}
	}
}
