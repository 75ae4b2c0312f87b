package profile

import (
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// skew is how far two clocks may be apart.
const skew = 2 * time.Minute

// Expected is what a message must say.
type Expected struct {
	Issuer    string // the provider's entity id, or "" if it is not known
	Audience  string // our entity id
	Recipient string // where the provider sends its answer
	Request   string // the ID of the request that it answers
	Asked     time.Time
	Now       time.Time
}

const (
	statusPrefix  = "urn:oasis:names:tc:SAML:2.0:status:"
	statusSuccess = statusPrefix + "Success"
)

// CheckStatus says of a Response why the provider signed nobody in (SAML core,
// 3.2.2): a fault of kind Denied or, if somebody must correct something, Precondition.
func CheckStatus(response *etree.Element) error {
	status, err := xmltree.Child(response, xmltree.Protocol, "Status")
	if err != nil {
		return err
	}
	if status == nil {
		return refuse.Response("the provider's response has no Status").
			Next(report)
	}
	code, err := xmltree.Child(status, xmltree.Protocol, "StatusCode")
	if err != nil {
		return err
	}
	if code == nil {
		return refuse.Response("the provider's response has no StatusCode").
			Next(report)
	}
	top := xmltree.Attr(code, "Value")
	if top == statusSuccess {
		return nil
	}
	said, name := "", strings.TrimPrefix(top, statusPrefix)
	if message := xmltree.Children(status, xmltree.Protocol, "StatusMessage"); len(message) > 0 {
		if said = fetch.Clean(xmltree.URI(message[0])); said != "" {
			said = fmt.Sprintf(", saying %q", said)
		}
	}
	var second string
	if inner := xmltree.Children(code, xmltree.Protocol, "StatusCode"); len(inner) > 0 {
		second = strings.TrimPrefix(xmltree.Attr(inner[0], "Value"), statusPrefix)
		name += ", " + second
	}
	name = fetch.Clean(name)
	switch second {
	case "AuthnFailed", "RequestDenied", "NoPassive", "UnknownPrincipal", "NoAuthnContext":
		return fault.New(fault.Denied, "the provider did not sign this person in (%s)%s", name, said).
			Next("try again; if that fails, the provider's log says why")
	case "InvalidNameIDPolicy":
		return fault.New(fault.Precondition, "the provider cannot give the NameID that the connector asks for (%s)%s", name, said).
			Next("set nameIDPolicyFormat to one it has, or to unspecified").At("config.nameIDPolicyFormat")
	}
	return fault.New(fault.Precondition, "the provider ended the sign-in (%s)%s", name, said).
		Next("look at the provider's log, and compare entityIssuer, redirectURI and requestBinding with what is registered there")
}

// CheckResponse is for what stands around the assertion. One that is not signed
// can only be refused for it. Its errors are faults of kind Unauthenticated.
func (e Expected) CheckResponse(response *etree.Element, signed bool) error {
	if version := xmltree.Attr(response, "Version"); version != "2.0" {
		return refuse.Response("the provider's Response is of SAML %q, not 2.0", fetch.Clean(version)).
			Next("let the provider use SAML 2.0 for this application")
	}
	destination := xmltree.Attr(response, "Destination")
	if destination == "" && signed {
		return refuse.Response("the provider's signed Response does not say where it was sent to (Destination)").
			Next("register %s at the provider as assertion consumer service (ACS)", e.Recipient)
	}
	if destination != "" && destination != e.Recipient {
		return refuse.Response("the provider sent its Response to %q, not to %q", fetch.Clean(destination), e.Recipient).
			Next("register that at the provider as assertion consumer service (ACS)")
	}
	switch xmltree.Attr(response, "InResponseTo") {
	case e.Request:
	case "":
		return refuse.Response("the provider's Response answers no request (InResponseTo)").
			Next("begin the sign-in here, not at the provider")
	default:
		return refuse.Response("the provider's Response belongs to another sign-in (InResponseTo)").
			Next("start again")
	}
	issuer, err := xmltree.Child(response, xmltree.Assertion, "Issuer")
	if err != nil || issuer == nil {
		return err
	}
	return e.checkIssuer(issuer, "Response")
}

// checkIssuer lets any issuer pass if none is known, which is when Dex's ssoURL
// is given without ssoIssuer: its pinned certificate says who it is.
func (e Expected) checkIssuer(issuer *etree.Element, of string) error {
	switch name := xmltree.URI(issuer); {
	case name == "":
		return refuse.Response("the provider's %s does not say who issued it (Issuer)", of).
			Next(report)
	case e.Issuer != "" && name != e.Issuer:
		return refuse.Response("the %s was issued by %q, not by %q", of, fetch.Clean(name), e.Issuer).
			Next("if that is the provider's entity id, correct ssoIssuer or the metadata")
	}
	return nil
}
