package signed

import (
	"slices"
	"strings"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Message is a Response whose shape is known; nothing in it is verified.
type Message struct {
	Response  *etree.Element
	Assertion *etree.Element // nil in the answer that a sign-in failed
	// OfResponse and OfAssertion are their signatures, nil if there is none.
	OfResponse, OfAssertion *etree.Element
}

// startAgain is the remedy for what somebody may have written in the provider's name.
const startAgain = "start the sign-in again; if this happens again, tell whoever runs the provider"

// Parse holds a Response to the one shape in which what is signed and
// what is read cannot differ: one Response, which is the root, one Assertion,
// which is its child, signatures only as their children, and no ID twice. That
// leaves signature wrapping (XSW 1 to 9) no place to put the second element.
func Parse(raw []byte) (*Message, error) {
	root, err := xmltree.Parse(raw, xmltree.OfMessages())
	if err != nil {
		return nil, refuse.Response("the provider's response cannot be accepted: %s", fetch.Clean(err.Error())).
			Next(startAgain)
	}
	if !xmltree.Is(root, xmltree.Protocol, "Response") {
		return nil, refuse.Response("the provider's response is not a SAML 2.0 Response but %q", fetch.Clean(root.Tag)).
			Next("let the provider answer requests for this application with SAML 2.0")
	}
	s := survey{ids: map[string]bool{}}
	if err := s.walk(root); err != nil {
		return nil, err
	}
	m := &Message{Response: root}
	for _, el := range s.assertions {
		if len(s.assertions) > 1 || el.Parent() != root || !xmltree.Is(el, xmltree.Assertion, "Assertion") {
			return nil, refuse.Response("the provider's response must hold exactly one Assertion, as a child of the Response").
				Next("let the provider send one; " + startAgain)
		}
		m.Assertion = el
	}
	for _, el := range s.signatures {
		switch parent := el.Parent(); {
		case !xmltree.Is(el, xmltree.Signature, "Signature") || !isPlacedWell(el):
			return nil, misplaced()
		case parent == root:
			m.OfResponse = el
		case m.Assertion != nil && parent == m.Assertion:
			m.OfAssertion = el
		default:
			return nil, misplaced()
		}
	}
	return m, nil
}

func misplaced() error {
	return refuse.Response("the provider's response has a signature in a place where none belongs").
		Next("let the provider sign the Response or the Assertion, once each")
}

// isPlacedWell says whether nothing but the Issuer precedes a signature, as the
// schema has it: so there is no second one either.
func isPlacedWell(signature *etree.Element) bool {
	for _, before := range signature.Parent().ChildElements() {
		if before == signature {
			return true
		}
		if !xmltree.Is(before, xmltree.Assertion, "Issuer") {
			return false
		}
	}
	return false
}

// survey collects what must be unique, by local name: that an element of that
// name is in another namespace is no reason to let it pass.
type survey struct {
	ids                    map[string]bool
	assertions, signatures []*etree.Element
}

// isNCName is for the ASCII part of what xs:ID may be.
func isNCName(id string) bool {
	const limit = 256
	isOther := func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	return id != "" && len(id) <= limit && !strings.ContainsAny(id[:1], "-.0123456789") && !strings.ContainsFunc(id, isOther)
}

func (s *survey) walk(el *etree.Element) error {
	switch {
	case slices.Contains([]string{"EncryptedAssertion", "EncryptedID", "EncryptedAttribute", "EncryptedData"}, el.Tag):
		return fault.New(fault.Precondition, "the provider encrypts its assertions (%s), which is not supported", el.Tag).
			Next("switch encryption off for this application at the provider; the connection is encrypted by https")
	case el.Tag == "Response" && el.Parent() != nil && el.Parent().Parent() != nil:
		return refuse.Response("the provider's response has a Response within the Response").
			Next(startAgain)
	case el.Tag == "Assertion":
		s.assertions = append(s.assertions, el)
	case el.Tag == "Signature":
		s.signatures = append(s.signatures, el)
	}
	own := 0
	for _, a := range el.Attr {
		if !strings.EqualFold(a.Key, "id") || a.Space == "xmlns" {
			continue
		}
		if own++; own > 1 || s.ids[a.Value] || !isNCName(a.Value) {
			return refuse.Response("the provider's response has an ID twice, or one that is not valid").
				Next("start the sign-in again")
		}
		s.ids[a.Value] = true
	}
	for _, child := range el.ChildElements() {
		if err := s.walk(child); err != nil {
			return err
		}
	}
	return nil
}
