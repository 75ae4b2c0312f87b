package oidc

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
	"pachyderm/internal/webaddr"
)

func errorsAs[T error](err error) (T, bool) {
	var target T
	ok := errors.As(err, &target)
	return target, ok
}

func good() Config {
	return Config{Issuer: "https://dev.example.com/", ClientID: clientID, ClientSecret: clientSecret, RedirectURI: callbackURL}
}

// opened says why a connector cannot be opened.
func opened(c Config, allowHTTP bool) error {
	_, err := Open(c, Deps{Now: time.Now, Rules: document.Rules{Callback: callbackURL, AllowHTTP: allowHTTP}})
	return err
}

func TestOIDCConfig_Accepted(t *testing.T) {
	skip := func(uri string) func(*Config) {
		return func(c *Config) { c.RedirectURI, c.InsecureSkipIssuerCallbackDomainCheck = uri, true }
	}
	for name, change := range map[string]func(*Config){
		"plain":                      func(*Config) {},
		"no secret":                  func(c *Config) { c.ClientSecret, c.TokenEndpointAuthMethod = "", "private_key_jwt" },
		"one method, twice":          func(c *Config) { c.BasicAuthUnsupported, c.TokenEndpointAuthMethod = true, "client_secret_post" },
		"an issuer on this machine":  func(c *Config) { c.Issuer = "http://localhost:5556/dex" },
		"another":                    func(c *Config) { c.Issuer = "http://[::1]:5556" },
		"another host, check off":    skip("https://192.168.49.2:30658/callback"),
		"all parameters of the page": func(c *Config) { c.InsecureEnableGroups, c.ForwardedLoginParams = true, []string{"login_hint"} },
	} {
		c := good()
		change(&c)
		if err := opened(c, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := good()
	c.Issuer = "http://idp.example.com"
	if err := opened(c, true); err != nil {
		t.Errorf("http where it is allowed: %v", err)
	}
}

func TestOIDCConfig_Refused(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*Config)
		field, want string
	}{
		{"no issuer", func(c *Config) { c.Issuer = "" }, "config.issuer", "issuer is missing"},
		{"no client", func(c *Config) { c.ClientID = "" }, "config.clientID", "clientID is missing"},
		{"no secret", func(c *Config) { c.ClientSecret = "" }, "config.clientSecret", "clientSecret is missing"},
		{"no secret for a method that needs one", func(c *Config) { c.ClientSecret, c.TokenEndpointAuthMethod = "", "client_secret_jwt" }, "config.clientSecret", "set tokenEndpointAuthMethod to private_key_jwt, which needs none"},
		{"a method that is none", func(c *Config) { c.TokenEndpointAuthMethod = "tls_client_auth" }, "config.tokenEndpointAuthMethod", "use one of client_secret_basic"},
		{"two methods", func(c *Config) { c.BasicAuthUnsupported, c.TokenEndpointAuthMethod = true, "client_secret_basic" }, "config.basicAuthUnsupported", "set only one of them"},
		{"no redirect", func(c *Config) { c.RedirectURI = "" }, "config.redirectURI", "redirectURI is missing"},
		{"a secret with a line end", func(c *Config) { c.ClientSecret = "x\n" }, "config.clientSecret", "white space"},
		{"plain http", func(c *Config) { c.Issuer = "http://idp.example.com" }, "config.issuer", "only https is accepted"},
		{"a look-alike of localhost", func(c *Config) { c.Issuer = "http://localhost.evil.test" }, "config.issuer", "only https is accepted"},
		{"a password", func(c *Config) { c.Issuer = "https://u:hunter2@x.test" }, "config.issuer", "user name or password"},
		{"a query", func(c *Config) { c.Issuer = "https://x.test?a=b" }, "config.issuer", "no query"},
		{"an empty query", func(c *Config) { c.Issuer = "https://x.test?" }, "config.issuer", "no query"},
		{"a fragment", func(c *Config) { c.Issuer = "https://x.test#" }, "config.issuer", "no fragment"},
		{"no scheme", func(c *Config) { c.Issuer = "dev.example.com" }, "config.issuer", "must begin with https://"},
		{"a file", func(c *Config) { c.Issuer = "file:///etc/passwd" }, "config.issuer", "must begin with https://"},
		{"a backslash", func(c *Config) { c.Issuer = `https://x.test\@evil.test` }, "config.issuer", "is not a URL"},
		{"the page's placeholder", func(c *Config) { c.RedirectURI = "http://<ip>:30658/callback" }, "config.redirectURI", "placeholder"},
		{
			"another callback", func(c *Config) { c.RedirectURI = "http://10.0.0.7:30658/callback" }, "config.redirectURI",
			"redirectURI is http://10.0.0.7:30658/callback, but sign-ins come back to http://localhost:30658/callback",
		},
		{
			"the switch is named", func(c *Config) { c.RedirectURI = "https://localhost:30658/callback" }, "config.redirectURI",
			"set insecureSkipIssuerCallbackDomainCheck to true",
		},
		{"a slash too many", func(c *Config) { c.RedirectURI += "/" }, "config.redirectURI", "sign-ins come back to"},
		{"another path, check off", func(c *Config) {
			c.RedirectURI, c.InsecureSkipIssuerCallbackDomainCheck = "http://10.0.0.7/dex/callback", true
		}, "config.redirectURI", "not another path"},
		{"a query, check off", func(c *Config) {
			c.RedirectURI, c.InsecureSkipIssuerCallbackDomainCheck = "http://10.0.0.7/callback?x=y", true
		}, "config.redirectURI", "no query"},
		{
			"a parameter of the protocol", func(c *Config) { c.ForwardedLoginParams = []string{"login_hint", "Redirect_URI"} },
			"config.forwardedLoginParams[1]", "belongs to the protocol",
		},
		{
			"an assertion", func(c *Config) { c.ForwardedLoginParams = []string{"Client_Assertion"} }, "config.forwardedLoginParams[0]",
			"belongs to the protocol",
		},
		{
			"a challenge", func(c *Config) { c.ForwardedLoginParams = []string{"code_challenge_method"} }, "config.forwardedLoginParams[0]",
			"belongs to the protocol",
		},
		{
			"no parameter", func(c *Config) { c.ForwardedLoginParams = []string{""} }, "config.forwardedLoginParams[0]",
			"not the name of a query parameter",
		},
		{"two parameters in one", func(c *Config) { c.ForwardedLoginParams = []string{"a b"} }, "config.forwardedLoginParams[0]", "is not the name"},
		{"a parameter beyond ASCII", func(c *Config) { c.ForwardedLoginParams = []string{"größe"} }, "config.forwardedLoginParams[0]", "is not the name"},
		{"a scope beyond ASCII", func(c *Config) { c.Scopes = []string{"größe"} }, "config.scopes[0]", "is not a scope"},
		{"a scope in quotes", func(c *Config) { c.Scopes = []string{`"email"`} }, "config.scopes[0]", "is not a scope"},
		{"a scope with a backslash", func(c *Config) { c.Scopes = []string{`a\b`} }, "config.scopes[0]", "is not a scope"},
		{"two scopes in one", func(c *Config) { c.Scopes = []string{"profile email"} }, "config.scopes[0]", "is not a scope"},
		{"no signature", func(c *Config) { c.SigningAlgorithms = []string{"none"} }, "config.signingAlgorithms[0]", "choose from RS256"},
		{
			"a symmetric signature", func(c *Config) { c.SigningAlgorithms = []string{"RS256", "HS256"} }, "config.signingAlgorithms[1]",
			"choose from",
		},
		{
			"allowed groups without groups", func(c *Config) { c.AllowedGroups = []string{"a"} }, "config.allowedGroups",
			"set insecureEnableGroups to true",
		},
		{
			"two claims for the name", func(c *Config) { c.UserNameKey, c.ClaimMapping.Name = "a", "b" }, "config.userNameKey",
			"set only one of them",
		},
		{
			"an unverified claim for the address", func(c *Config) { c.ClaimMapping.Email = "upn" }, "config.claimMapping.email",
			"set insecureSkipEmailVerified to true",
		},
		{
			"a broken certificate", func(c *Config) { c.RootCAs = []string{"-----BEGIN CERTIFICATE-----\nx"} }, "config.rootCAs[0]",
			"no certificate that can be read",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good()
			c.change(&cfg)
			err := opened(cfg, false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if fault.KindOf(err) != fault.Invalid || fault.FieldOf(err) != c.field {
				t.Errorf("got %q at %q, want it at %q", fault.KindOf(err), fault.FieldOf(err), c.field)
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), clientSecret) {
				t.Errorf("a secret was told: %v", err)
			}
		})
	}
}

func TestOpen_ChecksTheConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"an issuer by http": func(c *Config) { c.Issuer = "http://idp.example.com" },
		"a missing file":    func(c *Config) { c.RootCAs = []string{file + ".not"} },
		"no certificate":    func(c *Config) { c.RootCAs = []string{file} },
	} {
		c := good()
		change(&c)
		if _, err := Open(c, Deps{Now: time.Now}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Open(good(), Deps{}); !fault.Is(err, fault.Internal) {
		t.Errorf("no clock: got %v", err)
	}
}

func TestOIDCConfig_NeverPrintsItsSecret(t *testing.T) {
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("opened", "config", good())
	for _, text := range []string{
		fmt.Sprint(good()), fmt.Sprintf("%+v", good()), fmt.Sprintf("%#v", good()), fmt.Sprintf("%q", good()), log.String(),
	} {
		if strings.Contains(text, clientSecret) {
			t.Errorf("got %s", text)
		}
	}
}

func FuzzOIDCConfig(f *testing.F) {
	for _, seed := range []string{
		`{"issuer": "https://dev.example.com/", "clientID": "a", "clientSecret": "b", "redirectURI": "http://localhost:30658/callback", "forwardedLoginParams": ["login_hint"]}`,
		`{"issuer": "http://127.0.0.1:80", "clientID": "a", "clientSecret": "b", "redirectURI": "https://h/callback", "insecureSkipIssuerCallbackDomainCheck": true, "insecureSkipEmailVerified": true, "claimMapping": {"email": "upn"}}`,
		`{"issuer": "https://%zz", "clientID": 7, "rootCAs": ["-----BEGIN"], "signingAlgorithms": ["EdDSA"], "promptType": null}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc map[string]any
		if json.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		var c Config
		err := strict.DecodeValue(doc, &c, "config")
		if err == nil {
			err = opened(c, false)
		}
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("got %q: %v", fault.KindOf(err), err)
			}
			return
		}
		issuer, err := url.Parse(c.Issuer)
		if err != nil || issuer.User != nil || issuer.RawQuery != "" || issuer.Host == "" ||
			(issuer.Scheme != "https" && !webaddr.IsLoopback(issuer.Hostname())) {
			t.Errorf("accepted the issuer %q", c.Issuer)
		}
		redirect, err := url.Parse(c.RedirectURI)
		if err != nil || redirect.Path != "/callback" || (!c.InsecureSkipIssuerCallbackDomainCheck && c.RedirectURI != callbackURL) {
			t.Errorf("accepted the redirectURI %q", c.RedirectURI)
		}
	})
}
