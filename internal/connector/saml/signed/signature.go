package signed

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

const (
	algEnveloped        = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
	algExclusive        = "http://www.w3.org/2001/10/xml-exc-c14n#"
	algExclusiveComment = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"
	ecdsaPrefix         = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-"
)

// methods are those that only the provider can sign with: no HMAC, whose key
// could be its public certificate, and nothing that rests on SHA-1.
func methods() []string {
	const more = "http://www.w3.org/2001/04/xmldsig-more#"
	return []string{
		more + "rsa-sha256", more + "rsa-sha384", more + "rsa-sha512", ecdsaPrefix + "sha256", ecdsaPrefix + "sha384", ecdsaPrefix + "sha512",
	}
}

func digests() []string {
	return []string{
		"http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#sha384", "http://www.w3.org/2001/04/xmlenc#sha512",
	}
}

// Verify gives a new tree, of the bytes that the signature of el covers, which
// are all of el. Only certs count: what key comes along with the signature is not
// looked at (SAML core, 5.4; CVE-2026-33487). Its errors are faults: Precondition
// for a way of signing that is not accepted and for a certificate whose time is
// over, Unauthenticated for what none of certs has signed.
func Verify(el, signature *etree.Element, certs []*x509.Certificate, now time.Time) (*etree.Element, error) {
	if err := checkShape(el, signature); err != nil {
		return nil, err
	}
	var why error
	for _, cert := range certs {
		at := now
		if !IsCurrent(cert, now) {
			at = cert.NotBefore // to tell a certificate that ran out from another one
		}
		found, err := tryCertificate(el, cert, at)
		switch {
		case err != nil:
			why = errors.Join(why, err)
		case !IsCurrent(cert, now):
			return nil, Outdated(cert, now)
		default:
			return found, nil
		}
	}
	return nil, refuse.Response(
		"the signature of the %s is not by a certificate that the connector knows, or what it signed was changed", el.Tag).
		Next("sign in again, and if that fails, compare caData or the metadata with the provider's signing certificate").Because(why)
}

// IsCurrent says whether a certificate counts now.
func IsCurrent(cert *x509.Certificate, now time.Time) bool {
	return !now.Before(cert.NotBefore) && !now.After(cert.NotAfter)
}

// Outdated is the fault that a certificate does not.
func Outdated(cert *x509.Certificate, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	if now.Before(cert.NotBefore) {
		return fault.New(fault.Precondition, "the provider's signing certificate is valid only from %s", cert.NotBefore.UTC().Format(day)).
			Next("check this server's clock, or have the provider sign with another one")
	}
	return fault.New(fault.Precondition, "the provider's signing certificate expired on %s", cert.NotAfter.UTC().Format(day)).
		Next("have the provider sign with a new one, and put that into caData if it is not in the metadata")
}

func tryCertificate(el *etree.Element, cert *x509.Certificate, at time.Time) (*etree.Element, error) {
	alone := xmltree.Detach(el)
	signature := xmltree.Children(alone, xmltree.Signature, "Signature")[0]
	for _, keys := range xmltree.Children(signature, xmltree.Signature, "KeyInfo") {
		signature.RemoveChild(keys)
	}
	value := xmltree.Children(signature, xmltree.Signature, "SignatureValue")[0]
	encoded, err := signatureValue(xmltree.URI(value), cert, methodOf(signature))
	if err != nil {
		return nil, err
	}
	value.SetText(encoded)
	ctx := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	ctx.Clock = dsig.NewFakeClockAt(at)
	found, err := ctx.Validate(alone)
	if err != nil {
		return nil, err
	}
	if found.Tag != el.Tag || found.NamespaceURI() != el.NamespaceURI() || xmltree.Attr(found, "ID") != xmltree.Attr(el, "ID") {
		return nil, errors.New("what was verified is not what was to be verified")
	}
	return found, nil
}

// signatureValue has ECDSA's two numbers as XML has them, side by side (XML
// Signature 1.1, 6.4.3), and turns them into the ASN.1 that the library expects.
func signatureValue(text string, cert *x509.Certificate, method string) (string, error) {
	text = strings.Join(strings.Fields(text), "")
	key, isEC := cert.PublicKey.(*ecdsa.PublicKey)
	if !isEC || !strings.HasPrefix(method, ecdsaPrefix) {
		return text, nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	size := (key.Curve.Params().BitSize + 7) / 8
	if err != nil || len(raw) != 2*size {
		return "", errors.New("not an ECDSA signature of this key's size")
	}
	der, err := asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:size]), new(big.Int).SetBytes(raw[size:])})
	return base64.StdEncoding.EncodeToString(der), err
}

func methodOf(signature *etree.Element) string {
	for _, info := range xmltree.Children(signature, xmltree.Signature, "SignedInfo") {
		for _, method := range xmltree.Children(info, xmltree.Signature, "SignatureMethod") {
			return xmltree.Attr(method, "Algorithm")
		}
	}
	return ""
}

// checkShape accepts what SAML core, 5.4, prescribes and nothing that
// XML Signature has beyond it: one reference, to el itself, and the two
// transforms that cannot leave out a part of it.
func checkShape(el, signature *etree.Element) error {
	info, err := sequence(signature, "SignedInfo", "SignatureValue", "KeyInfo?")
	if err != nil {
		return err
	}
	parts, err := sequence(info[0], "CanonicalizationMethod", "SignatureMethod", "Reference")
	if err != nil {
		return err
	}
	method := xmltree.Attr(parts[1], "Algorithm")
	switch c14n := xmltree.Attr(parts[0], "Algorithm"); {
	case !isExclusive(c14n):
		return unacceptable("canonicalization method", c14n, "exclusive canonicalization")
	case len(parts[0].ChildElements()) > 0 || len(parts[1].ChildElements()) > 0:
		return misshapen()
	case !slices.Contains(methods(), method):
		return unacceptable("signature method", method, "RSA or ECDSA with SHA-256")
	}
	return checkReference(el, parts[2])
}

func checkReference(el, reference *etree.Element) error {
	parts, err := sequence(reference, "Transforms", "DigestMethod", "DigestValue")
	if err != nil {
		return err
	}
	if id := xmltree.Attr(el, "ID"); id == "" || xmltree.Attr(reference, "URI") != "#"+id {
		return refuse.Response("the signature of the %s is about another element: it proves nothing", el.Tag).
			Next(startAgain)
	}
	if digest := xmltree.Attr(parts[1], "Algorithm"); !slices.Contains(digests(), digest) {
		return unacceptable("digest method", digest, "SHA-256")
	}
	for _, t := range parts[0].ChildElements() {
		if algorithm := xmltree.Attr(t, "Algorithm"); algorithm != algEnveloped && !isExclusive(algorithm) {
			return unacceptable("transform", algorithm, "enveloped-signature and exclusive canonicalization only")
		}
	}
	transforms, err := sequence(parts[0], "Transform", "Transform")
	if err != nil {
		return err
	}
	first, second := xmltree.Attr(transforms[0], "Algorithm"), xmltree.Attr(transforms[1], "Algorithm")
	if first != algEnveloped || !isExclusive(second) || len(transforms[0].ChildElements()) > 0 {
		return misshapen()
	}
	for _, inner := range transforms[1].ChildElements() {
		if !xmltree.Is(inner, algExclusive, "InclusiveNamespaces") || len(transforms[1].ChildElements()) > 1 {
			return misshapen()
		}
	}
	return nil
}

// isExclusive takes the variant with comments too: there are none (parse).
func isExclusive(algorithm string) bool {
	return algorithm == algExclusive || algorithm == algExclusiveComment
}

// sequence is the child elements of el if they are these, in this order; those
// with a question mark may be missing.
func sequence(el *etree.Element, names ...string) ([]*etree.Element, error) {
	found := el.ChildElements()
	at := 0
	for _, name := range names {
		tag, optional := strings.CutSuffix(name, "?")
		if at < len(found) && xmltree.Is(found[at], xmltree.Signature, tag) {
			at++
		} else if !optional {
			return nil, misshapen()
		}
	}
	if at != len(found) {
		return nil, misshapen()
	}
	return found, nil
}

func misshapen() error {
	return refuse.Response("the provider's signature does not have the form that SAML requires: " +
		"one reference to the signed element, enveloped-signature and exclusive canonicalization").
		Next("let the provider sign in that form (SAML core, 5.4)")
}

func unacceptable(what, algorithm, remedy string) error {
	name := algorithm
	if i := strings.LastIndexAny(algorithm, "#/"); i >= 0 && i+1 < len(algorithm) {
		name = algorithm[i+1:]
	}
	if strings.Contains(strings.ToLower(name), "sha1") {
		return fault.New(fault.Precondition, "the provider signs with SHA-1 (%s %s), which can be forged", what, fetch.Clean(name)).
			Next("let it sign with %s", remedy)
	}
	return fault.New(fault.Precondition, "the provider's signature uses the %s %q, which is not accepted", what, fetch.Clean(name)).
		Next("let it use %s", remedy)
}
