package signed_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"pachyderm/internal/connector/saml/signed"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
)

const signature = `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"/>`

// good has both signatures where they belong; nothing is verified here.
const good = `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_r">` +
	`<saml:Issuer>x</saml:Issuer>` + signature + `<samlp:Status/>` +
	`<saml:Assertion ID="_a"><saml:Issuer>x</saml:Issuer>` + signature +
	`<saml:Subject><saml:NameID>jane</saml:NameID></saml:Subject></saml:Assertion></samlp:Response>`

func replace(from, to string) string {
	if !strings.Contains(good, from) {
		panic("nothing to replace: " + from)
	}
	return strings.Replace(good, from, to, 1)
}

func TestParse_FindsSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		text                             string
		assertion, ofResponse, ofElement bool
	}{
		"both":         {good, true, true, true},
		"assertion":    {replace("<saml:Issuer>x</saml:Issuer>"+signature+"<samlp:Status/>", "<samlp:Status/>"), true, false, true},
		"response":     {replace("<saml:Issuer>x</saml:Issuer>"+signature+"<saml:Subject>", "<saml:Subject>"), true, true, false},
		"no assertion": {good[:strings.Index(good, "<saml:Assertion")] + "</samlp:Response>", false, true, false},
	} {
		m, err := signed.Parse([]byte(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if (m.Assertion != nil) != c.assertion || (m.OfResponse != nil) != c.ofResponse || (m.OfAssertion != nil) != c.ofElement {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestParse_OneShapeOnly(t *testing.T) {
	evil := `<saml:Assertion ID="_evil"><saml:Subject><saml:NameID>mallory</saml:NameID></saml:Subject></saml:Assertion>`
	subject := "<saml:Subject><saml:NameID>jane</saml:NameID></saml:Subject>"
	for name, c := range map[string]struct {
		text string
		kind fault.Kind
		want string
	}{
		"not a Response":   {"<html></html>", fault.Unauthenticated, "not a SAML 2.0 Response"},
		"a hostile reader": {replace("jane", "ja<!-- -->ne"), fault.Unauthenticated, "comment"},

		"ID twice":                          {replace(`ID="_a"`, `ID="_r"`), fault.Unauthenticated, "ID twice"},
		"ID twice, spelt another way":       {replace("<samlp:Status/>", `<samlp:Status Id="_a"/>`), fault.Unauthenticated, "ID twice"},
		"two kinds of ID":                   {replace("<samlp:Status/>", `<samlp:Status Id="_x" id="_y"/>`), fault.Unauthenticated, "ID twice"},
		"ID with a prefix":                  {replace("<samlp:Status/>", `<samlp:Status xml:id="_a"/>`), fault.Unauthenticated, "ID twice"},
		"an ID that begins with a digit":    {replace(`ID="_a"`, `ID="1a"`), fault.Unauthenticated, "one that is not valid"},
		"an ID with a space":                {replace(`ID="_a"`, `ID="_a b"`), fault.Unauthenticated, "one that is not valid"},
		"no ID":                             {replace(`ID="_a"`, `ID=""`), fault.Unauthenticated, "one that is not valid"},
		"two assertions":                    {replace("</samlp:Response>", evil+"</samlp:Response>"), fault.Unauthenticated, "exactly one Assertion"},
		"an assertion in the status":        {replace("<samlp:Status/>", "<samlp:Status>"+evil+"</samlp:Status>"), fault.Unauthenticated, "exactly one"},
		"an assertion of another namespace": {replace("<saml:Assertion ", `<saml:Assertion xmlns:saml="urn:x" `), fault.Unauthenticated, "exactly one"},
		"a Response within the Response": {
			replace("<samlp:Status/>", `<samlp:Status><samlp:Response ID="_x"/></samlp:Status>`), fault.Unauthenticated, "Response within",
		},

		"signature after the subject": {replace(signature+subject, subject+signature), fault.Unauthenticated, "place where none belongs"},
		"signature somewhere else": {
			replace("<samlp:Status/>", "<samlp:Status>"+signature+"</samlp:Status>"), fault.Unauthenticated, "place where none belongs",
		},
		"two signatures":                   {replace(signature+subject, signature+signature+subject), fault.Unauthenticated, "place where none belongs"},
		"a signature of another namespace": {replace(signature, `<Signature xmlns="urn:x"/>`), fault.Unauthenticated, "place where none belongs"},

		"encrypted assertion": {
			replace("</samlp:Response>", "<saml:EncryptedAssertion/></samlp:Response>"), fault.Precondition, "switch encryption off",
		},
		"encrypted NameID": {replace("<saml:NameID>jane</saml:NameID>", "<saml:EncryptedID/>"), fault.Precondition, "switch encryption off"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := signed.Parse([]byte(c.text))
			if !fault.Is(err, c.kind) || !strings.Contains(fault.Message(err), c.want) || m != nil {
				t.Errorf("%v, %v\nwant %s: %q", m, err, c.kind, c.want)
			}
		})
	}
}

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func certificate(t *testing.T, until time.Time) tls.Certificate {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"}, NotBefore: now().Add(-48 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// sign has the library sign an element, and gives element and signature.
func sign(t *testing.T, by tls.Certificate, change func(*dsig.SigningContext)) (el, sig *etree.Element) {
	t.Helper()
	ctx := dsig.NewDefaultSigningContext(dsig.TLSCertKeyStore(by))
	ctx.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if change != nil {
		change(ctx)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromString(`<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="_a"><saml:Issuer>x</saml:Issuer></saml:Assertion>`); err != nil {
		t.Fatal(err)
	}
	el, err := ctx.SignEnveloped(doc.Root())
	if err != nil {
		t.Fatal(err)
	}
	doc.SetRoot(el)
	text, err := doc.WriteToString()
	if err != nil {
		t.Fatal(err)
	}
	if el, err = xmltree.Parse([]byte(text), xmltree.OfMessages()); err != nil {
		t.Fatal(err)
	}
	return el, xmltree.Children(el, xmltree.Signature, "Signature")[0]
}

func TestVerify(t *testing.T) {
	ours, other, past := certificate(t, now().Add(time.Hour)), certificate(t, now().Add(time.Hour)), certificate(t, now().Add(-time.Hour))
	for name, c := range map[string]struct {
		by     tls.Certificate
		how    func(*dsig.SigningContext)
		change func(el, sig *etree.Element)
		known  []tls.Certificate
		kind   fault.Kind // "" for accepted
		want   string
	}{
		"by ours":                {by: ours, known: []tls.Certificate{ours}},
		"by one of several":      {by: ours, known: []tls.Certificate{past, other, ours}},
		"by another":             {by: other, known: []tls.Certificate{ours}, kind: fault.Unauthenticated, want: "not by a certificate"},
		"by nobody known":        {by: ours, kind: fault.Unauthenticated, want: "not by a certificate"},
		"by one that ran out":    {by: past, known: []tls.Certificate{ours, past}, kind: fault.Precondition, want: "expired on 2026-11-23 11:00 UTC"},
		"changed after it":       {by: ours, known: []tls.Certificate{ours}, change: rewrite, kind: fault.Unauthenticated, want: "what it signed was changed"},
		"of another element":     {by: ours, known: []tls.Certificate{ours}, change: rename, kind: fault.Unauthenticated, want: "another element"},
		"with another in it":     {by: ours, known: []tls.Certificate{ours}, change: addObject, kind: fault.Unauthenticated, want: "form that SAML requires"},
		"by another kind of key": {by: ours, known: []tls.Certificate{ours}, change: ecdsaMethod, kind: fault.Unauthenticated, want: "not by a certificate"},
		"with SHA-1":             {by: ours, known: []tls.Certificate{ours}, how: sha1, kind: fault.Precondition, want: "SHA-1"},
		"inclusively canonical":  {by: ours, known: []tls.Certificate{ours}, how: inclusive, kind: fault.Precondition, want: "canonicalization method"},
	} {
		t.Run(name, func(t *testing.T) {
			el, sig := sign(t, c.by, c.how)
			if c.change != nil {
				c.change(el, sig)
			}
			var certs []*x509.Certificate
			for _, k := range c.known {
				certs = append(certs, k.Leaf)
			}
			found, err := signed.Verify(el, sig, certs, now())
			if c.kind == "" {
				if err != nil || xmltree.Attr(found, "ID") != "_a" || found == el {
					t.Errorf("%v, %v", found, err)
				}
				return
			}
			if !fault.Is(err, c.kind) || !strings.Contains(fault.Message(err), c.want) || found != nil {
				t.Errorf("%v, %v\nwant %s: %q", found, err, c.kind, c.want)
			}
		})
	}
}

func rewrite(el, _ *etree.Element) { el.FindElement("./Issuer").SetText("evil") }
func rename(el, _ *etree.Element)  { el.CreateAttr("ID", "_b") }
func ecdsaMethod(_, sig *etree.Element) {
	sig.FindElement("./SignedInfo/SignatureMethod").CreateAttr("Algorithm", "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256")
}
func addObject(_, sig *etree.Element) { sig.CreateElement("ds:Object") }

func sha1(ctx *dsig.SigningContext) {
	if err := ctx.SetSignatureMethod(dsig.RSASHA1SignatureMethod); err != nil {
		panic(err)
	}
}

func inclusive(ctx *dsig.SigningContext) { ctx.Canonicalizer = dsig.MakeC14N10RecCanonicalizer() }
