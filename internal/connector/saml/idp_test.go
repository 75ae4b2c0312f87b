package saml

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beevik/etree"
	dexconn "github.com/dexidp/dex/connector"
	dsig "github.com/russellhaering/goxmldsig"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/saml/xmltree"
)

const (
	callbackURL = "https://pachd.example.com/callback"
	entityID    = "https://idp.example.com/saml"
	ssoURL      = "https://idp.example.com/saml/sso?tenant=7"
	state       = "b7qk3v"
)

func at() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// signer is a key of a provider, with its certificate.
type signer struct {
	key  crypto.Signer
	cert *x509.Certificate
}

func newSigner(key crypto.Signer, until time.Time) signer {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: at().Add(-24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return signer{key, cert}
}

func newRSA() crypto.Signer {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
}

func newEC() crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

var (
	ours  = sync.OnceValue(func() signer { return newSigner(newRSA(), at().AddDate(1, 0, 0)) })
	other = sync.OnceValue(func() signer { return newSigner(newRSA(), at().AddDate(1, 0, 0)) })
	past  = sync.OnceValue(func() signer { return newSigner(newRSA(), at().Add(-time.Hour)) })
	curve = sync.OnceValue(func() signer { return newSigner(newEC(), at().AddDate(1, 0, 0)) })
)

func (s signer) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
}

func metadataOf(of string, signers ...signer) string {
	var keys strings.Builder
	for _, s := range signers {
		fmt.Fprintf(&keys, `<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>%s</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`,
			base64.StdEncoding.EncodeToString(s.cert.Raw))
	}
	return fmt.Sprintf(`<?xml version="1.0"?><!-- made by hand --><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="%s">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">%s
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="%s"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="%s"/>
</md:IDPSSODescriptor></md:EntityDescriptor>
`, of, keys.String(), "https://idp.example.com/saml/post", ssoURL)
}

const (
	sha256URI = "http://www.w3.org/2001/04/xmlenc#sha256"
	rsa256URI = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	envURI    = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	excURI    = "http://www.w3.org/2001/10/xml-exc-c14n#"
)

// draft is an answer of a provider before it is signed. Its fields are what goes
// into it; a test changes some of them.
type draft struct {
	by signer
	// signResponse and signAssertion say what is signed.
	signResponse, signAssertion bool

	method, digest string
	hash           crypto.Hash
	transforms     string // within Transforms
	extra          string // after the first Reference
	uri            string // of the Reference; # and the ID unless given
	object         string // at the end of Signature
	c14n           string
	prefixes       string // InclusiveNamespaces of the transform

	responseID, assertionID                string
	responseTo, subjectTo                  string
	destination, recipient                 string
	responseIssuer, issuer, status         string
	version                                string
	issued, notBefore, notOnOrAfter, limit time.Time
	audience, conditions                   string
	method2                                string // of the SubjectConfirmation
	nameID, attributes, session            string
	namespaces, extensions                 string

	// before changes the tree before it is signed.
	before func(root *etree.Element)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// newDraft is a perfect answer to the request with this ID.
func newDraft(request string) *draft {
	now := at()
	return &draft{
		by: ours(), signAssertion: true,
		method: rsa256URI, digest: sha256URI, hash: crypto.SHA256, c14n: excURI,
		transforms: `<ds:Transform Algorithm="` + envURI + `"></ds:Transform><ds:Transform Algorithm="` + excURI + `"></ds:Transform>`,
		responseID: "_response1", assertionID: "_assertion1", version: "2.0",
		responseTo: request, subjectTo: request,
		destination: `Destination="` + callbackURL + `"`, recipient: callbackURL,
		responseIssuer: entityID, issuer: entityID,
		status: `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`,
		issued: now, notBefore: now.Add(-time.Minute), notOnOrAfter: now.Add(5 * time.Minute), limit: now.Add(5 * time.Minute),
		audience: `<saml:AudienceRestriction><saml:Audience>` + callbackURL + `</saml:Audience></saml:AudienceRestriction>`,
		method2:  "urn:oasis:names:tc:SAML:2.0:cm:bearer",
		nameID:   `<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">jane</saml:NameID>`,
		attributes: `<saml:Attribute Name="email" FriendlyName="mail"><saml:AttributeValue xsi:type="xs:string">jane@example.com</saml:AttributeValue></saml:Attribute>` +
			`<saml:Attribute Name="groups"><saml:AttributeValue>admins</saml:AttributeValue><saml:AttributeValue>engineers</saml:AttributeValue></saml:Attribute>` +
			`<saml:Attribute Name="urn:oid:1.1" FriendlyName="displayName"><saml:AttributeValue>Jane Doe</saml:AttributeValue></saml:Attribute>`,
		session: fmt.Sprintf(`<saml:AuthnStatement AuthnInstant="%s" SessionNotOnOrAfter="%s"/>`, stamp(now), stamp(now.Add(time.Hour))),
		namespaces: `xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ` +
			`xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"`,
	}
}

func (d *draft) issuerOf(name string) string {
	if name == "" {
		return ""
	}
	return "<saml:Issuer>" + name + "</saml:Issuer>"
}

func (d *draft) xml() string {
	conditions := d.conditions
	if conditions == "" {
		conditions = fmt.Sprintf(
			`<saml:Conditions NotBefore="%s" NotOnOrAfter="%s">%s</saml:Conditions>`, stamp(d.notBefore), stamp(d.limit), d.audience,
		)
	}
	to := ""
	if d.responseTo != "" {
		to = `InResponseTo="` + d.responseTo + `"`
	}
	return fmt.Sprintf(`<samlp:Response %s ID="%s" Version="2.0" IssueInstant="%s" %s %s>%s%s<samlp:Status>%s</samlp:Status>
<saml:Assertion ID="%s" Version="%s" IssueInstant="%s">%s<saml:Subject>%s<saml:SubjectConfirmation Method="%s"><saml:SubjectConfirmationData InResponseTo="%s" Recipient="%s" NotOnOrAfter="%s"/></saml:SubjectConfirmation></saml:Subject>%s%s<saml:AttributeStatement>%s</saml:AttributeStatement></saml:Assertion></samlp:Response>`,
		d.namespaces, d.responseID, stamp(d.issued), to, d.destination, d.issuerOf(d.responseIssuer), d.extensions, d.status,
		d.assertionID, d.version, stamp(d.issued), d.issuerOf(d.issuer), d.nameID, d.method2, d.subjectTo, d.recipient, stamp(d.notOnOrAfter), conditions, d.session, d.attributes)
}

func tree(text string) *etree.Element {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(text); err != nil {
		panic(err)
	}
	return doc.Root()
}

func theAssertion(root *etree.Element) *etree.Element {
	return xmltree.Children(root, xmltree.Assertion, "Assertion")[0]
}

// build signs, the assertion first, as providers do.
func (d *draft) build() *etree.Element {
	root := tree(d.xml())
	if d.before != nil {
		d.before(root)
	}
	if d.signAssertion {
		d.sign(theAssertion(root))
	}
	if d.signResponse {
		d.sign(root)
	}
	return root
}

func canonical(el *etree.Element, prefixes string) []byte {
	out, err := dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList(prefixes).Canonicalize(xmltree.Detach(el))
	if err != nil {
		panic(err)
	}
	return out
}

func sum(h crypto.Hash, data []byte) []byte {
	w := h.New()
	w.Write(data)
	return w.Sum(nil)
}

func digestHash(uri string) crypto.Hash {
	switch {
	case strings.HasSuffix(uri, "sha1"):
		return crypto.SHA1
	case strings.HasSuffix(uri, "sha512"):
		return crypto.SHA512
	case strings.HasSuffix(uri, "sha384"):
		return crypto.SHA384
	}
	return crypto.SHA256
}

func (d *draft) sign(el *etree.Element) {
	uri := d.uri
	if uri == "" {
		uri = "#" + el.SelectAttrValue("ID", "")
	}
	transforms := d.transforms
	if d.prefixes != "" {
		transforms = strings.Replace(
			transforms, excURI+`">`, excURI+`"><ec:InclusiveNamespaces xmlns:ec="`+excURI+`" PrefixList="`+d.prefixes+`"/>`, 1,
		)
	}
	info := fmt.Sprintf(`<ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:CanonicalizationMethod Algorithm="%s"/><ds:SignatureMethod Algorithm="%s"/>`+
		`<ds:Reference URI="%s"><ds:Transforms>%s</ds:Transforms><ds:DigestMethod Algorithm="%s"/><ds:DigestValue>%s</ds:DigestValue></ds:Reference>%s</ds:SignedInfo>`,
		d.c14n, d.method, uri, transforms, d.digest, base64.StdEncoding.EncodeToString(sum(digestHash(d.digest), canonical(el, d.prefixes))), d.extra)
	signature := tree(`<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` + info +
		`<ds:SignatureValue>` + base64.StdEncoding.EncodeToString(d.value(canonical(tree(info), ""))) + `</ds:SignatureValue>` +
		`<ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + base64.StdEncoding.EncodeToString(d.by.cert.Raw) + `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>` +
		d.object + `</ds:Signature>`)
	place := 0
	if issuer := xmltree.Children(el, xmltree.Assertion, "Issuer"); len(issuer) > 0 {
		place = issuer[0].Index() + 1
	}
	el.InsertChildAt(place, signature)
}

func (d *draft) value(info []byte) []byte {
	if strings.Contains(d.method, "hmac") {
		mac := hmac.New(crypto.SHA256.New, d.by.cert.Raw)
		mac.Write(info)
		return mac.Sum(nil)
	}
	hashed := sum(d.hash, info)
	if key, ok := d.by.key.(*ecdsa.PrivateKey); ok {
		r, s, err := ecdsa.Sign(rand.Reader, key, hashed)
		if err != nil {
			panic(err)
		}
		return slices.Concat(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32)))
	}
	value, err := d.by.key.Sign(rand.Reader, hashed, d.hash)
	if err != nil {
		panic(err)
	}
	return value
}

func serialize(root *etree.Element) string {
	doc := etree.NewDocument()
	doc.SetRoot(root)
	doc.WriteSettings = etree.WriteSettings{CanonicalAttrVal: true, CanonicalEndTags: true, CanonicalText: true}
	out, err := doc.WriteToString()
	if err != nil {
		panic(err)
	}
	return out
}

func config() Config {
	return Config{
		SSOURL: "https://idp.example.com/saml/sso", SSOIssuer: entityID, CAData: ours().pem(), RedirectURI: callbackURL,
		EmailAttr: "email", GroupsAttr: "groups", NameAttr: "displayName",
	}
}

// clock can be set.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func open(t testing.TB, cfg Config) (*Connector, *clock) {
	t.Helper()
	cl := &clock{at()}
	c, err := Open(cfg, Deps{
		Now: cl.Now, Rules: document.Rules{Callback: callbackURL},
		FormURL: func(state string) string { return "https://pachd.example.com/form?state=" + state },
	})
	if err != nil {
		t.Fatal(err)
	}
	return c, cl
}

// begin starts a sign-in and returns what is remembered of it.
func begin(t testing.TB, c *Connector) ([]byte, pending) {
	t.Helper()
	_, data, err := c.LoginURL(dexconn.Scopes{}, callbackURL, state)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parsePending(data)
	if err != nil {
		t.Fatal(err)
	}
	return data, p
}

func post(t testing.TB, raw string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, callbackURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.PostForm = url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte(raw))}, "RelayState": {state}}
	return r
}
