package saml

import (
	"encoding/base64"
	"encoding/xml"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	idp "github.com/crewjam/saml"
	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
)

// people signs everybody in as the same person, and knows one application by the
// metadata that it publishes.
type people struct {
	session  *idp.Session
	metadata []byte
}

func (p *people) GetSession(http.ResponseWriter, *http.Request, *idp.IdpAuthnRequest) *idp.Session {
	return p.session
}

func (p *people) GetServiceProvider(_ *http.Request, id string) (*idp.EntityDescriptor, error) {
	var known idp.EntityDescriptor
	if err := xml.Unmarshal(p.metadata, &known); err != nil {
		return nil, err
	}
	if known.EntityID != id {
		return nil, os.ErrNotExist
	}
	return &known, nil
}

// An identity provider that others wrote takes our request and our metadata, and
// we take its metadata and its answer, by either binding.
func TestSAMLCallback_Crewjam(t *testing.T) {
	for _, binding := range []string{"redirect", "post"} {
		t.Run(binding, func(t *testing.T) { signInAtCrewjam(t, binding) })
	}
}

func signInAtCrewjam(t *testing.T, binding string) {
	// It asks the system for the time, so that this test does too.
	now := time.Now
	by := newSigner(ours().key, now().Add(time.Hour))
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	address := func(path string) url.URL {
		u, err := url.Parse(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		return *u
	}
	who := &people{session: &idp.Session{
		ID: "1", CreateTime: now(), ExpireTime: now().Add(time.Hour), Index: "1", NameID: "jane",
		NameIDFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		UserName:     "jdoe", UserEmail: "jane@example.com", UserCommonName: "Jane Doe", Groups: []string{"admins", "engineers"},
	}}
	provider := &idp.IdentityProvider{
		Key: by.key, Certificate: by.cert, Logger: log.New(io.Discard, "", 0),
		MetadataURL: address("/metadata"), SSOURL: address("/sso"), LoginURL: address("/sso"),
		ServiceProviderProvider: who, SessionProvider: who, SignatureMethod: rsa256URI,
	}
	mux.HandleFunc("/metadata", provider.ServeMetadata)
	mux.HandleFunc("/sso", provider.ServeSSO)

	cfg := Config{
		MetadataURL: server.URL + "/metadata", RedirectURI: callbackURL, RequestBinding: binding,
		EmailAttr: "mail", UsernameAttr: "uid", NameAttr: "cn", GroupsAttr: "eduPersonAffiliation",
	}
	c, err := Open(cfg, Deps{Now: now, Rules: document.Rules{Callback: callbackURL}, FormURL: func(string) string { return "form" }})
	if err != nil {
		t.Fatal(err)
	}
	if who.metadata, err = c.SPMetadata(); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	to, data, err := c.LoginURL(dexconn.Scopes{}, callbackURL, state)
	if err != nil {
		t.Fatal(err)
	}
	var form url.Values
	if to == "form" {
		action, fields, err := c.Form(data)
		if err != nil {
			t.Fatal(err)
		}
		sent := url.Values{}
		for name, value := range fields {
			sent.Set(name, value)
		}
		page, err := http.PostForm(action, sent)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = page.Body.Close() }()
		form = formOf(t, page)
	} else {
		page, err := http.Get(to)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = page.Body.Close() }()
		form = formOf(t, page)
	}
	if form.Get("RelayState") != state {
		t.Errorf("the state comes back as %q", form.Get("RelayState"))
	}
	r := post(t, "")
	r.PostForm = form
	id, err := c.HandleCallback(dexconn.Scopes{}, data, r)
	if err != nil {
		t.Fatal(err)
	}
	want := dexconn.Identity{
		UserID: "jane", Username: "Jane Doe", PreferredUsername: "jdoe", Email: "jane@example.com", EmailVerified: true,
		Groups: []string{"admins", "engineers"},
	}
	if diff := cmp.Diff(want, id); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	raw, err := base64.StdEncoding.DecodeString(form.Get("SAMLResponse"))
	if err != nil {
		t.Fatal(err)
	}
	forged := post(t, strings.Replace(string(raw), "jane@example.com", "root@example.com", 1))
	if _, err := c.HandleCallback(dexconn.Scopes{}, data, forged); !fault.Is(err, fault.Unauthenticated) ||
		!strings.Contains(fault.Message(err), "what it signed was changed") {
		t.Errorf("changed on the way: %v", err)
	}
}

// formOf reads the page that the browser would send on.
func formOf(t *testing.T, page *http.Response) url.Values {
	t.Helper()
	body, err := io.ReadAll(page.Body)
	if err != nil || page.StatusCode != http.StatusOK {
		t.Fatalf("status %d: %s %v", page.StatusCode, body, err)
	}
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{Permissive: true, AutoClose: xml.HTMLAutoClose, Entity: xml.HTMLEntity}
	if err := doc.ReadFromBytes(body); err != nil {
		t.Fatal(err)
	}
	form := url.Values{}
	for _, input := range doc.FindElements("//input") {
		if name := input.SelectAttrValue("name", ""); name != "" {
			form.Set(name, input.SelectAttrValue("value", ""))
		}
	}
	return form
}
