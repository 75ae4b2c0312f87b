package saml

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
)

// opened says why a connector cannot be opened.
func opened(c Config, allowHTTP bool) error {
	rules := document.Rules{Callback: callbackURL, AllowHTTP: allowHTTP}
	_, err := Open(c, Deps{Now: at, Rules: rules, FormURL: func(string) string { return "form" }})
	return err
}

func TestSAMLConfig_Accepted(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"plain":                      func(*Config) {},
		"base64 of PEM":              func(c *Config) { c.CAData = base64.StdEncoding.EncodeToString([]byte(c.CAData)) },
		"a provider on this machine": func(c *Config) { c.SSOURL = "http://localhost:8080/sso" },
		"metadata":                   func(c *Config) { c.SSOURL, c.CAData, c.Metadata = "", "", metadataOf(entityID, ours()) },
		"metadata and a certificate": func(c *Config) { c.SSOURL, c.MetadataURL = "", "https://idp.example.com/metadata?appid=1" },
		"a short format":             func(c *Config) { c.NameIDPolicyFormat = "X509SubjectName" },
		"a format":                   func(c *Config) { c.NameIDPolicyFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:kerberos" },
		"no issuer":                  func(c *Config) { c.SSOIssuer = "" },
	} {
		c := config()
		change(&c)
		if err := opened(c, false); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := config()
	c.SSOURL = "http://idp.example.com/sso"
	if err := opened(c, true); err != nil {
		t.Errorf("http where it is allowed: %v", err)
	}
}

func TestSAMLConfig_Refused(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*Config)
		field, want string
	}{
		{
			"signatures off", func(c *Config) { c.InsecureSkipSignatureValidation = true }, "config.insecureSkipSignatureValidation",
			"anybody sign in as anybody",
		},
		{"no redirect", func(c *Config) { c.RedirectURI = "" }, "config.redirectURI", "redirectURI is missing"},
		{"no address", func(c *Config) { c.EmailAttr = "" }, "config.emailAttr", "emailAttr is missing"},
		{"a line end", func(c *Config) { c.EmailAttr = "email\n" }, "config.emailAttr", "white space"},
		{"no provider", func(c *Config) { c.SSOURL = "" }, "config.metadataURL", "which provider is meant"},
		{"two providers", func(c *Config) { c.MetadataURL = "https://x.test" }, "config.ssoURL", "more than once"},
		{"no certificate", func(c *Config) { c.CAData = "" }, "config.caData", "caData is missing"},
		{"not PEM", func(c *Config) { c.CAData = "%" }, "config.caData", "neither PEM"},
		{"half of PEM", func(c *Config) { c.CAData = c.CAData[:len(c.CAData)-40] }, "config.caData", "does not end with a whole certificate"},
		{"a broken certificate", func(c *Config) {
			c.CAData = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")}))
		}, "config.caData", "cannot be read"},
		{"a key", func(c *Config) {
			c.CAData += string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}))
		}, "config.caData", "PRIVATE KEY"},
		{"roots without use", func(c *Config) { c.RootCAs = []string{ours().pem()} }, "config.rootCAs", "remove it"},
		{"plain http", func(c *Config) { c.SSOURL = "http://idp.example.com" }, "config.ssoURL", "only https is accepted"},
		{"a look-alike of localhost", func(c *Config) { c.SSOURL = "http://localhost.evil.test" }, "config.ssoURL", "only https is accepted"},
		{"script", func(c *Config) { c.SSOURL = "javascript:alert(1)" }, "config.ssoURL", "must begin with https://"},
		{"a password", func(c *Config) { c.SSOURL = "https://u:hunter2@x.test" }, "config.ssoURL", "user name or password"},
		{"metadata that is none", func(c *Config) { c.SSOURL, c.Metadata = "", "<a/>" }, "config.metadata", "not SAML metadata"},
		{
			"another callback", func(c *Config) { c.RedirectURI = "https://other.example.com/callback" }, "config.redirectURI",
			"redirectURI is https://other.example.com/callback, but sign-ins come back to " + callbackURL,
		},
		{"a query", func(c *Config) { c.RedirectURI += "?x=y" }, "config.redirectURI", "sign-ins come back to"},
		{"a placeholder", func(c *Config) { c.RedirectURI = "http://<ip>:30658/callback" }, "config.redirectURI", "placeholder"},
		{"a binding", func(c *Config) { c.RequestBinding = "artifact" }, "config.requestBinding", "use one of redirect, post"},
		{"a format", func(c *Config) { c.NameIDPolicyFormat = "email" }, "config.nameIDPolicyFormat", "use persistent"},
		{"a format with a space", func(c *Config) { c.NameIDPolicyFormat = "urn:a b" }, "config.nameIDPolicyFormat", "use persistent"},
		{"a format beyond ASCII", func(c *Config) { c.NameIDPolicyFormat = "urn:größe" }, "config.nameIDPolicyFormat", "use persistent"},
		{"a transient user id", func(c *Config) { c.NameIDPolicyFormat = "transient" }, "config.usernameAttr", "new at each sign-in"},
		{"a delimiter of nothing", func(c *Config) { c.GroupsAttr, c.GroupsDelim = "", ";" }, "config.groupsDelim", "set groupsAttr"},
		{
			"allowed groups of none", func(c *Config) { c.GroupsAttr, c.AllowedGroups = "", []string{"x"} }, "config.allowedGroups",
			"set groupsAttr",
		},
		{"a filter of nothing", func(c *Config) { c.FilterGroups = true }, "config.filterGroups", "there are none"},
	} {
		cfg := config()
		c.change(&cfg)
		err := opened(cfg, false)
		if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != c.field || !strings.Contains(fault.Message(err), c.want) {
			t.Errorf("%s: at %q: %v", c.name, fault.FieldOf(err), err)
		}
		if strings.Contains(fault.Message(err), "hunter2") {
			t.Errorf("%s: shows a password: %v", c.name, err)
		}
	}
}

// Every key of Dex's connector has its place here.
func TestSAMLConfig_TakesDexKeys(t *testing.T) {
	const document = `{"entityIssuer":"a","ssoIssuer":"b","ssoURL":"c","ca":"d","caData":"e","redirectURI":"f","usernameAttr":"g","emailAttr":"h",
"groupsAttr":"i","groupsDelim":"j","allowedGroups":["k"],"filterGroups":true,"nameIDPolicyFormat":"l","insecureSkipSignatureValidation":true}`
	d := json.NewDecoder(strings.NewReader(document))
	d.DisallowUnknownFields()
	var c Config
	if err := d.Decode(&c); err != nil || c.FilterGroups != true || c.AllowedGroups[0] != "k" || c.CAData != "e" {
		t.Errorf("%+v: %v", c, err)
	}
}

func TestSAMLConfig_CertificateInAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "idp.pem")
	if err := os.WriteFile(file, []byte(ours().pem()), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.CAData, cfg.CA = "", file
	c, _ := open(t, cfg)
	if _, err := signIn(t, c, func(*draft) {}); err != nil {
		t.Error(err)
	}
	cfg.CA = file + "x"
	if _, err := Open(cfg, c.deps); !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "config.ca" {
		t.Errorf("a file that is not there: %v", err)
	}
}
