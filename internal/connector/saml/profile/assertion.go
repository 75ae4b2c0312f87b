package profile

import (
	"fmt"
	"strings"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fetch"
)

// report is the remedy for what no setting of ours or theirs should bring about.
const report = "tell whoever runs the provider: this does not follow SAML 2.0"

const confirmedBy = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

// clocks is what an assertion's times are compared with.
type clocks struct {
	now     time.Time
	request time.Time // when we asked
	issued  time.Time // when the provider says that it answered
}

// hint compares the two clocks: an answer is not older than its question, and
// not of the future.
func (c clocks) hint() string {
	if ahead := c.issued.Sub(c.now); ahead >= time.Second {
		return fmt.Sprintf("set both clocks by a time server (NTP): the provider's seems to be %d seconds ahead of this server's", seconds(ahead))
	}
	if behind := c.request.Sub(c.issued); behind >= time.Second {
		return fmt.Sprintf("set both clocks by a time server (NTP): the provider's seems to be %d seconds behind this server's", seconds(behind))
	}
	return "start the sign-in again, and if this happens again, compare the clocks of this server and the provider"
}

func seconds(d time.Duration) int64 { return int64(d.Round(time.Second) / time.Second) }

func (c clocks) before(el *etree.Element, key string, required bool) (time.Time, error) {
	if xmltree.Attr(el, key) == "" && !required {
		return time.Time{}, nil
	}
	end, err := instant(el, key)
	if err != nil {
		return end, err
	}
	if late := c.now.Sub(end); late >= skew {
		return end, refuse.Response("the provider's Assertion expired %d seconds ago (%s of %s)", seconds(late), key, el.Tag).
			Next("%s", c.hint())
	}
	return end, nil
}

func (c clocks) after(el *etree.Element, key string) error {
	if xmltree.Attr(el, key) == "" {
		return nil
	}
	begin, err := instant(el, key)
	if err != nil {
		return err
	}
	if early := begin.Sub(c.now); early > skew {
		return refuse.Response("the provider's Assertion becomes valid only in %d seconds (%s of %s)", seconds(early), key, el.Tag).
			Next("%s", c.hint())
	}
	return nil
}

// instant reads an xs:dateTime, which is UTC when it does not say (SAML core, 1.3.3).
func instant(el *etree.Element, key string) (time.Time, error) {
	value := xmltree.Attr(el, key)
	at, err := time.Parse(time.RFC3339, value)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05", value)
	}
	if err != nil {
		return time.Time{}, refuse.Response(
			"the provider's Assertion has %q where a time is required (%s of %s)", fetch.Clean(value), key, el.Tag).
			Next(report).Because(err)
	}
	return at, nil
}

// CheckAssertion follows SAML profiles, 4.1.4.2 and 4.1.4.3, and makes mandatory
// what they leave open. It says until when the assertion could be used again. Its
// errors are faults of kind Unauthenticated.
func (e Expected) CheckAssertion(a *etree.Element) (time.Time, error) {
	none := time.Time{}
	if version := xmltree.Attr(a, "Version"); version != "2.0" {
		return none, refuse.Response("the provider's Assertion is of SAML %q, not 2.0", fetch.Clean(version)).
			Next("let the provider use SAML 2.0 for this application")
	}
	if xmltree.Attr(a, "ID") == "" {
		return none, refuse.Response("the provider's Assertion has no ID").
			Next(report)
	}
	issuer, err := xmltree.Child(a, xmltree.Assertion, "Issuer")
	if err != nil {
		return none, err
	}
	if err := e.checkIssuer(issuer, "Assertion"); err != nil {
		return none, err
	}
	cl := clocks{now: e.Now, request: e.Asked}
	if cl.issued, err = instant(a, "IssueInstant"); err != nil {
		return none, err
	}
	if ahead := cl.issued.Sub(cl.now); ahead > skew {
		return none, refuse.Response("the provider's Assertion was issued %d seconds in the future", seconds(ahead)).
			Next("%s", cl.hint())
	}
	if err := e.checkConditions(a, cl); err != nil {
		return none, err
	}
	if err := checkStatements(a, cl); err != nil {
		return none, err
	}
	end, err := e.checkSubject(a, cl)
	return end.Add(skew), err
}

func (e Expected) checkConditions(a *etree.Element, cl clocks) error {
	conditions, err := xmltree.Child(a, xmltree.Assertion, "Conditions")
	if err != nil {
		return err
	}
	if conditions == nil {
		return refuse.Response("the provider's Assertion has no Conditions, so that it does not say whom it is meant for").
			Next("set the audience (SP entity ID) of this application at the provider to %s", e.Audience)
	}
	if err := cl.after(conditions, "NotBefore"); err != nil {
		return err
	}
	if _, err := cl.before(conditions, "NotOnOrAfter", false); err != nil {
		return err
	}
	audiences := 0
	for _, condition := range conditions.ChildElements() {
		switch {
		case xmltree.Is(condition, xmltree.Assertion, "AudienceRestriction"):
			audiences++
			if err := e.checkAudience(condition); err != nil {
				return err
			}
		case xmltree.Is(condition, xmltree.Assertion, "OneTimeUse"), xmltree.Is(condition, xmltree.Assertion, "ProxyRestriction"):
		default:
			// SAML core, 2.5.1.1: what is not understood is not fulfilled.
			return refuse.Response("the provider's Assertion has a condition that is not known here: %q", fetch.Clean(condition.Tag)).
				Next("have the provider leave it out for this application")
		}
	}
	if audiences == 0 {
		return refuse.Response("the provider's Assertion does not say whom it is meant for (AudienceRestriction)").
			Next("set the audience (SP entity ID) of this application at the provider to %s", e.Audience)
	}
	return nil
}

// checkAudience is for one restriction: each must name us (SAML core, 2.5.1.4).
func (e Expected) checkAudience(restriction *etree.Element) error {
	var named []string
	for _, audience := range xmltree.Children(restriction, xmltree.Assertion, "Audience") {
		name := xmltree.URI(audience)
		if name == e.Audience {
			return nil
		}
		named = append(named, name)
	}
	return refuse.Response("the provider's Assertion is meant for %q, not for %q", fetch.Clean(strings.Join(named, " ")), e.Audience).
		Next("set the audience (SP entity ID) of this application at the provider to that, or entityIssuer of the connector to what it sends")
}

func checkStatements(a *etree.Element, cl clocks) error {
	statements := xmltree.Children(a, xmltree.Assertion, "AuthnStatement")
	if len(statements) == 0 {
		return refuse.Response("the provider's Assertion does not say that anybody signed in there (AuthnStatement)").
			Next("have the provider send one for this application, as the Web Browser SSO profile requires")
	}
	for _, s := range statements {
		if _, err := cl.before(s, "SessionNotOnOrAfter", false); err != nil {
			return err
		}
	}
	return nil
}

// Proved is when the subject of a checked assertion proved who they are: of several
// statements the oldest, and zero if one does not say.
func Proved(a *etree.Element) (oldest time.Time, err error) {
	for n, s := range xmltree.Children(a, xmltree.Assertion, "AuthnStatement") {
		if xmltree.Attr(s, "AuthnInstant") == "" {
			return time.Time{}, nil
		}
		at, err := instant(s, "AuthnInstant")
		if err != nil {
			return time.Time{}, err
		}
		if n == 0 || at.Before(oldest) {
			oldest = at
		}
	}
	return oldest, nil
}

// checkSubject wants one bearer confirmation that is all right, and says when it
// ends; what was wrong with the last one is the reason of a refusal.
func (e Expected) checkSubject(a *etree.Element, cl clocks) (time.Time, error) {
	subject, err := xmltree.Child(a, xmltree.Assertion, "Subject")
	if err != nil {
		return time.Time{}, err
	}
	if subject == nil {
		return time.Time{}, refuse.Response("the provider's Assertion does not say whom it is about (Subject)").
			Next("have the provider send a NameID for this application")
	}
	var why error = refuse.Response(
		"the provider's Assertion has no bearer confirmation (SubjectConfirmation), the only kind that a browser can carry").
		Next("have the provider confirm the subject as bearer for this application")
	for _, confirmation := range xmltree.Children(subject, xmltree.Assertion, "SubjectConfirmation") {
		if xmltree.Attr(confirmation, "Method") != confirmedBy {
			continue
		}
		data, err := xmltree.Child(confirmation, xmltree.Assertion, "SubjectConfirmationData")
		if err != nil {
			return time.Time{}, err
		}
		if data == nil {
			why = refuse.Response("the provider's Assertion does not say where and how long it is valid (SubjectConfirmationData)").
				Next("register %s at the provider as assertion consumer service (ACS)", e.Recipient)
			continue
		}
		var end time.Time
		if end, why = e.checkConfirmation(data, cl); why == nil {
			return end, nil
		}
	}
	return time.Time{}, why
}

func (e Expected) checkConfirmation(data *etree.Element, cl clocks) (time.Time, error) {
	if recipient := xmltree.Attr(data, "Recipient"); recipient != e.Recipient {
		return time.Time{}, refuse.Response("the provider's Assertion is for the recipient %q, not for %q", fetch.Clean(recipient), e.Recipient).
			Next("register that at the provider as assertion consumer service (ACS)")
	}
	if xmltree.Attr(data, "InResponseTo") != e.Request {
		return time.Time{}, refuse.Response("the provider's Assertion belongs to another sign-in (InResponseTo)").
			Next("start again")
	}
	if err := cl.after(data, "NotBefore"); err != nil {
		return time.Time{}, err
	}
	return cl.before(data, "NotOnOrAfter", true)
}
