package idp

import (
	"encoding/base64"
	"encoding/xml"
	"html/template"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/crewjam/saml"
)

// Crewjam is the SAML identity provider of the Go module crewjam/saml. It names
// attributes by OID, and encrypts assertions if the service provider's metadata
// have a key for that. The NameID is persistent and is the user name.
type Crewjam struct {
	*inProcess

	EntityID, MetadataURL, SSOURL string // the first two are the same
	Certificate                   []byte // PEM
	People                        []Person

	sp *saml.EntityDescriptor
}

// What Crewjam calls the attributes.
const (
	CrewjamUser   = "urn:oid:0.9.2342.19200300.100.1.1"
	CrewjamEmail  = "urn:oid:0.9.2342.19200300.100.1.3"
	CrewjamName   = "urn:oid:2.5.4.3"
	CrewjamGroups = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"
)

const persistent = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"

// StartCrewjam runs it for the service provider that has these metadata.
func StartCrewjam(tb testing.TB, spMetadata []byte) *Crewjam {
	tb.Helper()
	sp := &saml.EntityDescriptor{}
	if err := xml.Unmarshal(spMetadata, sp); err != nil {
		tb.Fatal(err)
	}
	address, pair := FreeAddress(tb), newRSA(tb)
	at := func(path string) url.URL { return url.URL{Scheme: "http", Host: address, Path: path} }
	metadata, sso := at("/metadata"), at("/sso")
	c := &Crewjam{
		EntityID: metadata.String(), MetadataURL: metadata.String(), SSOURL: sso.String(), Certificate: pair.certPEM,
		People: []Person{Alice, Bob}, sp: sp,
	}
	provider := &saml.IdentityProvider{
		Key: pair.key, Certificate: pair.cert, MetadataURL: metadata, SSOURL: sso, SignatureMethod: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		ServiceProviderProvider: c, SessionProvider: c, Logger: log.New(io.Discard, "", 0),
	}
	c.inProcess = &inProcess{tb: tb, address: address, handler: provider.Handler()}
	tb.Cleanup(c.Stop)
	c.Start()
	return c
}

// GetServiceProvider is for the module.
func (c *Crewjam) GetServiceProvider(_ *http.Request, id string) (*saml.EntityDescriptor, error) {
	if id != c.sp.EntityID {
		return nil, os.ErrNotExist
	}
	return c.sp, nil
}

var crewjamLogin = template.Must(template.New("").Parse(`<!DOCTYPE html><title>Sign in</title><p>{{.Problem}}</p>
<form method="post" action="{{.SSO}}">
<input name="username"><input name="password" type="password">
<input type="hidden" name="SAMLRequest" value="{{.Request}}"><input type="hidden" name="RelayState" value="{{.RelayState}}">
<button>Sign in</button>
</form>`))

// GetSession is for the module, which calls it for each request: the form comes
// back to where the request for it came to.
func (c *Crewjam) GetSession(w http.ResponseWriter, r *http.Request, req *saml.IdpAuthnRequest) *saml.Session {
	name, problem := r.PostFormValue("username"), ""
	if name != "" {
		for _, p := range c.People {
			if p.Name == name && p.Password == r.PostFormValue("password") {
				return &saml.Session{
					ID: name, Index: name, NameID: name, NameIDFormat: persistent, CreateTime: req.Now,
					UserName: name, UserEmail: p.Email, UserCommonName: display(p), Groups: p.Groups,
				}
			}
		}
		problem = "Wrong user name or password."
	}
	// The form is posted, which wants the request without the compression that
	// an address has.
	if err := crewjamLogin.Execute(w, map[string]any{
		"SSO": c.SSOURL, "Problem": problem, "Request": base64.StdEncoding.EncodeToString(req.RequestBuffer), "RelayState": req.RelayState,
	}); err != nil {
		c.tb.Error(err)
	}
	return nil
}
