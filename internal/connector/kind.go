package connector

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"sync"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/mock"

	"pachyderm/internal/connector/ldap"
	"pachyderm/internal/connector/oauth"
	"pachyderm/internal/connector/oidc"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/saml"
	"pachyderm/internal/fault"
)

// kind is one type of connector.
type kind struct {
	shape reflect.Type // of its document
	open  func(id string, config map[string]any, d Deps) (*Provider, error)
}

// document is a type's struct, which knows how to open a connector from itself.
type document[T any] interface {
	*T
	open(id string, d Deps) (connector.Connector, error)
}

// of makes a kind of a struct; typ is for messages.
func of[T any, D document[T]](typ string) kind {
	return kind{shape: reflect.TypeFor[T](), open: func(id string, config map[string]any, d Deps) (*Provider, error) {
		doc := D(new(T))
		if err := decode(config, doc); err != nil {
			return nil, err
		}
		d = d.answeredAt(redirectOf(doc))
		if err := checkShape(typ, doc, d); err != nil {
			return nil, err
		}
		c, err := doc.open(id, d)
		if err != nil {
			return nil, asFault(err)
		}
		p := &Provider{Connector: c, callback: d.Callback}
		if s, ok := any(doc).(interface{ site(Deps) probe.Site }); ok {
			p.site = s.site(d)
		}
		return p, nil
	}}
}

// redirectOf is where a document has people sent back to, or "".
func redirectOf(doc any) string {
	v := reflect.ValueOf(doc).Elem()
	if f := valueAt(v, "redirectURI"); f.Kind() == reflect.String {
		return f.String()
	}
	return ""
}

// answeredAt takes the address that browsers have for us where a document
// gives that one.
func (d Deps) answeredAt(redirect string) Deps {
	if redirect != "" && redirect != d.Callback && d.Outside != nil && redirect == d.Outside() {
		d.Callback = redirect
	}
	return d
}

// asFault blames the document for what Dex refuses to open.
func asFault(err error) error {
	if fault.KindOf(err) != fault.Internal {
		return err
	}
	return fault.New(fault.Invalid, "config: %v", err).At("config")
}

// kinds are made once: each login asks for its type several times.
var kinds = sync.OnceValue(func() map[string]kind {
	return map[string]kind{
		"oidc":            of[oidcDoc]("oidc"),
		"saml":            of[samlDoc]("saml"),
		"ldap":            of[ldapDoc]("ldap"),
		"github":          of[githubDoc]("github"),
		"gitlab":          of[gitlabDoc]("gitlab"),
		"gitea":           of[giteaDoc]("gitea"),
		"google":          of[googleDoc]("google"),
		"microsoft":       of[microsoftDoc]("microsoft"),
		"bitbucket-cloud": of[bitbucketDoc]("bitbucket-cloud"),
		"linkedin":        of[linkedinDoc]("linkedin"),
		"openshift":       of[openshiftDoc]("openshift"),
		"oauth":           of[oauthDoc]("oauth"),
		"keystone":        of[keystoneDoc]("keystone"),
		"atlassian-crowd": of[crowdDoc]("atlassian-crowd"),
		"authproxy":       of[authproxyDoc]("authproxy"),
		"mockCallback":    of[mockCallbackDoc]("mockCallback"),
		"mockPassword":    of[mockPasswordDoc]("mockPassword"),
	}
})

// Types lists the types that can be used, sorted.
func Types() []string { return slices.Sorted(maps.Keys(kinds())) }

func kindNamed(typ string) (kind, error) {
	k, ok := kinds()[typ]
	if !ok {
		return kind{}, fault.New(fault.Invalid, "unknown connector type %q", typ).
			Next("use one of %v", Types()).At("type")
	}
	return k, nil
}

// secretsOf lists the keys of a type that hold secrets.
func secretsOf(typ string) []string {
	k, ok := kinds()[typ]
	if !ok {
		return nil
	}
	var out []string
	for _, f := range keysOf(k.shape, "") {
		if f.is("secret") {
			out = append(out, f.path)
		}
	}
	return out
}

type oidcDoc oidc.Config

func (c *oidcDoc) open(_ string, d Deps) (connector.Connector, error) {
	if err := oidc.Config(*c).Validate(d.Callback, d.AllowHTTP); err != nil {
		return nil, err
	}
	return oidc.Open(oidc.Config(*c), oidc.Deps{Now: d.Now, LoginParams: d.LoginParams, AllowHTTP: d.AllowHTTP, Log: d.Log})
}

type samlDoc saml.Config

func (c *samlDoc) open(_ string, d Deps) (connector.Connector, error) {
	if err := saml.Config(*c).Validate(d.Callback, d.AllowHTTP); err != nil {
		return nil, err
	}
	return saml.Open(saml.Config(*c), saml.Deps{Now: d.Now, Log: d.Log, AllowHTTP: d.AllowHTTP, FormURL: d.FormURL})
}

type ldapDoc ldap.Config

func (c *ldapDoc) open(string, Deps) (connector.Connector, error) { return ldap.Open(ldap.Config(*c)) }

func (c *ldapDoc) site(Deps) probe.Site {
	u := url.URL{Scheme: "ldap", Host: ldap.Config(*c).Address()}
	return probe.Site{Issuer: u.String()}
}

type oauthDoc oauth.Config

func (c *oauthDoc) open(string, Deps) (connector.Connector, error) {
	return oauth.Open(oauth.Config(*c))
}

func (c *oauthDoc) site(Deps) probe.Site {
	return probe.Site{
		Base: c.AuthorizationURL, Issuer: c.AuthorizationURL, AuthURL: c.AuthorizationURL, TokenURL: c.TokenURL, RootCAs: c.RootCAs,
		Client: probe.Client{ID: c.ClientID, Secret: c.ClientSecret, RedirectURI: c.RedirectURI},
	}
}

// The mock connectors are Dex's, for tests and trials: mockCallback signs in
// the same made-up person without asking anything.
type mockCallbackDoc struct{}

func (*mockCallbackDoc) open(_ string, d Deps) (connector.Connector, error) { //nolint:unparam // as all documents
	return mock.NewCallbackConnector(d.Log), nil
}

type mockPasswordDoc struct {
	Username string `json:"username" rule:"required" doc:"the one user name"`
	Password string `json:"password" rule:"required,secret" doc:"the password of it"`
}

func (c *mockPasswordDoc) open(id string, d Deps) (connector.Connector, error) {
	out := mock.PasswordConfig{Username: c.Username, Password: c.Password}
	return out.Open(id, d.Log)
}
