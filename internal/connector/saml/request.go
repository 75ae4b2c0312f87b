package saml

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/metadata"
	"pachyderm/internal/connector/saml/xmltree"
)

// request is an AuthnRequest (SAML core, 3.4.1; SAML profiles, 4.1.4.1).
func (c *Connector) request(p pending, destination string) ([]byte, error) {
	doc := etree.NewDocument()
	r := doc.CreateElement("samlp:AuthnRequest")
	r.CreateAttr("xmlns:samlp", xmltree.Protocol)
	r.CreateAttr("xmlns:saml", xmltree.Assertion)
	r.CreateAttr("ID", p.ID)
	r.CreateAttr("Version", "2.0")
	r.CreateAttr("IssueInstant", p.Issued.Format(time.RFC3339))
	r.CreateAttr("Destination", destination)
	r.CreateAttr("ProtocolBinding", metadata.POST)
	r.CreateAttr("AssertionConsumerServiceURL", c.cfg.RedirectURI)
	if p.Force {
		r.CreateAttr("ForceAuthn", "true")
	}
	r.CreateElement("saml:Issuer").SetText(c.cfg.entityID())
	policy := r.CreateElement("samlp:NameIDPolicy")
	policy.CreateAttr("Format", nameIDFormat(c.cfg.NameIDPolicyFormat))
	policy.CreateAttr("AllowCreate", "true")
	return doc.WriteToBytes()
}

// redirect keeps the query that the address has: some providers tell their
// customers apart by it.
func (c *Connector) redirect(p pending, address string) (string, error) {
	to, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	message, err := c.request(p, address)
	if err != nil {
		return "", err
	}
	var deflated bytes.Buffer
	w, err := flate.NewWriter(&deflated, flate.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(message); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	q := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString(deflated.Bytes())}, "RelayState": {p.State}}
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += q.Encode()
	return to.String(), nil
}

// Form is what our page posts to the provider, of a sign-in for which LoginURL
// gave connData (SAML bindings, 3.5.4). It fails if the sign-in has no form.
func (c *Connector) Form(connData []byte) (action string, fields map[string]string, err error) {
	p, err := parsePending(connData)
	if err != nil {
		return "", nil, err
	}
	if p.To == "" {
		return "", nil, refuse.Response("this sign-in sends no form to the provider").
			Next("start it again")
	}
	message, err := c.request(p, p.To)
	if err != nil {
		return "", nil, err
	}
	return p.To, map[string]string{"SAMLRequest": base64.StdEncoding.EncodeToString(message), "RelayState": p.State}, nil
}

// SPMetadata describes us to the provider (SAML metadata, 2.4.4).
func (c *Connector) SPMetadata() ([]byte, error) {
	doc := etree.NewDocument()
	doc.CreateProcInst("xml", `version="1.0" encoding="UTF-8"`)
	entity := doc.CreateElement("md:EntityDescriptor")
	entity.CreateAttr("xmlns:md", xmltree.Metadata)
	entity.CreateAttr("entityID", c.cfg.entityID())
	sp := entity.CreateElement("md:SPSSODescriptor")
	sp.CreateAttr("AuthnRequestsSigned", "false")
	sp.CreateAttr("WantAssertionsSigned", "true")
	sp.CreateAttr("protocolSupportEnumeration", xmltree.Protocol)
	sp.CreateElement("md:NameIDFormat").SetText(nameIDFormat(c.cfg.NameIDPolicyFormat))
	acs := sp.CreateElement("md:AssertionConsumerService")
	acs.CreateAttr("Binding", metadata.POST)
	acs.CreateAttr("Location", c.cfg.RedirectURI)
	acs.CreateAttr("index", "0")
	acs.CreateAttr("isDefault", "true")
	doc.Indent(2)
	return doc.WriteToBytes()
}
