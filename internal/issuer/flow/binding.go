package flow

import (
	"crypto/rand"
	"net/http"
	"net/url"

	"pachyderm/internal/secret"
)

// Hopped marks a request that was sent on from another host name, so that a
// proxy which hides the host cannot make it go round in circles.
const Hopped = "pach_hop"

// Binding ties logins at an issuer to the browsers they began in.
type Binding struct{ Issuer url.URL }

// The cookie binds a login to the browser it began in (RFC 9700, 4.7.1). With
// __Host- no other host of the domain can plant one; http cannot carry that.
func (b Binding) cookieName() string {
	if b.Issuer.Scheme == "https" {
		return "__Host-pach-login"
	}
	return "pach-login"
}

// Browser returns the hash of the browser's cookie, or "".
func (b Binding) Browser(r *http.Request) string {
	c, err := r.Cookie(b.cookieName())
	if err != nil || len(c.Value) < 26 {
		return ""
	}
	return secret.Hash(c.Value)
}

// Ensure gives the browser a cookie if it has none.
func (b Binding) Ensure(w http.ResponseWriter, r *http.Request) string {
	if known := b.Browser(r); known != "" {
		return known
	}
	value := rand.Text()
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the issuer is https
		Name: b.cookieName(), Value: value, Path: "/", HttpOnly: true, Secure: b.Issuer.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
	return secret.Hash(value)
}

// Rehost sends a browser that came by another name of this host to the
// issuer's own, where its cookie is. The target is ours, whatever was asked.
func (b Binding) Rehost(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.Host == b.Issuer.Host || q.Has(Hopped) {
		return false
	}
	q.Set(Hopped, "1")
	target := b.Issuer
	target.Path = r.URL.Path
	target.RawQuery = q.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
	return true
}
