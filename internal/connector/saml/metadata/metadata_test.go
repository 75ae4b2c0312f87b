package metadata_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
	"time"

	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/fault"
)

const (
	entityID = "https://idp.example.com/saml"
	redirect = "https://idp.example.com/saml/redirect?tenant=7"
	post     = "https://idp.example.com/saml/post"
)

func certificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func key(use, certificate string) string {
	return `<md:KeyDescriptor ` + use + `><ds:KeyInfo><ds:X509Data><ds:X509Certificate>` + certificate +
		`</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

func document(entityID, keys string) string {
	return `<?xml version="1.0"?><!-- made by hand -->` +
		`<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID="` + entityID + `">
<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` + keys + `
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="` + post + `"/>
<md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect" Location="` + redirect + `"/>
</md:IDPSSODescriptor></md:EntityDescriptor>`
}

// several is the metadata of two providers.
func several(one string) string {
	entity := one[strings.Index(one, "<md:Entity"):]
	return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata"><md:EntitiesDescriptor>` + entity + `</md:EntitiesDescriptor>` +
		strings.ReplaceAll(entity, entityID, "https://second.example.com") + `</md:EntitiesDescriptor>`
}

func TestParse_Metadata(t *testing.T) {
	signing := certificate(t)
	good := document(entityID, key(`use="signing"`, signing))
	d, err := metadata.Parse([]byte(good), "", false)
	if err != nil || d.EntityID != entityID || d.RedirectURL != redirect || d.PostURL != post || len(d.Certificates) != 1 || !d.ValidUntil.IsZero() {
		t.Fatalf("%+v, %v", d, err)
	}
	for name, c := range map[string]struct {
		text, entity string
		certificates int
	}{
		"with a byte order mark": {"\ufeff" + good, "", 1},
		"by its name":            {good, entityID, 1},
		"one of two by its name": {several(good), "https://second.example.com", 1},
		"a key for both uses":    {document(entityID, key("", signing)), "", 1},
		"keys of other kinds": {
			document(entityID, key(`use="encryption"`, signing)+key(`use="signing"`, "AAAA")+key(`use="signing"`, signing)+key("", certificate(t))), "", 2,
		},
		"HTTP-POST alone":        {strings.Replace(good, "bindings:HTTP-Redirect", "bindings:X", 1), "", 1},
		"HTTP-Redirect alone":    {strings.Replace(good, "bindings:HTTP-POST", "bindings:X", 1), "", 1},
		"a certificate in lines": {document(entityID, key("", signing[:20]+"\n  "+signing[20:]+"\n")), "", 1},
	} {
		d, err := metadata.Parse([]byte(c.text), c.entity, false)
		if err != nil || len(d.Certificates) != c.certificates || c.entity != "" && d.EntityID != c.entity {
			t.Errorf("%s: %+v, %v", name, d, err)
		}
	}
	if d, err = metadata.Parse([]byte(strings.Replace(good, post, "http://idp.example.com/post", 1)), "", true); err != nil {
		t.Errorf("http where it is allowed: %+v, %v", d, err)
	}
	first, last := ` validUntil="2026-11-23T11:00:00Z" `, ` validUntil="2026-11-24T11:00:00Z" `
	for outer, inner := range map[string]string{first: last, last: first} {
		ends := strings.Replace(strings.Replace(good, " entityID=", outer+"entityID=", 1), "<md:IDPSSODescriptor", "<md:IDPSSODescriptor"+inner, 1)
		d, err = metadata.Parse([]byte(ends), "", false)
		if err != nil || !d.ValidUntil.Equal(time.Date(2026, 11, 23, 11, 0, 0, 0, time.UTC)) {
			t.Errorf("the first end counts: %+v, %v", d, err)
		}
	}
}

func TestParse_UnusableMetadata(t *testing.T) {
	signing := key(`use="signing"`, certificate(t))
	good := document(entityID, signing)
	for want, text := range map[string]string{
		"only https is accepted":                     strings.Replace(good, redirect, "http://idp.example.com/sso", 1),
		"which is not a valid http or https address": strings.Replace(good, redirect, "javascript:alert(1)", 1),
		`"https://u:p@idp.example.com/", which is`:   strings.Replace(good, redirect, "https://u:p@idp.example.com/", 1),
		`"https://idp.example.com/#", which is`:      strings.Replace(good, redirect, "https://idp.example.com/#", 1),
		"no signing certificate":                     document(entityID, ""),
		"has no signing certificate":                 strings.Replace(good, `use="signing"`, `use="encryption"`, 1),
		"describes no SAML 2.0":                      strings.Replace(good, "IDPSSODescriptor", "SPSSODescriptor", 2),
		"is not SAML metadata":                       "<html></html>",
		"DTD":                                        "<!DOCTYPE x>" + good,
		"no SingleSignOnService":                     strings.ReplaceAll(good, "bindings:HTTP-", "bindings:X-"),
		"no entityID":                                document("", signing),
		"describes 2 providers":                      several(good),
		"not well-formed":                            good[:len(good)-2],
		"validUntil that is not a time":              strings.Replace(good, "entityID=", `validUntil="tomorrow" entityID=`, 1),
	} {
		if d, err := metadata.Parse([]byte(text), "", false); !fault.Is(err, fault.Precondition) || !strings.Contains(fault.What(err), want) || fault.NextOf(err) == "" {
			t.Errorf("want %q: %+v, %v", want, d, err)
		}
	}
	for _, text := range []string{good, several(good)} {
		if _, err := metadata.Parse([]byte(text), "https://third.example.com", false); fault.FieldOf(err) != "config.ssoIssuer" {
			t.Errorf("another name: %v", err)
		}
	}
}
