package op

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	_ "embed"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Person can sign in at the provider.
type Person struct {
	Email    string
	Name     string
	Password string
	Groups   []string
	// Unverified says that the address was never confirmed.
	Unverified bool
}

// Config is what a provider is made from.
type Config struct {
	Issuer       string // http is accepted: the provider is for this machine
	ClientID     string
	ClientSecret string
	RedirectURIs []string
	People       []Person
	Key          *rsa.PrivateKey // signs; New makes one where there is none
}

// Provider is an http.Handler.
type Provider struct {
	Config
	http.Handler
	key signingKey

	mu       sync.Mutex
	requests map[string]*authRequest // by id
	codes    map[string]string       // code -> id
	access   map[string]grant        // access token id
	refresh  map[string]grant        // refresh token
	hints    []string
}

// New makes a provider.
func New(c Config) (*Provider, error) {
	key := c.Key
	if key == nil {
		var err error
		if key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	p := &Provider{
		Config: c, key: signingKey{id: rand.Text(), key: key},
		requests: map[string]*authRequest{}, codes: map[string]string{}, access: map[string]grant{}, refresh: map[string]grant{},
	}
	config := &op.Config{
		CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true,
		SupportedScopes: []string{"openid", "profile", "email", "groups", "offline_access"},
	}
	if _, err := rand.Read(config.CryptoKey[:]); err != nil {
		return nil, err
	}
	provider, err := op.NewProvider(config, p, op.StaticIssuer(c.Issuer), op.WithAllowInsecure(), op.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", p.showLogin)
	mux.Handle("POST /login", op.NewIssuerInterceptor(provider.IssuerFromRequest).Handler(p.checkLogin(op.AuthCallbackURL(provider))))
	mux.Handle("/", provider)
	p.Handler = mux
	return p, nil
}

// Hints lists the login_hint of each authorization request so far.
func (p *Provider) Hints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.hints)
}

//go:embed login.html
var loginHTML string

var loginPage = template.Must(template.New("login").Parse(loginHTML))

type loginData struct {
	ID    string
	Hint  string
	Error string
}

func (p *Provider) show(w http.ResponseWriter, status int, d loginData) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, d)
}

func (p *Provider) showLogin(w http.ResponseWriter, r *http.Request) {
	a, ok := p.request(r.FormValue("id"))
	if !ok {
		http.Error(w, "this sign-in is over: start again", http.StatusBadRequest)
		return
	}
	p.show(w, http.StatusOK, loginData{ID: a.id, Hint: a.hint})
}

// checkLogin takes the form; next is where the library goes on.
func (p *Provider) checkLogin(next func(context.Context, string) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, ok := p.request(r.FormValue("id"))
		if !ok {
			http.Error(w, "this sign-in is over: start again", http.StatusBadRequest)
			return
		}
		if r.FormValue("cancel") != "" {
			deny(w, r, a)
			return
		}
		who, known := p.person(r.FormValue("email"))
		if !known || !passwordIs(who, r.FormValue("password")) {
			p.show(w, http.StatusUnauthorized, loginData{ID: a.id, Hint: r.FormValue("email"), Error: "Wrong e-mail address or password."})
			return
		}
		p.done(a.id, who)
		http.Redirect(w, r, next(r.Context(), a.id), http.StatusSeeOther)
	}
}

// deny tells the client that the person does not want to (RFC 6749, 4.1.2.1).
func deny(w http.ResponseWriter, r *http.Request, a *authRequest) {
	u, err := url.Parse(a.redirectURI)
	if err != nil {
		http.Error(w, "bad redirect URI", http.StatusBadRequest)
		return
	}
	q := u.Query()
	q.Set("error", "access_denied")
	q.Set("error_description", "the person cancelled the sign-in")
	q.Set("state", a.state)
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}

func (p *Provider) person(email string) (Person, bool) {
	for _, who := range p.People {
		if strings.EqualFold(who.Email, email) {
			return who, true
		}
	}
	return Person{}, false
}

func passwordIs(who Person, given string) bool {
	return subtle.ConstantTimeCompare([]byte(who.Password), []byte(given)) == 1
}

// claims are what the provider says of a person, by the scopes it was asked
// for.
func (p *Provider) claims(info *oidc.UserInfo, who Person, scopes []string) {
	for _, s := range scopes {
		switch s {
		case oidc.ScopeOpenID:
			info.Subject = subject(who)
		case oidc.ScopeEmail:
			info.Email, info.EmailVerified = who.Email, oidc.Bool(!who.Unverified)
		case oidc.ScopeProfile:
			info.Name, info.PreferredUsername = who.Name, who.Email
		case "groups":
			info.AppendClaims("groups", who.Groups)
		}
	}
}

// subject is stable and says nothing of the person.
func subject(who Person) string { return "demo|" + strings.ToLower(who.Email) }

func (p *Provider) bySubject(sub string) (Person, bool) {
	return p.person(strings.TrimPrefix(sub, "demo|"))
}

const tokensLiveFor = 10 * time.Minute
