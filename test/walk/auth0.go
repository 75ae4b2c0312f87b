package walk

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var (
	auth0Setting = regexp.MustCompile(`(clientID|redirectUri|audience|scope): "([^"]*)"`)
	auth0Names   = map[string]string{"clientID": "client_id", "redirectUri": "redirect_uri", "audience": "audience", "scope": "scope"}
)

// auth0Step does what the script auth0.js does on a sign-in page of Auth0, whose
// form has no address to send it to. Elsewhere it is nil.
func auth0Step(p *page, f *form) *step {
	if f.password == "" || !strings.Contains(p.body, "auth0.default.WebAuth") {
		return nil
	}
	form := url.Values{
		"username": {f.values.Get(f.name)}, "password": {f.values.Get(f.password)},
		"connection": {"Username-Password-Authentication"}, "response_type": {"token id_token"},
	}
	for _, name := range []string{"nonce", "state"} {
		form.Set(name, p.at.Query().Get(name))
	}
	for _, match := range auth0Setting.FindAllStringSubmatch(p.body, -1) {
		form.Set(auth0Names[match[1]], match[2])
	}
	return &step{http.MethodPost, p.at.ResolveReference(&url.URL{Path: "/usernamepassword/login"}), form}
}
