package optest

import (
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/html"

	"pachyderm/demo/op"
)

// The people that Start knows.
var (
	Alice = op.Person{Email: "alice@example.com", Name: "Alice Anderson", Password: "wonderland", Groups: []string{"admins", "engineers"}}
	Bob   = op.Person{Email: "bob@example.com", Name: "Bob Brown", Password: "builder", Groups: []string{"engineers"}}
)

// keys are those of all providers in turn, since they take long to make: two that run
// together have different ones.
var (
	keys    = [...]func() *rsa.PrivateKey{sync.OnceValue(key), sync.OnceValue(key), sync.OnceValue(key), sync.OnceValue(key)}
	started atomic.Uint64
)

func key() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// Start runs a provider for a relying party with the given callbacks.
func Start(t testing.TB, callbacks ...string) *op.Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	p, err := op.New(op.Config{
		Issuer: "http://" + server.Listener.Addr().String(), ClientID: "pachyderm", ClientSecret: "demo-secret-value",
		RedirectURIs: callbacks, People: []op.Person{Alice, Bob}, Key: keys[started.Add(1)%uint64(len(keys))](),
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// Page is where a browser has come to.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// Form is the page's first form as it would be sent.
func (p Page) Form() (action string, values url.Values) {
	action, _, values = firstForm(p.Body)
	return action, values
}

// Text is the page's text without its markup.
func (p Page) Text() string {
	var b strings.Builder
	z := html.NewTokenizer(strings.NewReader(p.Body))
	skip := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return strings.Join(strings.Fields(b.String()), " ")
		case html.StartTagToken:
			name, _ := z.TagName()
			skip = string(name) == "style" || string(name) == "script"
		case html.EndTagToken:
			skip = false
		case html.TextToken:
			if !skip {
				b.Write(z.Text())
				b.WriteByte(' ')
			}
		}
	}
}

// Browser follows redirects and keeps cookies. It stops before it would leave
// for a host in Stop, such as the loopback address of a waiting command.
type Browser struct {
	T      testing.TB
	Client *http.Client
	Stop   func(u *url.URL) bool
}

// NewBrowser is a browser without cookies.
func NewBrowser(t testing.TB, stop func(u *url.URL) bool) *Browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &Browser{T: t, Stop: stop}
	b.Client = &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 20 || b.Stop != nil && b.Stop(r.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// Get opens an address.
func (b *Browser) Get(u string) Page {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), http.MethodGet, u, nil)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.do(r)
}

// Submit sends the page's first form with the given values set or replaced.
func (b *Browser) Submit(p Page, values map[string]string) Page {
	b.T.Helper()
	action, method, form := firstForm(p.Body)
	if method == "" {
		b.T.Fatalf("no form on %s: %s", p.URL, p.Text())
	}
	for k, v := range values {
		form.Set(k, v)
	}
	target, err := p.URL.Parse(action)
	if err != nil {
		b.T.Fatal(err)
	}
	return b.send(strings.ToUpper(method), target.String(), form)
}

// Post sends a form that no page showed.
func (b *Browser) Post(u string, form url.Values) Page {
	b.T.Helper()
	return b.send(http.MethodPost, u, form)
}

func (b *Browser) send(method, u string, form url.Values) Page {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), method, u, strings.NewReader(form.Encode()))
	if err != nil {
		b.T.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return b.do(r)
}

func (b *Browser) do(r *http.Request) Page {
	b.T.Helper()
	res, err := b.Client.Do(r)
	if err != nil {
		b.T.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.T.Fatal(err)
	}
	at := res.Request.URL
	if to, err := res.Location(); err == nil {
		at = to
	}
	return Page{URL: at, Status: res.StatusCode, Header: res.Header, Body: string(body)}
}

// SignIn opens an address that leads to a demo provider and signs in there.
func (b *Browser) SignIn(u string, who op.Person) Page {
	b.T.Helper()
	return b.Submit(b.Get(u), map[string]string{"email": who.Email, "password": who.Password})
}

func firstForm(page string) (action, method string, values url.Values) {
	values = url.Values{}
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		switch z.Next() {
		case html.ErrorToken:
			return action, method, values
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "form" && method != "" {
				return action, method, values
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			a := map[string]string{}
			for _, at := range t.Attr {
				a[at.Key] = at.Val
			}
			switch {
			case t.Data == "form":
				action, method = a["action"], a["method"]
				if method == "" {
					method = "get"
				}
			case t.Data == "input" && method != "" && a["name"] != "":
				values.Set(a["name"], a["value"])
			}
		}
	}
}
