package issuer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/dexidp/dex/storage"
)

// hopped marks a request that was sent on from another host name, so that a
// proxy which hides the host cannot make it go round in circles.
const hopped = "pach_hop"

// flow is one HTTP request of a login: what our side knows that Dex does not
// hand on. It travels in the context, and by state where Dex has no context.
type flow struct {
	browser  string     // hash of the browser's cookie
	params   url.Values // query of the login request
	revision string     // of the connector, once one has been read
	request  *storage.AuthRequest
	err      error // why the connector, or our check of its answer, refused
}

type flowKey struct{}

func withFlow(ctx context.Context, f *flow) context.Context {
	return context.WithValue(ctx, flowKey{}, f)
}

func flowOf(ctx context.Context) *flow {
	f, _ := ctx.Value(flowKey{}).(*flow)
	return f
}

// flowByState finds the flow of the HTTP request under way that made the auth
// request. Dex's LoginURL gets nothing else.
func (i *Issuer) flowByState(state string) *flow {
	f, ok := i.flows.Load(state)
	if !ok {
		return nil
	}
	return f.(*flow)
}

func (i *Issuer) loginParams(state string) url.Values {
	if f := i.flowByState(state); f != nil {
		return f.params
	}
	return nil
}

// envelope is what an auth request keeps, as Dex's connector data, until its
// person has signed in: the browser and the connector revision it began with,
// and what the connector itself wants back.
type envelope struct {
	Browser  string `json:"browser"`
	Revision string `json:"revision"`
	Inner    []byte `json:"inner,omitempty"`
}

func (f *flow) seal(inner []byte) ([]byte, error) {
	return json.Marshal(envelope{Browser: f.browser, Revision: f.revision, Inner: inner})
}

func openEnvelope(data []byte) (e envelope, err error) {
	err = json.Unmarshal(data, &e)
	return e, err
}

// The cookie binds a login to the browser it began in (RFC 9700, 4.7.1). With
// __Host- no other host of the domain can plant one; http cannot carry that.
func (s *served) cookieName() string {
	if s.url.Scheme == "https" {
		return "__Host-pach-login"
	}
	return "pach-login"
}

// browser returns the hash of the browser's cookie, or "".
func (s *served) browser(r *http.Request) string {
	c, err := r.Cookie(s.cookieName())
	if err != nil || len(c.Value) < 26 {
		return ""
	}
	return hash(c.Value)
}

// ensureBrowser gives the browser a cookie if it has none.
func (s *served) ensureBrowser(w http.ResponseWriter, r *http.Request) string {
	if b := s.browser(r); b != "" {
		return b
	}
	value := rand.Text()
	http.SetCookie(w, &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", HttpOnly: true, Secure: s.url.Scheme == "https", SameSite: http.SameSiteLaxMode,
	})
	return hash(value)
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func same(a, b string) bool {
	return a != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// rehost sends a browser that came by another name of this host to the
// issuer's own, where its cookie is. The target is ours, whatever was asked.
func (s *served) rehost(w http.ResponseWriter, r *http.Request) bool {
	q := r.URL.Query()
	if r.Method != http.MethodGet || r.Host == s.url.Host || q.Has(hopped) {
		return false
	}
	q.Set(hopped, "1")
	target := s.url.URL
	target.Path = r.URL.Path
	target.RawQuery = q.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
	return true
}
