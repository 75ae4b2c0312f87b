package pachd_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// What a login costs PostgreSQL: transactions and statements of each of its requests, as
// the server counts them, BEGIN and COMMIT among the statements. Whoever adds one sees
// it here.
func TestLogin_TransactionsAndStatements(t *testing.T) {
	counter, database := dbtest.NewCounter(t, dbtest.PostgresURL(t))
	s := pachdtest.Start(t, func(c *config.Config) { c.Database.URL, c.Limits.SignInsPerMinute = secret.Text(database), 1000 })
	s.Connect()
	password := registry.Connector{ID: "office", Name: "Office", Type: "mockPassword", Config: map[string]any{"username": "kilgore", "password": "trout"}}
	if err := s.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), password); err != nil {
		t.Fatal(err)
	}
	ways := map[string]func(b *optest.Browser, page optest.Page) optest.Page{
		"by password": func(b *optest.Browser, page optest.Page) optest.Page {
			return b.Submit(page, map[string]string{"login": "kilgore", "password": "trout"})
		},
		"at a provider": func(b *optest.Browser, page optest.Page) optest.Page {
			return b.Submit(page, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
		},
	}
	for name, c := range map[string]struct {
		connector string
		most      [4]cost // of the first page, the rest up to the code, the tokens, the session
	}{
		"by password":   {"office", [4]cost{{1, 4}, {5, 14}, {2, 7}, {1, 7}}},
		"at a provider": {"demo", [4]cost{{1, 4}, {3, 13}, {2, 7}, {1, 7}}},
	} {
		t.Run(name, func(t *testing.T) {
			least := [4]cost{}
			for turn := range 6 {
				var spent [4]cost
				l := &counted{Server: s, t: t, verifier: rand.Text() + rand.Text()}
				page, end, id := optest.Page{}, optest.Page{}, ""
				for n, step := range []func(){
					func() { page = l.begin(c.connector) },
					func() { end = ways[name](l.browser, page) },
					func() { id = l.redeem(end) },
					func() { l.authenticate(id) },
				} {
					before := costs(counter)
					step()
					spent[n] = costs(counter).less(before)
				}
				for n := range least { // pachd does other things, too
					if turn <= 1 || spent[n].statements < least[n].statements {
						least[n] = spent[n]
					}
				}
			}
			for n, step := range []string{"first page", "code", "tokens", "session"} {
				if least[n].transactions > c.most[n].transactions || least[n].statements > c.most[n].statements {
					t.Errorf("%s: %+v, at most %+v", step, least[n], c.most[n])
				}
			}
		})
	}
}

type cost struct{ transactions, statements int64 }

func (c cost) less(before cost) cost {
	return cost{c.transactions - before.transactions, c.statements - before.statements}
}

func costs(c *dbtest.Counter) (now cost) {
	now.transactions, now.statements = c.Counts()
	return now
}

// counted is a login, as pachctl does it.
type counted struct {
	*pachdtest.Server
	t        *testing.T
	browser  *optest.Browser
	verifier string
}

const redirectURI = "http://127.0.0.1:7/answer"

func (l *counted) begin(connector string) optest.Page {
	l.t.Helper()
	sum := sha256.Sum256([]byte(l.verifier))
	l.browser = optest.NewBrowser(l.t, func(u *url.URL) bool { return u.Host == "127.0.0.1:7" })
	return l.browser.Get(l.Issuer.Endpoint("/auth") + "?" + url.Values{
		"client_id": {issuer.CLIClient}, "redirect_uri": {redirectURI}, "response_type": {"code"}, "scope": {"openid email groups"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "connector_id": {connector},
	}.Encode())
}

func (l *counted) redeem(end optest.Page) (idToken string) {
	l.t.Helper()
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {issuer.CLIClient}, "redirect_uri": {redirectURI},
		"code": {end.URL.Query().Get("code")}, "code_verifier": {l.verifier},
	}
	r, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.Issuer.Endpoint("/token"), strings.NewReader(form.Encode()))
	if err != nil {
		l.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var tokens struct {
		ID string `json:"id_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || tokens.ID == "" {
		l.t.Fatalf("no ID token at %s: %s, %v", end.URL, end.Text(), err)
	}
	return tokens.ID
}

func (l *counted) authenticate(idToken string) {
	l.t.Helper()
	if _, err := l.API.Auth.Authenticate(l.t.Context(), &authpb.AuthenticateRequest{IdToken: idToken}); err != nil {
		l.t.Fatal(err)
	}
}
