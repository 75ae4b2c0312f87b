package browser

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/secret"
	"pachyderm/internal/web"
)

// Cookie is a cookie of ours, which no script reads and no other site's form
// brings (HttpOnly, SameSite=Lax).
type Cookie struct {
	Name string
	// Secure is for https: then no other host of the domain can plant the cookie
	// either (__Host-), which http cannot carry.
	Secure bool
	// MaxAge is how long it is kept; 0 until the browser is closed.
	MaxAge time.Duration
}

func (c Cookie) name() string {
	if c.Secure {
		return "__Host-" + c.Name
	}
	return c.Name
}

// Value is what the browser sent, or "".
func (c Cookie) Value(r *http.Request) string {
	sent, err := r.Cookie(c.name())
	if err != nil {
		return ""
	}
	return sent.Value
}

// Set gives the browser a value.
func (c Cookie) Set(w http.ResponseWriter, value string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the issuer is https
		Name: c.name(), Value: value, Path: "/", MaxAge: int(c.MaxAge / time.Second),
		HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// Clear has the browser forget the cookie.
func (c Cookie) Clear(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // as Set
		Name: c.name(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: c.Secure, SameSite: http.SameSiteLaxMode,
	})
}

// ID tells the browser from others (RFC 9700, 4.7.1): the hash of its cookie,
// or "" if it has none.
func (c Cookie) ID(r *http.Request) string {
	value := c.Value(r)
	if len(value) < len(rand.Text()) {
		return ""
	}
	return secret.Hash(value)
}

// EnsureID is ID, for which the browser is given a cookie if it has none.
func (c Cookie) EnsureID(w http.ResponseWriter, r *http.Request) string {
	if id := c.ID(r); id != "" {
		return id
	}
	value := rand.Text()
	c.Set(w, value)
	return secret.Hash(value)
}

// CSRF is the token that the browser's form about a thing carries.
func CSRF(id, thing string) string { return secret.Hash(id + thing) }

// CheckCSRF reports whether a posted form, which is parsed, carries the token.
func CheckCSRF(r *http.Request, id, thing string) bool {
	return secret.Same(CSRF(id, thing), r.PostForm.Get("csrf"))
}

// hopped marks a request that was sent on from another host name, so that a
// proxy which hides the host cannot make it go round in circles.
const hopped = "pach_hop"

// Rehost sends a browser that came by another name of this host to the one that
// its cookies are for, and reports whether it did. The target is ours, whatever
// was asked.
func Rehost(w http.ResponseWriter, r *http.Request, to url.URL) bool {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.Host == to.Host || q.Has(hopped) {
		return false
	}
	q.Set(hopped, "1")
	to.Path = r.URL.Path
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther) //nolint:gosec // to is ours
	return true
}

// MaxForm bounds a form, in bytes.
const MaxForm = 512 << 10

// maxField is far more than any parameter is long, a JWT included, but for one.
const maxField = 8 << 10

// SAMLResponse is the one parameter that may be as long as the form.
const SAMLResponse = "SAMLResponse"

// ParseForm makes the parameters of body and query one, and bounds each: what
// anybody can send is stored with a login and written to the log.
func ParseForm(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, MaxForm)
	err := r.ParseForm()
	if isLarge := (*http.MaxBytesError)(nil); errors.As(err, &isLarge) || err == nil && hasLarge(r.Form) {
		return web.Problem{
			Status: http.StatusRequestEntityTooLarge, Title: "This request is too large", What: "More was sent than is read.",
			Next: "Start again. If an identity provider sent it, tell an administrator: it should send fewer attributes.",
		}
	}
	if err != nil {
		return web.Problem{
			Status: http.StatusBadRequest, Title: "This request cannot be read",
			What: "The browser sent something that is not a form.", Next: "Start again.",
		}
	}
	r.Form.Del(hopped)
	return nil
}

// CheckRelayState refuses a SAML response that belongs to no sign-in of ours: one
// that began at the provider (IdP-initiated), or whose RelayState the provider
// has lost (SAML bindings, 3.5.3).
func CheckRelayState(form url.Values) error {
	if form.Get("RelayState") != "" {
		return nil
	}
	return web.Problem{
		Status: http.StatusBadRequest, Title: "This sign-in did not begin here",
		What: "An identity provider sent a response that answers no request: it has no RelayState.",
		Next: "Start here, for example with: pachctl auth login. If you did, tell an administrator: " +
			"the provider must return RelayState as it came, and start no sign-ins by itself (IdP-initiated).",
	}
}

func hasLarge(form url.Values) bool {
	for name, values := range form {
		if len(name) > maxField || name != SAMLResponse && len(strings.Join(values, "")) > maxField {
			return true
		}
	}
	return false
}
