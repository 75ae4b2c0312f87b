package issuer_test

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/principal"
)

// A confidential client needs PKCE unless it is exempt, or has never used it and
// was made where it could not say so.
func TestAuthorize_PKCEOfConfidentialClients(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	redirect := "http://127.0.0.1:7/app"
	clients := map[string]oidcclient.Client{}
	for id, p := range map[string]oidcclient.PKCE{"own": oidcclient.PKCERequired, "exempt": oidcclient.PKCEOptional, "console": ""} {
		c, err := h.Registry.CreateClient(t.Context(), principal.Root, oidcclient.Client{ID: id, Name: id, RedirectURIs: []string{redirect}, PKCE: p})
		if err != nil {
			t.Fatal(err)
		}
		clients[id] = c
	}
	without := map[string]string{"code_challenge": "", "code_challenge_method": ""}
	end := func(id string, change map[string]string) optest.Page {
		t.Helper()
		all := map[string]string{"client_id": id, "redirect_uri": redirect}
		maps.Copy(all, change)
		b := h.browser()
		page := b.Get(h.authURL(all))
		if page.URL.Query().Get("error") != "" {
			return page
		}
		return b.Submit(page, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
	}
	redeem := func(id string, page optest.Page, verifier string) {
		t.Helper()
		form := url.Values{
			"grant_type": {"authorization_code"}, "client_id": {id}, "client_secret": {clients[id].Secret}, "code": {page.URL.Query().Get("code")},
			"redirect_uri": {redirect},
		}
		if verifier != "" {
			form.Set("code_verifier", verifier)
		}
		if status, answer := h.post("/token", form); status != http.StatusOK {
			t.Errorf("%s: %d %v", id, status, answer)
		}
	}
	wantEnd(t, end("own", without), map[string]string{"error": "invalid_request", "error_description": "PKCE is required"})
	redeem("own", end("own", nil), verifier)
	redeem("exempt", end("exempt", nil), verifier)
	redeem("exempt", end("exempt", without), "")

	redeem("console", end("console", without), "")
	end("console", nil) // begun by anybody, redeemed by nobody
	redeem("console", end("console", without), "")
	redeem("console", end("console", nil), verifier)
	wantEnd(t, end("console", without), map[string]string{"error": "invalid_request", "error_description": "PKCE is required"})
}
