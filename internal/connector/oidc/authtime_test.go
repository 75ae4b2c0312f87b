package oidc

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/fault"
)

func seconds64(n int64) *int64 { return &n }

// askFor has the login request ask for a proof that is no older.
func (f *fixture) askFor(maxAge *int64) { f.conn.deps.MaxAge = func(string) *int64 { return maxAge } }

func TestLoginURL_HasTheProviderAsk(t *testing.T) {
	none, consent, login, both := "none", "consent", "login", "select_account"
	for name, c := range map[string]struct {
		prompt      *string
		maxAge      *int64
		want, ofAge string
	}{
		"as it was":            {nil, nil, "", ""},
		"again":                {nil, seconds64(0), "login", "0"},
		"within an hour":       {nil, seconds64(3600), "", "3600"},
		"again with none":      {&none, seconds64(0), "login", "0"},
		"again with consent":   {&consent, seconds64(0), "login consent", "0"},
		"again, as always":     {&login, seconds64(0), "login", "0"},
		"again, which account": {&both, seconds64(0), "login select_account", "0"},
		"none as it was":       {&none, nil, "none", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, func(c2 *Config) {
				c2.PromptType, c2.ForwardedLoginParams = c.prompt, []string{"max_age"}
			}, nil)
			f.login = url.Values{}
			if c.maxAge != nil {
				f.login = url.Values{"max_age": {"99999"}} // ours counts
			}
			f.askFor(c.maxAge)
			to, _, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			if q := u.Query(); q.Get("prompt") != c.want || q.Get("max_age") != c.ofAge {
				t.Errorf("sent with %v", q)
			}
		})
	}
}

func TestOIDCCallback_WhenThePersonProvedIt(t *testing.T) {
	for name, c := range map[string]struct {
		maxAge   *int64
		authTime any // seconds from now; nil for none
		promised bool
		refused  string
		noted    bool
	}{
		"just now":                       {seconds64(0), 0, true, "", true},
		"by a clock that is behind":      {seconds64(0), -119, true, "", true},
		"remembered":                     {seconds64(0), -121, true, "did not ask who you are", false},
		"remembered, and not forced":     {nil, -7200, true, "", true},
		"old enough":                     {seconds64(3600), -7200, true, "", true}, // who asked decides
		"not said":                       {seconds64(0), nil, false, "", false},
		"not said, although promised":    {seconds64(0), nil, true, "does not say when you signed in", false},
		"not said, and not asked for":    {nil, nil, true, "", false},
		"no time":                        {seconds64(0), "yesterday", true, "auth_time is missing or is not a time", false},
		"no time, although nobody asked": {nil, "yesterday", false, "auth_time is missing or is not a time", false},
		"in the future":                  {seconds64(0), 86400, true, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, nil, func(p *provider) {
				if c.promised {
					p.discovery = func(d map[string]any) { d["claims_supported"] = []string{"auth_time"} }
				}
				value := c.authTime
				if n, ok := value.(int); ok {
					value = p.now().Unix() + int64(n)
				}
				p.claims = without("auth_time")
				if value != nil {
					p.claims = set(map[string]any{"auth_time": value})
				}
			})
			f.askFor(c.maxAge)
			to, data, err := f.conn.LoginURL(dexconn.Scopes{}, callbackURL, "the-state")
			if err != nil {
				t.Fatal(err)
			}
			ctx, proved := authtime.Watch(t.Context())
			_, err = f.conn.HandleCallback(dexconn.Scopes{}, data, httptest.NewRequestWithContext(ctx, http.MethodGet, f.visit(to).String(), nil))
			if c.refused == "" && err != nil || c.refused != "" && (err == nil || !strings.Contains(fault.Message(err), c.refused)) {
				t.Errorf("refused: %v", err)
			}
			if proved().IsZero() == c.noted || proved().After(f.clock.now()) || proved().Before(f.clock.now().Add(-3*time.Hour)) && c.noted {
				t.Errorf("noted %v", proved())
			}
		})
	}
}
