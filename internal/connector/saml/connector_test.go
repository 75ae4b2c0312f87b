package saml

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beevik/etree"
	dexconn "github.com/dexidp/dex/connector"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// signIn has a provider answer and takes the answer.
func signIn(t *testing.T, c *Connector, change func(*draft)) (dexconn.Identity, error) {
	t.Helper()
	return signInSeen(t.Context(), t, c, change)
}

func signInSeen(ctx context.Context, t *testing.T, c *Connector, change func(*draft)) (dexconn.Identity, error) {
	t.Helper()
	data, p := begin(t, c)
	d := newDraft(p.ID)
	change(d)
	return c.HandleCallback(dexconn.Scopes{}, data, post(t, serialize(d.build())).WithContext(ctx))
}

func TestSAMLCallback_Accepted(t *testing.T) {
	for name, change := range map[string]func(*draft){
		"response":  modes()["response"],
		"assertion": modes()["assertion"],
		"both":      modes()["both"],
		"SHA-512": func(d *draft) {
			d.method, d.hash, d.digest = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", crypto.SHA512, "http://www.w3.org/2001/04/xmlenc#sha512"
		},
		"ECDSA":                     func(d *draft) { d.by, d.method = curve(), "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" },
		"comments kept, none there": func(d *draft) { d.transforms = strings.Replace(d.transforms, excURI, excURI+"WithComments", 1) },
		"inclusive namespaces":      func(d *draft) { d.signResponse, d.prefixes = true, "xs" },
		"another certificate shown": func(d *draft) { d.by.cert = other().cert },
		"a destination left out":    func(d *draft) { d.destination = "" },
		"a response without issuer": func(d *draft) { d.responseIssuer = "" },
		"a time without zone":       func(d *draft) { d.session = `<saml:AuthnStatement SessionNotOnOrAfter="2026-11-23T13:00:00.1234567"/>` },
		"an audience laid out":      func(d *draft) { d.audience = strings.Replace(d.audience, callbackURL, "\n  "+callbackURL+"\n", 1) },
		"one of several audiences": func(d *draft) {
			d.audience = strings.Replace(d.audience, "<saml:Audience>", "<saml:Audience>https://x.test</saml:Audience><saml:Audience>", 1)
		},
		"just within the skew":     func(d *draft) { d.notOnOrAfter = at().Add(-119 * time.Second); d.notBefore = at().Add(2 * time.Minute) },
		"a value in CDATA":         func(d *draft) { d.nameID = "<saml:NameID><![CDATA[ja]]>ne</saml:NameID>" },
		"a value in several parts": func(d *draft) { d.nameID = "<saml:NameID>j&#97;ne</saml:NameID>" },
		"XML that nobody asked about": func(d *draft) {
			d.attributes += `<saml:Attribute Name="eptid"><saml:AttributeValue><saml:NameID>x</saml:NameID></saml:AttributeValue></saml:Attribute>`
		},
		"a second confirmation": func(d *draft) {
			d.nameID += `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"/>`
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			cfg.CAData += curve().pem()
			c, _ := open(t, cfg)
			id, err := signIn(t, c, change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(jane(), id); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSAMLCallback_Identity(t *testing.T) {
	attribute := func(name string, values ...string) string {
		s := `<saml:Attribute Name="` + name + `">`
		for _, v := range values {
			s += "<saml:AttributeValue>" + v + "</saml:AttributeValue>"
		}
		return s + "</saml:Attribute>"
	}
	email := attribute("email", "jane@example.com")
	for _, c := range []struct {
		name   string
		change func(*Config)
		answer func(*draft)
		want   dexconn.Identity
	}{
		{"the e-mail address is the NameID", func(c *Config) { c.EmailAttr, c.GroupsAttr = "NameID", "" }, func(d *draft) {
			d.nameID, d.attributes = "<saml:NameID>jane@example.com</saml:NameID>", ""
		}, dexconn.Identity{UserID: "jane@example.com", Username: "jane@example.com", Email: "jane@example.com", EmailVerified: true}},
		{"by friendly name", func(c *Config) { c.EmailAttr = "mail" }, func(*draft) {}, jane()},
		{"user name, and no NameID", func(c *Config) { c.UsernameAttr = "uid" }, func(d *draft) {
			d.nameID = ""
			d.attributes += attribute("uid", "jdoe")
		}, dexconn.Identity{UserID: "jdoe", PreferredUsername: "jdoe", Username: "Jane Doe", Email: "jane@example.com", EmailVerified: true, Groups: []string{"admins", "engineers"}}},
		{"user name, and a transient NameID", func(c *Config) {
			c.UsernameAttr, c.NameIDPolicyFormat, c.GroupsAttr, c.NameAttr = "uid", "transient", "", ""
		}, func(d *draft) {
			d.nameID = `<saml:NameID Format="` + formatTransient + `">_8f</saml:NameID>`
			d.attributes += attribute("uid", "jdoe")
		}, dexconn.Identity{UserID: "jdoe", PreferredUsername: "jdoe", Username: "jdoe", Email: "jane@example.com", EmailVerified: true}},
		{"groups left out", func(*Config) {}, func(d *draft) { d.attributes = email }, dexconn.Identity{
			UserID: "jane", Username: "jane@example.com", Email: "jane@example.com", EmailVerified: true, Groups: []string{},
		}},
		{"groups in one value", func(c *Config) { c.GroupsDelim = ";" }, func(d *draft) { d.attributes = email + attribute("groups", "a b; c;;a b") }, dexconn.Identity{
			UserID: "jane", Username: "jane@example.com", Email: "jane@example.com", EmailVerified: true, Groups: []string{"a b", "c"},
		}},
		{"groups in several attributes", func(*Config) {}, func(d *draft) { d.attributes = email + attribute("groups", "a") + attribute("groups", "b", "a") }, dexconn.Identity{
			UserID: "jane", Username: "jane@example.com", Email: "jane@example.com", EmailVerified: true, Groups: []string{"a", "b"},
		}},
		{"in an allowed group", func(c *Config) { c.AllowedGroups = []string{"engineers", "x"} }, func(*draft) {}, jane()},
		{"only the allowed groups", func(c *Config) { c.AllowedGroups, c.FilterGroups = []string{"engineers", "x"}, true }, func(*draft) {}, dexconn.Identity{
			UserID: "jane", Username: "Jane Doe", Email: "jane@example.com", EmailVerified: true, Groups: []string{"engineers"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			conn, _ := open(t, cfg)
			id, err := signIn(t, conn, c.answer)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, id); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSAMLCallback_NobodyIdentified(t *testing.T) {
	for _, c := range []struct {
		name        string
		change      func(*Config)
		answer      func(*draft)
		kind        fault.Kind
		field, want string
	}{
		{
			"no address", func(c *Config) { c.EmailAttr = "emailAddress" }, func(*draft) {}, fault.Denied, "config.emailAttr",
			"but only NameID, email (mail), groups, urn:oid:1.1 (displayName)",
		},
		{"two addresses", func(c *Config) { c.EmailAttr = "groups" }, func(*draft) {}, fault.Unauthenticated, "", "has 2 values"},
		{
			"no address at all", func(c *Config) { c.EmailAttr = "displayName" }, func(*draft) {}, fault.Unauthenticated, "config.emailAttr",
			"not exactly one e-mail address",
		},
		{"two in one", func(*Config) {}, func(d *draft) {
			d.attributes = strings.Replace(d.attributes, "jane@example.com", "jane@example.com,b@evil.test", 1)
		}, fault.Unauthenticated, "config.emailAttr", "not exactly one e-mail address"},
		{"an element in the address", func(*Config) {}, func(d *draft) {
			d.attributes = strings.Replace(d.attributes, "jane@example.com", "jane@example.com<x/>.evil.test", 1)
		}, fault.Unauthenticated, "", "more in it than text"},
		{
			"an element in the NameID", func(*Config) {}, func(d *draft) { d.nameID = "<saml:NameID>ja<x/>ne</saml:NameID>" }, fault.Unauthenticated,
			"", "more in it than text",
		},
		{"two NameIDs", func(*Config) {}, func(d *draft) { d.nameID += d.nameID }, fault.Unauthenticated, "", "2 elements NameID"},
		{"no NameID", func(*Config) {}, func(d *draft) { d.nameID = "" }, fault.Precondition, "config.usernameAttr", "no NameID but only email"},
		{"a transient NameID", func(*Config) {}, func(d *draft) {
			d.nameID = `<saml:NameID Format="` + formatTransient + `">_8f</saml:NameID>`
		}, fault.Precondition, "config.nameIDPolicyFormat", "transient"},
		{
			"white space in the NameID", func(*Config) {}, func(d *draft) { d.nameID = "<saml:NameID> jane</saml:NameID>" }, fault.Unauthenticated,
			"config.usernameAttr", "not a user id",
		},
		{"a friendly name of two", func(c *Config) { c.EmailAttr = "mail" }, func(d *draft) {
			d.attributes += `<saml:Attribute Name="other" FriendlyName="mail"><saml:AttributeValue>x@example.com</saml:AttributeValue></saml:Attribute>`
		}, fault.Unauthenticated, "", "several of the provider's attributes"},
		{
			"in no allowed group", func(c *Config) { c.AllowedGroups = []string{"x"} }, func(*draft) {}, fault.Denied, "",
			"only members of certain groups",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := config()
			c.change(&cfg)
			conn, _ := open(t, cfg)
			w := claimlog.New(time.Now)
			_, err := signInSeen(claimlog.In(t.Context(), w), t, conn, c.answer)
			if fault.KindOf(err) != c.kind || fault.FieldOf(err) != c.field || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%s at %q: %v", fault.KindOf(err), fault.FieldOf(err), err)
			}
			if fault.NextOf(err) == "" {
				t.Errorf("nothing to do about it: %v", err)
			}
			if refused := new(dexconn.UserNotInRequiredGroupsError); strings.Contains(c.want, "members of") && !errors.As(err, &refused) {
				t.Errorf("Dex does not know the reason: %v", err)
			}
			if c.field != "" && !strings.HasPrefix(fmt.Sprint(w.Seen().Claims["email"]), "jane@example.com") {
				t.Errorf("the trial does not see what came: %v", w.Seen().Claims)
			}
		})
	}
}

func TestSAMLCallback_RecordsClaims(t *testing.T) {
	cfg := config()
	cfg.EmailAttr, cfg.UsernameAttr = "missing", "email"
	c, _ := open(t, cfg)
	got := claimlog.New(time.Now)
	if _, err := signInSeen(claimlog.In(t.Context(), got), t, c, func(*draft) {}); err == nil {
		t.Fatal("accepted without an address")
	}
	want := claimlog.Seen{
		Claims: map[string]any{
			"NameID": "jane", "email": "jane@example.com", "groups": []string{"admins", "engineers"}, "urn:oid:1.1": "Jane Doe",
		},
		Uses: []claimlog.Use{
			{As: claimlog.UserID, Claim: "NameID"},
			{As: claimlog.Email, Claim: "missing"},
			{As: claimlog.Username, Claim: "email"},
			{As: claimlog.Name, Claim: "displayName"},
			{As: claimlog.Groups, Claim: "groups"},
		},
	}
	if diff := cmp.Diff(want, got.Seen()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoginURL_ByRedirect(t *testing.T) {
	cfg := config()
	cfg.SSOURL, cfg.CAData, cfg.Metadata, cfg.EntityIssuer, cfg.NameIDPolicyFormat = "", "", metadataOf(entityID, ours()), "urn:pachd:<&>", "emailAddress"
	c, _ := open(t, cfg)
	to, data, err := c.LoginURL(dexconn.Scopes{}, callbackURL, state)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if !strings.HasPrefix(to, ssoURL+"&") || q.Get("RelayState") != state || q.Get("tenant") != "7" {
		t.Errorf("goes to %s", to)
	}
	deflated, err := base64.StdEncoding.DecodeString(q.Get("SAMLRequest"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(flate.NewReader(bytes.NewReader(deflated)))
	if err != nil {
		t.Fatal(err)
	}
	checkRequest(t, raw, data, ssoURL, "urn:pachd:<&>", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress")
	if _, _, err := c.Form(data); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a form of a sign-in that has none: %v", err)
	}
}

func TestForm(t *testing.T) {
	c, _ := open(t, config())
	to, data, err := c.LoginURL(dexconn.Scopes{}, callbackURL, state)
	if err != nil || to != "https://pachd.example.com/form?state="+state {
		t.Fatalf("goes to %s, %v", to, err)
	}
	action, fields, err := c.Form(data)
	if err != nil {
		t.Fatal(err)
	}
	if action != config().SSOURL || fields["RelayState"] != state || len(fields) != 2 {
		t.Errorf("posts %v to %s", fields, action)
	}
	raw, err := base64.StdEncoding.DecodeString(fields["SAMLRequest"])
	if err != nil {
		t.Fatal(err)
	}
	checkRequest(t, raw, data, config().SSOURL, callbackURL, "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent")
	_, other, err := c.LoginURL(dexconn.Scopes{}, callbackURL, state)
	if err != nil || bytes.Equal(other, data) {
		t.Errorf("two requests have one ID: %s, %v", other, err)
	}
}

func checkRequest(t *testing.T, raw, data []byte, destination, issuer, format string) {
	t.Helper()
	r := tree(string(raw))
	p, err := parsePending(data)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{
		"": r.NamespaceURI(), "Issuer": r.FindElement("./Issuer").Text(), "Format": r.FindElement("./NameIDPolicy").SelectAttrValue("Format", ""),
	}
	for _, a := range r.Attr {
		if a.Space != "xmlns" {
			got[a.Key] = a.Value
		}
	}
	want := map[string]string{
		"": "urn:oasis:names:tc:SAML:2.0:protocol", "Issuer": issuer, "Format": format,
		"ID": p.ID, "Version": "2.0", "IssueInstant": "2026-11-23T12:00:00Z", "Destination": destination,
		"ProtocolBinding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST", "AssertionConsumerServiceURL": callbackURL,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLoginURL_SAMLOtherCallback(t *testing.T) {
	c, _ := open(t, config())
	if _, _, err := c.LoginURL(dexconn.Scopes{}, "https://other.test/callback", state); !fault.Is(err, fault.Precondition) ||
		fault.FieldOf(err) != "config.redirectURI" {
		t.Errorf("%v", err)
	}
}

// published serves metadata that can be changed, and counts who asks.
type published struct {
	text   atomic.Value
	status atomic.Int32
	asked  atomic.Int32
}

func publish(t *testing.T, text string) (*published, string) {
	t.Helper()
	p := &published{}
	p.text.Store(text)
	p.status.Store(http.StatusOK)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		w.WriteHeader(int(p.status.Load()))
		_, _ = io.WriteString(w, p.text.Load().(string))
	}))
	t.Cleanup(s.Close)
	return p, s.URL + "/metadata?appid=1"
}

func byMetadata(address string) Config {
	cfg := config()
	cfg.SSOURL, cfg.SSOIssuer, cfg.CAData, cfg.MetadataURL = "", "", "", address
	return cfg
}

func TestSAMLCallback_CertificateRollover(t *testing.T) {
	idp, address := publish(t, metadataOf(entityID, ours()))
	c, clock := open(t, byMetadata(address))
	try := func(by signer) error {
		t.Helper()
		_, err := signIn(t, c, func(d *draft) { d.by, d.assertionID = by, fmt.Sprintf("_a%d", clock.now.UnixNano()) })
		return err
	}
	later := func(d time.Duration) { clock.now = clock.now.Add(d) }
	if err := try(ours()); err != nil {
		t.Fatal(err)
	}
	later(11 * time.Second)
	if err := try(other()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a key that is nobody's: %v", err)
	}
	if n := idp.asked.Load(); n != 2 {
		t.Errorf("asked %d times, want 2: at the start, and for the unknown key", n)
	}
	later(time.Second)
	if err := try(other()); !fault.Is(err, fault.Unauthenticated) || idp.asked.Load() != 2 {
		t.Errorf("asked %d times, want 2: forged messages make us ask at every one (%v)", idp.asked.Load(), err)
	}

	idp.text.Store(metadataOf(entityID, ours(), other()))
	later(11 * time.Second)
	if err := try(other()); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if err := try(ours()); fault.Message(err) != "" && strings.Contains(fault.Message(err), "certificate") {
		t.Errorf("the old key while both are published: %v", err)
	}
	idp.text.Store(metadataOf(entityID, other()))
	later(11 * time.Second)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	later(time.Second)
	if err := try(ours()); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("a key that was withdrawn: %v", err)
	}
}

func TestMetadata_OutlivesAnOutage(t *testing.T) {
	idp, address := publish(t, metadataOf(entityID, ours()))
	c, clock := open(t, byMetadata(address))
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	idp.status.Store(http.StatusServiceUnavailable)
	if err := c.Ping(t.Context()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("the ping of a provider with a problem: %v", err)
	}
	clock.now = clock.now.Add(48 * time.Hour)
	if _, u, err := c.endpoint(t.Context()); u != ssoURL || err != nil {
		t.Errorf("after two days: %s, %v", u, err)
	}

	ends := strings.Replace(metadataOf(entityID, ours()), "entityID=", `validUntil="2026-11-23T13:00:00Z" entityID=`, 1)
	idp2, address := publish(t, ends)
	c, clock = open(t, byMetadata(address))
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	idp2.status.Store(http.StatusServiceUnavailable)
	clock.now = clock.now.Add(2 * time.Hour)
	if _, _, err := c.endpoint(t.Context()); !fault.Is(err, fault.Precondition) ||
		!strings.Contains(fault.Message(err), "valid until 2026-11-23T13:00:00Z") {
		t.Errorf("beyond its own end: %v", err)
	}
}

func TestMetadata_FromAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "idp.xml")
	cfg := byMetadata("")
	cfg.MetadataFile = file
	c, clock := open(t, cfg)
	if err := c.Ping(t.Context()); fault.FieldOf(err) != "config.metadataFile" {
		t.Errorf("no file: %v", err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		clock.now = clock.now.Add(11 * time.Second)
	}
	write("\ufeff" + metadataOf(entityID, other()))
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(metadataOf(entityID, ours()))
	if _, err := signIn(t, c, func(*draft) {}); err != nil {
		t.Errorf("with the certificate that came later: %v", err)
	}
}

// What metadata must have is tested in package metadata.
func TestPing_UnusableMetadata(t *testing.T) {
	good := metadataOf(entityID, ours())
	for want, text := range map[string]string{
		"is not SAML metadata":        "<html></html>",
		"only https is accepted":      strings.Replace(good, ssoURL, "http://idp.example.com/sso", 1),
		"expired on 2026-11-23 11:00": metadataOf(entityID, past()),
		"was valid until 2026-11-23":  strings.Replace(good, "entityID=", `validUntil="2026-11-23T11:00:00Z" entityID=`, 1),
	} {
		_, address := publish(t, text)
		c, _ := open(t, byMetadata(address))
		if err := c.Ping(t.Context()); !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), want) {
			t.Errorf("want %q: %v", want, err)
		}
	}
	_, address := publish(t, good)
	cfg := byMetadata(address)
	cfg.SSOIssuer = "https://second.example.com"
	c, _ := open(t, cfg)
	if err := c.Ping(t.Context()); fault.FieldOf(err) != "config.ssoIssuer" {
		t.Errorf("another provider: %v", err)
	}
}

// What an administrator meets on a bad day, and is told to change.
func TestSAMLCallback_Remedies(t *testing.T) {
	minutes := func(n time.Duration) time.Time { return at().Add(n * time.Minute) }
	for name, c := range map[string]struct {
		change func(*Config)
		answer func(*draft)
		remedy string
	}{
		"the audience is another": {
			nil, func(d *draft) { d.audience = strings.Replace(d.audience, callbackURL, "https://old.example.com", 1) },
			"set the audience (SP entity ID) of this application at the provider to that, or entityIssuer of the connector to what it sends",
		},
		"the ACS is another": {
			nil, func(d *draft) { d.recipient = "https://old.example.com/callback" }, "register that at the provider as assertion consumer service (ACS)",
		},
		"the clock is ahead": {
			nil, func(d *draft) { d.issued = minutes(10) }, "set both clocks by a time server (NTP): the provider's seems to be 600 seconds ahead of this server's",
		},
		"nothing is signed": {
			nil, func(d *draft) { d.signResponse, d.signAssertion = false, false }, "let it sign the Assertion, in its settings of this application",
		},
		"the certificate has expired": {
			func(c *Config) { c.CAData = past().pem() }, func(d *draft) { d.by = past() },
			"have the provider sign with a new one, and put that into caData if it is not in the metadata",
		},
		"the NameID is transient": {
			nil, func(d *draft) { d.nameID = `<saml:NameID Format="` + formatTransient + `">_8f</saml:NameID>` },
			"have it send a persistent one, or set usernameAttr",
		},
		"the provider knows no such NameID": {
			nil, func(d *draft) {
				d.status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Requester"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:InvalidNameIDPolicy"/></samlp:StatusCode>`
			}, "set nameIDPolicyFormat to one it has, or to unspecified",
		},
		"nobody sends the attribute": {
			func(c *Config) { c.EmailAttr = "emailAddress" }, nil, "set emailAttr to the attribute that holds it, or have the provider send it",
		},
		"the sign-in began at the provider": {nil, func(d *draft) { d.responseTo = "" }, "begin the sign-in here, not at the provider"},
		"a person is refused there": {
			nil, func(d *draft) {
				d.status = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"/></samlp:StatusCode>`
			}, "try again; if that fails, the provider's log says why",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config()
			if c.change != nil {
				c.change(&cfg)
			}
			conn, _ := open(t, cfg)
			_, err := signIn(t, conn, func(d *draft) {
				if c.answer != nil {
					c.answer(d)
				}
			})
			if err == nil || fault.NextOf(err) != c.remedy {
				t.Errorf("%v\nits remedy: %s\nwant:       %s", err, fault.NextOf(err), c.remedy)
			}
		})
	}
}

func TestCheck_SignedRequestsWanted(t *testing.T) {
	good := metadataOf(entityID, ours())
	for value, want := range map[string]probe.Status{"true": probe.Warning, "1": probe.Warning, "false": probe.OK, "": probe.OK} {
		_, address := publish(t, strings.Replace(good, "<md:IDPSSODescriptor ", `<md:IDPSSODescriptor WantAuthnRequestsSigned="`+value+`" `, 1))
		c, _ := open(t, byMetadata(address))
		r := probe.New(time.Now)
		c.Check(t.Context(), r)
		for _, s := range r.Steps {
			if s.Name == probe.Discovery && (s.Status != want || strings.Contains(s.Remedy, "WantAuthnRequestsSigned") != (want == probe.Warning)) {
				t.Errorf("WantAuthnRequestsSigned=%q: %+v", value, s)
			}
		}
	}
}

func TestSAMLCallback_ExpiredCertificate(t *testing.T) {
	cfg := config()
	cfg.CAData = past().pem() + ours().pem()
	c, _ := open(t, cfg)
	_, err := signIn(t, c, func(d *draft) { d.by = past() })
	if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "expired on 2026-11-23 11:00 UTC") {
		t.Errorf("%v", err)
	}
	if _, err := signIn(t, c, func(*draft) {}); err != nil {
		t.Errorf("with the other one: %v", err)
	}
}

func TestSPMetadata(t *testing.T) {
	c, _ := open(t, config())
	raw, err := c.SPMetadata()
	if err != nil {
		t.Fatal(err)
	}
	root := tree(string(raw))
	acs := root.FindElement("./SPSSODescriptor/AssertionConsumerService")
	if root.SelectAttrValue("entityID", "") != callbackURL || acs.SelectAttrValue("Location", "") != callbackURL ||
		acs.SelectAttrValue("Binding", "") != "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" ||
		root.FindElement("./SPSSODescriptor").SelectAttrValue("WantAssertionsSigned", "") != "true" {
		t.Errorf("%s", raw)
	}
}

func TestConnector_Issuer(t *testing.T) {
	for want, change := range map[string]func(*Config){
		entityID: func(*Config) {},
		"":       func(c *Config) { c.SSOIssuer = "" },
		"urn:x":  func(c *Config) { *c = byMetadata(""); c.Metadata = metadataOf("urn:x", ours()) },
	} {
		cfg := config()
		change(&cfg)
		if c, _ := open(t, cfg); c.Issuer() != want {
			t.Errorf("%q, want %q", c.Issuer(), want)
		}
	}
}

func TestMemory_IsBounded(t *testing.T) {
	m := newMemory()
	for i := range maxSeen + 5 {
		if !m.first(fmt.Sprint(i), at().Add(time.Duration(i+1)*time.Second), at()) {
			t.Fatal("a new one is taken for an old one")
		}
	}
	if len(m.ends) != maxSeen {
		t.Errorf("remembers %d, want %d", len(m.ends), maxSeen)
	}
	if m.first(fmt.Sprint(maxSeen), at(), at()) {
		t.Error("the one that lives longest was forgotten")
	}
	if !m.first("0", at().Add(time.Second), at()) {
		t.Error("the one that ends first was kept")
	}
	if !m.first("x", at(), at().AddDate(1, 0, 0)) || len(m.ends) != 1 {
		t.Errorf("remembers %d that expired", len(m.ends)-1)
	}
}

func TestPending_IsPlainJSON(t *testing.T) {
	c, _ := open(t, config())
	data, _ := begin(t, c)
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil || fields["id"] == "" || fields["state"] != state {
		t.Errorf("%s: %v", data, err)
	}
}

// Providers differ in how they write the same thing; canonicalization of a part
// is where that matters.
func TestSAMLCallback_Namespaces(t *testing.T) {
	rename := func(from, to, uri string) func(*etree.Element) {
		var walk func(*etree.Element)
		walk = func(el *etree.Element) {
			if el.Space == from {
				el.Space = to
			}
			for _, child := range el.ChildElements() {
				walk(child)
			}
		}
		return func(root *etree.Element) {
			walk(root)
			if to == "" {
				for _, el := range append([]*etree.Element{root}, root.ChildElements()...) {
					if el.Space == "" {
						el.CreateAttr("xmlns", uri)
					}
				}
			} else {
				root.CreateAttr("xmlns:"+to, uri)
			}
		}
	}
	for name, before := range map[string]func(*etree.Element){
		"saml2": rename("saml", "saml2", "urn:oasis:names:tc:SAML:2.0:assertion"),
		"no prefix for either": func(root *etree.Element) {
			rename("samlp", "", "urn:oasis:names:tc:SAML:2.0:protocol")(root)
			defaultAssertion(root)
		},
		"declared where needed": defaultAssertion,
	} {
		for mode, set := range modes() {
			c, _ := open(t, config())
			id, err := signIn(t, c, func(d *draft) { set(d); d.before = before })
			if diff := cmp.Diff(jane(), id); err != nil || diff != "" {
				t.Errorf("%s, %s signed: %v %s", name, mode, err, diff)
			}
		}
	}
}

// defaultAssertion gives every topmost element of the assertion's namespace a
// default namespace in place of the prefix.
func defaultAssertion(root *etree.Element) {
	var walk func(el *etree.Element, declared bool)
	walk = func(el *etree.Element, declared bool) {
		if el.Space == "saml" {
			el.Space = ""
			if !declared {
				el.CreateAttr("xmlns", "urn:oasis:names:tc:SAML:2.0:assertion")
			}
			declared = true
		}
		for _, child := range el.ChildElements() {
			walk(child, declared)
		}
	}
	walk(root, false)
}

func TestLoginURL_Bindings(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*Config)
		metadata string
		want     string
	}{
		{"the configuration's address", func(*Config) {}, "", "form"},
		{"the same by redirect", func(c *Config) { c.RequestBinding = "redirect" }, "", "https://idp.example.com/saml/sso?"},
		{"both offered", func(*Config) {}, metadataOf(entityID, ours()), ssoURL + "&"},
		{"both offered, post wanted", func(c *Config) { c.RequestBinding = "post" }, metadataOf(entityID, ours()), "form"},
		{"only post offered", func(*Config) {}, strings.Replace(metadataOf(entityID, ours()), "HTTP-Redirect", "SOAP", 1), "form"},
		{
			"redirect wanted, not offered", func(c *Config) { c.RequestBinding = "redirect" },
			strings.Replace(metadataOf(entityID, ours()), "HTTP-Redirect", "SOAP", 1), "",
		},
	} {
		cfg := config()
		if c.metadata != "" {
			cfg = byMetadata("")
			cfg.Metadata = c.metadata
		}
		c.change(&cfg)
		conn, err := Open(cfg, Deps{Now: at, Rules: document.Rules{Callback: callbackURL}, FormURL: func(string) string { return "form" }})
		if err != nil {
			t.Fatal(err)
		}
		to, _, err := conn.LoginURL(dexconn.Scopes{}, callbackURL, state)
		if c.want == "" {
			if fault.FieldOf(err) != "config.requestBinding" {
				t.Errorf("%s: %v", c.name, err)
			}
		} else if err != nil || !strings.HasPrefix(to, c.want) {
			t.Errorf("%s: goes to %s, %v", c.name, to, err)
		}
	}
}

// Dex lets ssoIssuer be left out; the pinned certificate then says who it is.
func TestSAMLCallback_NoIssuerConfigured(t *testing.T) {
	cfg := config()
	cfg.SSOIssuer = ""
	c, _ := open(t, cfg)
	other := func(d *draft) { d.issuer, d.responseIssuer = "urn:x", "urn:x" }
	if _, err := signIn(t, c, other); err != nil {
		t.Error(err)
	}
	cfg = byMetadata("")
	cfg.Metadata = metadataOf(entityID, ours())
	c, _ = open(t, cfg)
	if _, err := signIn(t, c, other); !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), `issued by "urn:x"`) {
		t.Errorf("another than the metadata's: %v", err)
	}
}
