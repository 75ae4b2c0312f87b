package saml

import (
	"crypto"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
)

func jane() dexconn.Identity {
	return dexconn.Identity{
		UserID: "jane", Username: "Jane Doe", Email: "jane@example.com", EmailVerified: true, Groups: []string{"admins", "engineers"},
	}
}

// attack is an answer that must be refused, and what the refusal says.
type attack struct {
	name string
	// change is done before signing, after on what was signed, text on its bytes.
	change func(*draft)
	after  func(root *etree.Element)
	text   func(string) string
	want   string
}

// mallory is a copy of an assertion that names somebody else.
func mallory(a *etree.Element, id string) *etree.Element {
	evil := a.Copy()
	for _, s := range xmltree.Children(evil, xmltree.Signature, "Signature") {
		evil.RemoveChild(s)
	}
	evil.CreateAttr("ID", id)
	evil.FindElement(".//NameID").SetText("mallory")
	evil.FindElement(".//AttributeValue").SetText("admin@example.com")
	return evil
}

func signatureOf(el *etree.Element) *etree.Element {
	return xmltree.Children(el, xmltree.Signature, "Signature")[0]
}

// wrapsAssertion has the ways of signature wrapping, which puts another assertion
// beside a signed one (Somorovsky et al., On Breaking SAML, 2012, in the numbering that tools use).
func wrapsAssertion() []attack {
	return []attack{
		{name: "XSW3, before it", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			root.InsertChildAt(a.Index(), mallory(a, "_evil"))
		}},
		{name: "XSW4, around it", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil := mallory(a, "_evil")
			root.InsertChildAt(a.Index(), evil)
			evil.AddChild(root.RemoveChild(a))
		}},
		{name: "XSW5, after it, with its signature", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil, sig := mallory(a, "_evil"), a.RemoveChild(signatureOf(a))
			evil.InsertChildAt(1, sig)
			root.InsertChildAt(a.Index(), evil)
		}},
		{name: "XSW6, it in the signature of the other", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil, sig := mallory(a, "_evil"), signatureOf(a)
			a.RemoveChild(sig)
			root.InsertChildAt(a.Index(), evil)
			root.RemoveChild(a)
			sig.AddChild(a)
			evil.InsertChildAt(1, sig)
		}},
		{name: "XSW7, in Extensions", want: "exactly one Assertion", after: func(root *etree.Element) {
			ext := etree.NewElement("samlp:Extensions")
			ext.AddChild(mallory(theAssertion(root), "_evil"))
			root.InsertChildAt(1, ext)
		}},
		{name: "XSW8, it in an Object", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil, sig := mallory(a, "_evil"), signatureOf(a)
			a.RemoveChild(sig)
			root.RemoveChild(a)
			object := sig.CreateElement("ds:Object")
			object.AddChild(a)
			evil.InsertChildAt(1, sig)
			root.AddChild(evil)
		}},
		{name: "XSW9, with the same ID", want: "ID twice", after: func(root *etree.Element) {
			root.AddChild(mallory(theAssertion(root), "_assertion1"))
		}},
		{name: "the other under another namespace", want: "exactly one Assertion", after: func(root *etree.Element) {
			evil := mallory(theAssertion(root), "_evil")
			evil.CreateAttr("xmlns:saml", "urn:oasis:names:tc:SAML:1.0:assertion")
			root.AddChild(evil)
		}},
		{name: "it in StatusDetail", want: "exactly one Assertion", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil := mallory(a, "_evil")
			root.InsertChildAt(a.Index(), evil)
			root.FindElement("./Status").CreateElement("samlp:StatusDetail").AddChild(root.RemoveChild(a))
		}},
		{name: "it away, its signature on the other", want: "another element", after: func(root *etree.Element) {
			a := theAssertion(root)
			evil, sig := mallory(a, "_evil"), signatureOf(a)
			a.RemoveChild(sig)
			root.RemoveChild(a)
			evil.InsertChildAt(1, sig)
			root.AddChild(evil)
		}},
		{name: "it alone, elsewhere", want: "exactly one Assertion", after: func(root *etree.Element) {
			root.FindElement("./Status").AddChild(root.RemoveChild(theAssertion(root)))
		}},
		{
			name: "changed", want: "what it signed was changed",
			after: func(root *etree.Element) { root.FindElement(".//NameID").SetText("mallory") },
		},
	}
}

// wrapsResponse has those around a signed Response.
func wrapsResponse() []attack {
	evilRoot := func(root *etree.Element) *etree.Element {
		original := root.Copy()
		a := theAssertion(root)
		evil := mallory(a, "_evil")
		root.InsertChildAt(a.Index(), evil)
		root.RemoveChild(a)
		root.CreateAttr("ID", "_evilresponse")
		return original
	}
	return []attack{
		{name: "XSW1, it in the signature", want: "Response within", after: func(root *etree.Element) {
			original := evilRoot(root)
			original.RemoveChild(signatureOf(original))
			signatureOf(root).AddChild(original)
		}},
		{name: "XSW2, it before the signature", want: "Response within", after: func(root *etree.Element) {
			original := evilRoot(root)
			original.RemoveChild(signatureOf(original))
			root.InsertChildAt(signatureOf(root).Index(), original)
		}},
		{name: "an Object that holds it", want: "Response within", after: func(root *etree.Element) {
			original := evilRoot(root)
			original.RemoveChild(signatureOf(original))
			signatureOf(root).CreateElement("ds:Object").AddChild(original)
		}},
		{name: "it in Extensions", want: "Response within", after: func(root *etree.Element) {
			original := evilRoot(root)
			ext := etree.NewElement("samlp:Extensions")
			ext.AddChild(original)
			root.InsertChildAt(1, ext)
		}},
		{name: "another assertion added", want: "exactly one Assertion", after: func(root *etree.Element) {
			root.AddChild(mallory(theAssertion(root), "_evil"))
		}},
		{name: "its assertion exchanged", want: "what it signed was changed", after: func(root *etree.Element) {
			a := theAssertion(root)
			root.AddChild(mallory(a, "_evil"))
			root.RemoveChild(a)
		}},
		{name: "its ID taken over", want: "what it signed was changed", after: func(root *etree.Element) {
			_ = evilRoot(root)
			root.CreateAttr("ID", "_response1")
		}},
	}
}

// check accepts the message as it is and refuses it with the attack.
func check(t *testing.T, mode func(*draft), a attack) {
	t.Helper()
	run := func(a attack) (dexconn.Identity, error) {
		c, _ := open(t, config())
		data, p := begin(t, c)
		d := newDraft(p.ID)
		mode(d)
		if a.change != nil {
			a.change(d)
		}
		root := d.build()
		if a.after != nil {
			a.after(root)
		}
		text := serialize(root)
		if a.text != nil {
			text = a.text(text)
		}
		return c.HandleCallback(dexconn.Scopes{}, data, post(t, text))
	}
	id, err := run(attack{})
	if err != nil {
		t.Fatalf("without the attack: %s", err)
	}
	if diff := cmp.Diff(jane(), id); diff != "" {
		t.Fatalf("without the attack (-want +got):\n%s", diff)
	}
	id, err = run(a)
	if err == nil {
		t.Fatalf("accepted as %q, %q", id.UserID, id.Email)
	}
	if kind := fault.KindOf(err); kind == fault.Internal || !strings.Contains(fault.Message(err), a.want) {
		t.Errorf("%s: %s\nwant %q", kind, err, a.want)
	}
	if fault.NextOf(err) == "" {
		t.Errorf("nothing to do about it: %v", err)
	}
	if strings.Contains(fault.Message(err), "jane") {
		t.Errorf("the refusal shows what the assertion says: %s", fault.Message(err))
	}
}

func modes() map[string]func(*draft) {
	return map[string]func(*draft){
		"response":  func(d *draft) { d.signResponse, d.signAssertion = true, false },
		"assertion": func(d *draft) { d.signResponse, d.signAssertion = false, true },
		"both":      func(d *draft) { d.signResponse, d.signAssertion = true, true },
	}
}

func TestSAMLCallback_Wrapped(t *testing.T) {
	for mode, set := range modes() {
		attacks := wrapsResponse()
		if mode == "assertion" {
			attacks = wrapsAssertion()
		}
		for _, a := range attacks {
			t.Run(mode+"/"+a.name, func(t *testing.T) { check(t, set, a) })
		}
	}
	// With both signed, what holds for the assertion holds as well.
	for _, a := range wrapsAssertion() {
		a := a
		a.want = ""
		t.Run("both/"+a.name, func(t *testing.T) { check(t, modes()["both"], a) })
	}
}

func replace(from, to string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, from) {
			panic("nothing to replace: " + from)
		}
		return strings.Replace(s, from, to, 1)
	}
}

func TestSAMLCallback_Forged(t *testing.T) {
	for _, a := range []attack{
		{name: "comment in the NameID", want: "comment", text: replace(">jane<", ">ja<!-- -->ne<")},
		{name: "signed comment in the address", want: "comment", change: func(d *draft) {
			d.attributes = strings.Replace(d.attributes, "jane@example.com", "jane@example.com<!-- -->.evil.test", 1)
		}},
		{name: "DTD", want: "DTD", text: func(s string) string { return `<!DOCTYPE x [<!ENTITY e "admin">]>` + s }},
		{name: "too large", want: "larger than 256 KiB", text: func(s string) string { return s + strings.Repeat(" ", maxMessage) }},
		{name: "unsigned", want: "signed neither", change: func(d *draft) { d.signResponse, d.signAssertion = false, false }},
		{name: "signed by another key", want: "not by a certificate", change: func(d *draft) { d.by = other() }},
		{
			name: "signed by another key, our certificate shown", want: "not by a certificate",
			change: func(d *draft) { d.by = signer{other().key, ours().cert} },
		},
		{name: "signed by another key, in a good response", want: "not by a certificate", change: func(d *draft) {
			d.signResponse, d.signAssertion = true, false
			d.before = func(root *etree.Element) {
				thief := *d
				thief.by = other()
				thief.sign(theAssertion(root))
			}
		}},
		{name: "signed well, in a response signed by another key", want: "not by a certificate", after: func(root *etree.Element) {
			thief := newDraft("")
			thief.by = other()
			thief.sign(root)
		}},
		{name: "signature of another element", want: "another element", change: func(d *draft) { d.uri = "#_response1" }},
		{name: "signature of everything", want: "another element", change: func(d *draft) { d.uri = " " }},
		{name: "two references", want: "form that SAML requires", change: func(d *draft) {
			d.extra = `<ds:Reference URI="#_response1"><ds:Transforms/><ds:DigestMethod Algorithm="` + sha256URI + `"/><ds:DigestValue>AAAA</ds:DigestValue></ds:Reference>`
		}},
		{name: "object in the signature", want: "form that SAML requires", change: func(d *draft) { d.object = "<ds:Object></ds:Object>" }},
		{
			name: "signature value twice", want: "form that SAML requires",
			text: replace("<ds:KeyInfo>", "<ds:SignatureValue>AAAA</ds:SignatureValue><ds:KeyInfo>"),
		},
		{name: "XSLT", want: "transform", change: func(d *draft) {
			d.transforms += `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"></ds:Transform>`
		}},
		{name: "XPath", want: "transform", change: func(d *draft) {
			d.transforms = `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>not(ancestor-or-self::saml:Subject)</ds:XPath></ds:Transform>` + d.transforms
		}},
		{name: "transforms in another order", want: "form that SAML requires", change: func(d *draft) {
			d.transforms = `<ds:Transform Algorithm="` + excURI + `"></ds:Transform><ds:Transform Algorithm="` + envURI + `"></ds:Transform>`
		}},
		{name: "not enveloped", want: "form that SAML requires", change: func(d *draft) {
			d.transforms = strings.Repeat(`<ds:Transform Algorithm="`+excURI+`"></ds:Transform>`, 2)
		}},
		{name: "no transforms", want: "form that SAML requires", change: func(d *draft) { d.transforms = "" }},
		{
			name: "inclusive canonicalization", want: "canonicalization method",
			change: func(d *draft) { d.c14n = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" },
		},
		{name: "SHA-1 signature", want: "SHA-1", change: func(d *draft) {
			d.method, d.hash = "http://www.w3.org/2000/09/xmldsig#rsa-sha1", crypto.SHA1
		}},
		{name: "SHA-1 digest", want: "SHA-1", change: func(d *draft) { d.digest = "http://www.w3.org/2000/09/xmldsig#sha1" }},
		{name: "HMAC with the certificate as key", want: "hmac-sha256", change: func(d *draft) {
			d.method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
		}},
		{name: "no assertion", want: "has no Assertion", after: func(root *etree.Element) { root.RemoveChild(theAssertion(root)) }},
	} {
		t.Run(a.name, func(t *testing.T) { check(t, modes()["assertion"], a) })
	}
}

func TestSAMLCallback_ForAnotherSignIn(t *testing.T) {
	for _, a := range []attack{
		{name: "audience", want: `meant for "https://other.example.com"`, change: func(d *draft) {
			d.audience = strings.Replace(d.audience, callbackURL, "https://other.example.com", 1)
		}},
		{name: "recipient", want: "recipient", change: func(d *draft) { d.recipient += "/x" }},
		{name: "no destination though signed", want: "(Destination)", change: func(d *draft) { d.signResponse, d.destination = true, "" }},
		{name: "response to another request", want: "another sign-in (InResponseTo)", change: func(d *draft) { d.responseTo = "_x" }},
		{name: "failing status", want: `Requester`, change: func(d *draft) {
			d.status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Requester"/>`
		}},
	} {
		t.Run(a.name, func(t *testing.T) { check(t, modes()["assertion"], a) })
	}
}

// Without the ID of the request, a response to none would do.
func TestSAMLCallback_HalfOfItsBeginningKept(t *testing.T) {
	c, _ := open(t, config())
	for _, lost := range []string{"state", "id", "issued"} {
		data, p := begin(t, c)
		kept := map[string]any{}
		if err := json.Unmarshal(data, &kept); err != nil {
			t.Fatal(err)
		}
		if delete(kept, lost); lost == "id" {
			p.ID = ""
		}
		data, err := json.Marshal(kept)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.HandleCallback(dexconn.Scopes{}, data, post(t, serialize(newDraft(p.ID).build())))
		if !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "nothing is known of the beginning") {
			t.Errorf("without %s: %v", lost, err)
		}
	}
}

// That a sign-in failed is commonly said without a signature.
func TestSAMLCallback_FailingStatusUnsigned(t *testing.T) {
	c, _ := open(t, config())
	data, p := begin(t, c)
	d := newDraft(p.ID)
	d.signAssertion = false
	d.status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder">` +
		`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode>`
	root := d.build()
	root.RemoveChild(theAssertion(root))
	_, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, serialize(root)))
	if !fault.Is(err, fault.Denied) || !strings.Contains(fault.Message(err), "(Responder, AuthnFailed)") {
		t.Errorf("got %v", err)
	}
}

func TestSAMLCallback_Replay(t *testing.T) {
	c, clock := open(t, config())
	data, p := begin(t, c)
	raw := serialize(newDraft(p.ID).build())
	if _, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, raw)); err != nil {
		t.Fatal(err)
	}
	_, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, raw))
	if !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), "used before") {
		t.Errorf("a second time: %v", err)
	}
	clock.now = clock.now.Add(5*time.Minute + 119*time.Second)
	if _, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, raw)); !strings.Contains(fault.Message(err), "used before") {
		t.Errorf("in its last second: %v", err)
	}
}

func TestSAMLCallback_OtherForm(t *testing.T) {
	c, _ := open(t, config())
	data, p := begin(t, c)
	good := serialize(newDraft(p.ID).build())
	for want, change := range map[string]func(form map[string][]string){
		"belongs to another sign-in": func(form map[string][]string) { form["RelayState"] = []string{"x"} },
		"RelayState more than once":  func(form map[string][]string) { form["RelayState"] = append(form["RelayState"], "x") },
		"SAMLResponse more than":     func(form map[string][]string) { form["SAMLResponse"] = append(form["SAMLResponse"], "x") },
		"has no SAMLResponse":        func(form map[string][]string) { delete(form, "SAMLResponse") },
		"not base64":                 func(form map[string][]string) { form["SAMLResponse"] = []string{"YR=="} },
		"is not base64":              func(form map[string][]string) { form["SAMLResponse"][0] += "!" },
	} {
		r := post(t, good)
		change(r.PostForm)
		if _, err := c.HandleCallback(dexconn.Scopes{}, data, r); !fault.Is(err, fault.Unauthenticated) ||
			!strings.Contains(fault.Message(err), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	if _, err := c.HandleCallback(dexconn.Scopes{}, []byte("{}"), post(t, good)); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a sign-in that nobody began: %v", err)
	}
	if _, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, good)); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// FuzzSAMLCallback looks for a panic, and for a way in without the key.
func FuzzSAMLCallback(f *testing.F) {
	c, _ := open(f, config())
	data, p := begin(f, c)
	for _, mode := range modes() {
		d := newDraft(p.ID)
		mode(d)
		d.by = other()
		f.Add(serialize(d.build()))
	}
	f.Add("<a>")
	f.Add(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"><Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/></samlp:Response>`)
	f.Fuzz(func(t *testing.T, raw string) {
		if id, err := c.HandleCallback(dexconn.Scopes{}, data, post(t, raw)); err == nil {
			t.Errorf("accepted as %q: %q", id.UserID, raw)
		}
	})
}
