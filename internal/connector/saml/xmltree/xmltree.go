package xmltree

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/beevik/etree"
	validator "github.com/mattermost/xml-roundtrip-validator"

	"pachyderm/internal/fault"
)

// The namespaces of what is read here.
const (
	Protocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	Assertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	Metadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	Signature = "http://www.w3.org/2000/09/xmldsig#"
)

// limits bound what is parsed before anything is known of who wrote it.
type limits struct {
	depth, elements, attributes int
	// plain is set where signatures are checked: nothing but elements and text.
	plain bool
}

// OfMessages is for what a browser carries.
func OfMessages() limits { return limits{depth: 32, elements: 10_000, attributes: 64, plain: true} }

// OfMetadata is for what an administrator named.
func OfMetadata() limits { return limits{depth: 32, elements: 50_000, attributes: 64} }

// Parse reads a document of one element. What XML has beyond that is where
// parsers differ: a DTD and its entities are always refused, and in messages
// comments and processing instructions too, which can hide a part of a value
// from one reader and not from the next. What does not survive being written and
// read again is refused as well (CVE-2020-15216, CVE-2020-26290, CVE-2020-29509).
func Parse(raw []byte, lim limits) (*etree.Element, error) {
	raw = bytes.TrimRight(raw, " \t\r\n")
	if err := scan(raw, lim); err != nil {
		return nil, err
	}
	if err := validator.Validate(bytes.NewReader(raw)); err != nil {
		return nil, fmt.Errorf("it means different things to different readers: %w", err)
	}
	doc := etree.NewDocument()
	doc.ReadSettings = etree.ReadSettings{ValidateInput: true, MaxDepth: lim.depth}
	if err := doc.ReadFromBytes(raw); err != nil {
		return nil, fmt.Errorf("it is not well-formed: %w", err)
	}
	return doc.Root(), nil
}

func scan(raw []byte, lim limits) error {
	d := xml.NewDecoder(bytes.NewReader(raw))
	depth, elements := 0, 0
	for {
		at := d.InputOffset()
		token, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("it is not well-formed: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("it has a DTD, which is never accepted")
		case xml.Comment:
			if lim.plain {
				return errors.New("it has a comment, which is not accepted where a signature is checked")
			}
		case xml.ProcInst:
			if declaration := at == 0 && t.Target == "xml"; lim.plain && !declaration {
				return errors.New("it has a processing instruction, which is not accepted where a signature is checked")
			}
		case xml.StartElement:
			depth, elements = depth+1, elements+1
			if depth > lim.depth || elements > lim.elements {
				return fmt.Errorf("it has more than %d elements or nests deeper than %d", lim.elements, lim.depth)
			}
			if err := checkNames(t, lim); err != nil {
				return err
			}
		case xml.EndElement:
			depth--
		}
	}
}

// checkNames refuses what Go's decoder lets pass: an attribute that stands there
// twice, and a name with a colon at its end (CVE-2020-29511).
func checkNames(e xml.StartElement, lim limits) error {
	if len(e.Attr) > lim.attributes {
		return fmt.Errorf("an element has more than %d attributes", lim.attributes)
	}
	if strings.Contains(e.Name.Space+e.Name.Local, ":") {
		return errors.New("the name of an element has a colon at its end")
	}
	known := make(map[xml.Name]bool, len(e.Attr))
	for _, a := range e.Attr {
		if strings.Contains(a.Name.Space+a.Name.Local, ":") {
			return errors.New("the name of an attribute has a colon at its end")
		}
		if known[a.Name] {
			return errors.New("an element has the same attribute twice")
		}
		known[a.Name] = true
	}
	return nil
}

// Is says whether el has this name; nil has none.
func Is(el *etree.Element, space, tag string) bool {
	return el != nil && el.Tag == tag && el.NamespaceURI() == space
}

// Attr is the attribute without prefix, unlike etree's own, or "".
func Attr(el *etree.Element, key string) string {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == key {
			return a.Value
		}
	}
	return ""
}

// Children are the child elements of this name.
func Children(el *etree.Element, space, tag string) []*etree.Element {
	var found []*etree.Element
	for _, child := range el.ChildElements() {
		if Is(child, space, tag) {
			found = append(found, child)
		}
	}
	return found
}

// Child is the only one of its name, nil if there is none. Of several, two
// readers could pick different ones.
func Child(el *etree.Element, space, tag string) (*etree.Element, error) {
	found := Children(el, space, tag)
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, fault.New(fault.Unauthenticated,
		"the provider's message has %d elements %s in %s where there may be one", len(found), tag, el.Tag).
		Next("look at what it sends")
}

// Text joins all that stands in an element. One with anything but text in it has
// no text: readers that stop at the first part saw another value
// (CVE-2017-11427, CVE-2026-40165).
func Text(el *etree.Element) (string, bool) {
	var b strings.Builder
	for _, token := range el.Child {
		data, ok := token.(*etree.CharData)
		if !ok {
			return "", false
		}
		b.WriteString(data.Data)
	}
	return b.String(), true
}

// URI is the text of an element that holds an address or a name of one, which
// may be laid out with white space around it; "" of an element that is not there.
func URI(el *etree.Element) string {
	if el == nil {
		return ""
	}
	value, _ := Text(el)
	return strings.TrimSpace(value)
}

// Detach copies an element with the namespaces that are in force there.
func Detach(el *etree.Element) *etree.Element {
	alone := el.Copy()
	declared := make(map[string]bool)
	for _, a := range alone.Attr {
		declared[a.FullKey()] = true
	}
	for up := el.Parent(); up != nil; up = up.Parent() {
		for _, a := range up.Attr {
			isNamespace := a.Space == "xmlns" || (a.Space == "" && a.Key == "xmlns")
			if isNamespace && !declared[a.FullKey()] {
				declared[a.FullKey()] = true
				alone.CreateAttr(a.FullKey(), a.Value)
			}
		}
	}
	return alone
}
