package connector

import (
	"maps"
	"net/url"
	"reflect"
	"slices"
	"sync"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector/dex"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/ldap"
	"pachyderm/internal/connector/oauth"
	"pachyderm/internal/connector/oidc"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/saml"
	"pachyderm/internal/fault"
)

// kind is one type of connector.
type kind struct {
	document reflect.Type
	keys     []document.Key // of it
	// open makes a connector from a pointer to a decoded document.
	open func(id string, doc any, d Deps) (dexconn.Connector, probe.Site, error)
}

// of makes a kind of our own.
func of[T any](open func(T, Deps) (dexconn.Connector, probe.Site, error)) kind {
	return kind{document: reflect.TypeFor[T](), open: func(_ string, doc any, d Deps) (dexconn.Connector, probe.Site, error) {
		return open(*doc.(*T), d)
	}}
}

// kinds are made once: each login asks for its type several times.
var kinds = sync.OnceValue(func() map[string]kind {
	all := map[string]kind{"oidc": of(openOIDC), "saml": of(openSAML), "ldap": of(openLDAP), "oauth": of(openOAuth)}
	for typ, t := range dex.Types() {
		all[typ] = kind{document: t.Document, open: func(id string, doc any, d Deps) (dexconn.Connector, probe.Site, error) {
			return t.Open(id, doc, dex.Deps{Now: d.Now, Log: d.Log, Rules: d.rules(), TrustedProxies: d.TrustedProxies})
		}}
	}
	for typ, k := range all {
		k.keys = document.Keys(k.document)
		all[typ] = k
	}
	return all
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
	var out []string
	for _, k := range kinds()[typ].keys {
		if k.Is("secret") {
			out = append(out, k.Path)
		}
	}
	return out
}

func openOIDC(c oidc.Config, d Deps) (dexconn.Connector, probe.Site, error) {
	conn, err := oidc.Open(c, oidc.Deps{
		Now: d.Now, Log: d.Log, Rules: d.rules(), LoginParams: d.LoginParams, MaxAge: d.MaxAge, ClientKeys: d.ClientKeys, Promoted: d.promoted,
	})
	return conn, probe.Site{Issuer: c.Issuer}, err
}

func openSAML(c saml.Config, d Deps) (dexconn.Connector, probe.Site, error) {
	conn, err := saml.Open(c, saml.Deps{Now: d.Now, Log: d.Log, Rules: d.rules(), FormURL: d.FormURL, MaxAge: d.MaxAge})
	if err != nil {
		return nil, probe.Site{}, err
	}
	return conn, probe.Site{Issuer: conn.Issuer()}, nil
}

func openLDAP(c ldap.Config, _ Deps) (dexconn.Connector, probe.Site, error) {
	conn, err := ldap.Open(c)
	address := url.URL{Scheme: "ldap", Host: c.Address()}
	return conn, probe.Site{Issuer: address.String()}, err
}

func openOAuth(c oauth.Config, d Deps) (dexconn.Connector, probe.Site, error) {
	conn, err := oauth.Open(c, d.rules())
	return conn, probe.Site{
		Base: c.AuthorizationURL, Issuer: c.AuthorizationURL, RootCAs: c.RootCAs,
		OAuth: oauth2.Config{
			ClientID: c.ClientID, ClientSecret: c.ClientSecret, RedirectURL: c.RedirectURI,
			Endpoint: oauth2.Endpoint{AuthURL: c.AuthorizationURL, TokenURL: c.TokenURL},
		},
	}, err
}
