package metadata

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/webaddr"
)

// The ways a request can take.
const (
	Redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	POST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
)

// anew is the remedy for what is no metadata, such as a page of the provider's.
const anew = "set metadataURL to where the provider publishes its metadata, or take it anew into metadataFile or metadata"

// Document is what we use of SAML metadata, 2.4.3.
type Document struct {
	EntityID             string
	RedirectURL, PostURL string // empty if not offered
	Certificates         []*x509.Certificate
	// WantsSigned says that the provider asks for signed requests.
	WantsSigned bool
	// ValidUntil is zero if the document does not say.
	ValidUntil time.Time
}

// Parse takes the provider that is called entityID, or the only one. A signature
// in the document is not looked at: it is an administrator who says where the
// document is, and https that says it comes from there. The errors are faults of
// kind Precondition.
func Parse(raw []byte, entityID string, allowHTTP bool) (*Document, error) {
	root, err := xmltree.Parse(bytes.TrimPrefix(raw, []byte("\ufeff")), xmltree.OfMetadata())
	if err != nil {
		return nil, fault.New(fault.Precondition, "the provider's metadata cannot be used: %s", fetch.Clean(err.Error())).
			Next("%s", anew)
	}
	entity, idp, err := chooseProvider(root, entityID)
	if err != nil {
		return nil, err
	}
	wants := xmltree.Attr(idp, "WantAuthnRequestsSigned") // an xs:boolean
	d := &Document{EntityID: xmltree.Attr(entity, "entityID"), WantsSigned: wants == "true" || wants == "1"}
	for _, el := range []*etree.Element{root, entity, idp} {
		if xmltree.Attr(el, "validUntil") == "" {
			continue
		}
		end, err := time.Parse(time.RFC3339, xmltree.Attr(el, "validUntil"))
		if err != nil {
			return nil, fault.New(fault.Precondition, "the provider's metadata has a validUntil that is not a time").
				Next("have the provider correct it").Because(err)
		}
		if d.ValidUntil.IsZero() || end.Before(d.ValidUntil) {
			d.ValidUntil = end
		}
	}
	for _, service := range xmltree.Children(idp, xmltree.Metadata, "SingleSignOnService") {
		var into *string
		switch xmltree.Attr(service, "Binding") {
		case Redirect:
			into = &d.RedirectURL
		case POST:
			into = &d.PostURL
		default:
			continue
		}
		if err := takeAddress(into, xmltree.Attr(service, "Location"), allowHTTP); err != nil {
			return nil, err
		}
	}
	if d.RedirectURL == "" && d.PostURL == "" {
		return nil, fault.New(fault.Precondition, "the provider's metadata has no SingleSignOnService for HTTP-Redirect or HTTP-POST").
			Next("switch one of them on at the provider")
	}
	d.Certificates = signingCertificates(idp)
	if len(d.Certificates) == 0 {
		return nil, fault.New(fault.Precondition, "the provider's metadata has no signing certificate (KeyDescriptor) that can be read").
			Next("have the provider publish the one it signs with, or use ssoURL and caData in place of metadata")
	}
	return d, nil
}

// takeAddress keeps the first. A browser will be sent there, so that what is no
// web address must not get that far (CVE-2023-45683).
func takeAddress(into *string, location string, allowHTTP bool) error {
	u, err := webaddr.Parse(location)
	if err != nil || !webaddr.IsBare(u) || strings.Contains(location, "#") {
		return fault.New(fault.Precondition,
			"the provider's metadata has the sign-in address %q, which is not a valid http or https address", fetch.Clean(location)).
			Next("have the provider correct it (SingleSignOnService)")
	}
	if !webaddr.IsSafe(u, allowHTTP) {
		return fault.New(fault.Precondition,
			"the provider's metadata has the sign-in address %q: only https is accepted, except on this machine itself", fetch.Clean(location)).
			Next("have the provider publish its https address (SingleSignOnService)")
	}
	if *into == "" {
		*into = location
	}
	return nil
}

func chooseProvider(root *etree.Element, entityID string) (entity, idp *etree.Element, err error) {
	var entities []*etree.Element
	switch {
	case xmltree.Is(root, xmltree.Metadata, "EntityDescriptor"):
		entities = []*etree.Element{root}
	case xmltree.Is(root, xmltree.Metadata, "EntitiesDescriptor"):
		entities = descendants(root)
	default:
		return nil, nil, fault.New(fault.Precondition,
			"the provider's metadata is not SAML metadata: it begins with %q where EntityDescriptor is expected", fetch.Clean(root.Tag)).
			Next("%s", anew)
	}
	var names []string
	for _, e := range entities {
		for _, role := range xmltree.Children(e, xmltree.Metadata, "IDPSSODescriptor") {
			if !slices.Contains(strings.Fields(xmltree.Attr(role, "protocolSupportEnumeration")), xmltree.Protocol) {
				continue
			}
			if names = append(names, xmltree.Attr(e, "entityID")); entityID == "" || entityID == xmltree.Attr(e, "entityID") {
				entity, idp = e, role
			}
		}
	}
	switch {
	case len(names) == 0:
		return nil, nil, fault.New(fault.Precondition, "the provider's metadata describes no SAML 2.0 identity provider (IDPSSODescriptor)").
			Next("take that of the provider, not that of an application")
	case idp == nil:
		return nil, nil, fault.New(fault.Precondition, "the provider's metadata is about %s, not about ssoIssuer %s", listed(names), entityID).
			Next("make them equal").At("config.ssoIssuer")
	case entityID == "" && len(names) > 1:
		return nil, nil, fault.New(fault.Precondition, "the metadata describes %d providers (%s)", len(names), listed(names)).
			Next("set ssoIssuer to the one that is meant").At("config.ssoIssuer")
	case xmltree.Attr(entity, "entityID") == "":
		return nil, nil, fault.New(fault.Precondition, "the provider's metadata has no entityID").
			Next("have the provider correct it")
	}
	return entity, idp, nil
}

func descendants(group *etree.Element) []*etree.Element {
	found := xmltree.Children(group, xmltree.Metadata, "EntityDescriptor")
	for _, inner := range xmltree.Children(group, xmltree.Metadata, "EntitiesDescriptor") {
		found = append(found, descendants(inner)...)
	}
	return found
}

func listed(names []string) string {
	const limit = 10
	if len(names) > limit {
		names = append(names[:limit:limit], "...")
	}
	return fetch.Clean(strings.Join(names, ", "))
}

// signingCertificates leaves out what cannot be read: a provider may publish
// keys of other kinds beside those that it signs with.
func signingCertificates(idp *etree.Element) []*x509.Certificate {
	var certs []*x509.Certificate
	for _, key := range xmltree.Children(idp, xmltree.Metadata, "KeyDescriptor") {
		if use := xmltree.Attr(key, "use"); use != "" && use != "signing" {
			continue
		}
		for _, info := range xmltree.Children(key, xmltree.Signature, "KeyInfo") {
			for _, data := range xmltree.Children(info, xmltree.Signature, "X509Data") {
				for _, el := range xmltree.Children(data, xmltree.Signature, "X509Certificate") {
					der, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(xmltree.URI(el)), ""))
					if err != nil {
						continue
					}
					if cert, err := x509.ParseCertificate(der); err == nil {
						certs = append(certs, cert)
					}
				}
			}
		}
	}
	return certs
}
