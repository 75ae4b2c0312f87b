package profile_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"

	"pachyderm/internal/connector/saml/profile"
	"pachyderm/internal/connector/saml/xmltree"
	"pachyderm/internal/fault"
)

const (
	callback = "https://pachd.example.com/callback"
	provider = "https://idp.example.com/saml"
)

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func at(d time.Duration) string { return now().Add(d).Format(time.RFC3339) }

func expected() profile.Expected {
	return profile.Expected{Issuer: provider, Audience: callback, Recipient: callback, Request: "_request1", Asked: now(), Now: now()}
}

// good is a perfect answer; its parts are replaced by name.
func good() string {
	return `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"
 ID="_response1" Version="2.0" IssueInstant="` + at(0) + `" InResponseTo="_request1" Destination="` + callback + `">
<saml:Issuer>` + provider + `</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>
<saml:Assertion ID="_assertion1" Version="2.0" IssueInstant="` + at(0) + `">
<saml:Issuer>` + provider + `</saml:Issuer>
<saml:Subject><saml:NameID>jane</saml:NameID>
<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">
<saml:SubjectConfirmationData InResponseTo="_request1" Recipient="` + callback + `" NotOnOrAfter="` + at(5*time.Minute) + `"/>
</saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="` + at(-time.Minute) + `" NotOnOrAfter="` + at(5*time.Minute) + `">
<saml:AudienceRestriction><saml:Audience>` + callback + `</saml:Audience></saml:AudienceRestriction>
</saml:Conditions>
<saml:AuthnStatement SessionNotOnOrAfter="` + at(time.Hour) + `"/>
</saml:Assertion></samlp:Response>`
}

// with replaces parts of a good answer: old and new by turns, each old one found
// exactly once from where the last one ended.
func with(pairs ...string) string {
	done, rest := "", good()
	for n := 0; n < len(pairs); n += 2 {
		before, after, found := strings.Cut(rest, pairs[n])
		if !found {
			panic("nothing to replace: " + pairs[n])
		}
		done, rest = done+before+pairs[n+1], after
	}
	return done + rest
}

func parse(t *testing.T, text string) (response, assertion *etree.Element) {
	t.Helper()
	response, err := xmltree.Parse([]byte(text), xmltree.OfMessages())
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	assertion, err = xmltree.Child(response, xmltree.Assertion, "Assertion")
	if err != nil {
		t.Fatal(err)
	}
	return response, assertion
}

// judge asks all that the package knows to ask of an answer.
func judge(t *testing.T, text string, e profile.Expected, signed bool) (time.Time, error) {
	t.Helper()
	response, assertion := parse(t, text)
	if err := profile.CheckStatus(response); err != nil {
		return time.Time{}, err
	}
	if err := e.CheckResponse(response, signed); err != nil {
		return time.Time{}, err
	}
	return e.CheckAssertion(assertion)
}

const second = `<saml:Assertion ` // where the assertion begins, whose parts come second

func TestExpected(t *testing.T) {
	limit := now().Add(5 * time.Minute)
	for name, c := range map[string]struct {
		text string
		end  time.Time
	}{
		"as it is":                  {good(), limit},
		"no destination":            {with(`Destination="`+callback+`"`, ""), limit},
		"a response without issuer": {with("<saml:Issuer>"+provider+"</saml:Issuer>", ""), limit},
		"a time without zone":       {with(`SessionNotOnOrAfter="`+at(time.Hour), `SessionNotOnOrAfter="2026-11-23T13:00:00.1234567`), limit},
		"an audience laid out":      {with("<saml:Audience>"+callback, "<saml:Audience>\n  "+callback+"\n"), limit},
		"one of several audiences":  {with("<saml:Audience>", "<saml:Audience>https://x.test</saml:Audience><saml:Audience>"), limit},
		"just within the skew": {
			with(`NotOnOrAfter="`+at(5*time.Minute)+`"/>`, `NotOnOrAfter="`+at(-119*time.Second)+`"/>`, at(-time.Minute), at(2*time.Minute)),
			now().Add(-119 * time.Second),
		},
		"a second confirmation": {
			with("</saml:NameID>", `</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:sender-vouches"/>`), limit,
		},
		"conditions that bind nobody here": {
			with("<saml:AudienceRestriction>", "<saml:OneTimeUse/><saml:ProxyRestriction/><saml:AudienceRestriction>"), limit,
		},
	} {
		end, err := judge(t, c.text, expected(), false)
		if err != nil || !end.Equal(c.end.Add(2*time.Minute)) {
			t.Errorf("%s: until %v, %v", name, end, err)
		}
	}
	anybody := expected()
	anybody.Issuer = ""
	if _, err := judge(t, with(provider, "urn:x", second, second, provider, "urn:x"), anybody, true); err != nil {
		t.Errorf("any issuer, where none is known: %v", err)
	}
}

func TestExpected_ForAnotherSignIn(t *testing.T) {
	audience := "<saml:AudienceRestriction><saml:Audience>" + callback + "</saml:Audience></saml:AudienceRestriction>"
	session := `<saml:AuthnStatement SessionNotOnOrAfter="` + at(time.Hour) + `"/>`
	elsewhere := strings.Replace(audience, callback, "https://other.example.com", 1)
	data := `<saml:SubjectConfirmationData InResponseTo="_request1" Recipient="` + callback + `" NotOnOrAfter="` + at(5*time.Minute) + `"/>`
	subject, conditions := `NotOnOrAfter="`+at(5*time.Minute)+`"/>`, `NotOnOrAfter="`+at(5*time.Minute)+`">`
	noConditions := func(text string) string {
		before, rest, _ := strings.Cut(good(), "<saml:Conditions")
		_, after, _ := strings.Cut(rest, "</saml:Conditions>")
		return before + text + after
	}
	for name, c := range map[string]struct {
		text   string
		signed bool
		want   string
	}{
		"audience":                    {with(audience, elsewhere), false, `meant for "https://other.example.com"`},
		"no audience":                 {with(audience, ""), false, "AudienceRestriction"},
		"second audience restriction": {with(audience, audience+elsewhere), false, "meant for"},
		"unknown condition":           {with(audience, audience+"<saml:Condition/>"), false, "not known here"},
		"no conditions":               {noConditions(""), false, "no Conditions"},
		"two conditions": {
			noConditions("<saml:Conditions>" + audience + "</saml:Conditions><saml:Conditions/>"), false, "2 elements Conditions",
		},
		"recipient":                    {with(`Recipient="`+callback, `Recipient="`+callback+"/x"), false, "recipient"},
		"destination":                  {with(`Destination="`+callback, `Destination="https://other.example.com/`), false, "sent its Response to"},
		"no destination though signed": {with(`Destination="`+callback+`"`, ""), true, "(Destination)"},
		"response to another request":  {with(`InResponseTo="_request1"`, `InResponseTo="_x"`), false, "another sign-in (InResponseTo)"},
		"response to none":             {with(`InResponseTo="_request1"`, ""), false, "begin the sign-in here"},
		"subject of another request": {
			with(second, second, `InResponseTo="_request1"`, `InResponseTo="_x"`), false, "another sign-in (InResponseTo)",
		},
		"subject of none":      {with(second, second, `InResponseTo="_request1"`, ""), false, "another sign-in (InResponseTo)"},
		"not bearer":           {with("cm:bearer", "cm:holder-of-key"), false, "no bearer confirmation"},
		"no end":               {with(subject, "/>"), false, "NotOnOrAfter of SubjectConfirmationData"},
		"no confirmation data": {with(data, ""), false, "SubjectConfirmationData"},
		"no subject":           {with("<saml:Subject>", "<saml:Other>", "</saml:Subject>", "</saml:Other>"), false, "(Subject)"},
		"subject expired":      {with(subject, `NotOnOrAfter="`+at(-2*time.Minute)+`"/>`), false, "expired 120 seconds ago"},
		"conditions expired":   {with(conditions, `NotOnOrAfter="`+at(-121*time.Second)+`">`), false, "expired 121 seconds ago"},
		"expired, as the provider's clock is behind": {
			with(second, second, at(0), at(-10*time.Minute), subject, `NotOnOrAfter="`+at(-5*time.Minute)+`"/>`), false,
			"the provider's seems to be 600 seconds behind",
		},
		"not yet valid": {with(`NotBefore="`+at(-time.Minute), `NotBefore="`+at(121*time.Second)), false, "becomes valid only in 121 seconds"},
		"issued in the future": {
			with(second, second, at(0), at(5*time.Minute)), false, "the provider's seems to be 300 seconds ahead",
		},
		"session over":        {with(`SessionNotOnOrAfter="`+at(time.Hour), `SessionNotOnOrAfter="`+at(-time.Hour)), false, "SessionNotOnOrAfter"},
		"nobody signed in":    {with(session, ""), false, "AuthnStatement"},
		"a time that is none": {with(`SessionNotOnOrAfter="`+at(time.Hour), `SessionNotOnOrAfter="tomorrow`), false, "where a time is required"},
		"issuer of the assertion": {
			with(second, second, provider, "https://evil.test"), false, `Assertion was issued by "https://evil.test"`,
		},
		"no issuer":              {with(second, second, "<saml:Issuer>"+provider+"</saml:Issuer>", ""), false, "does not say who issued it"},
		"issuer of the response": {with(provider, "https://evil.test"), false, `Response was issued by "https://evil.test"`},
		"version":                {with(second, second, `Version="2.0"`, `Version="1.1"`), false, `Assertion is of SAML "1.1"`},
		"version of the response": {
			with(`Version="2.0"`, `Version="1.1"`), false, `Response is of SAML "1.1"`,
		},
		"no ID":     {with(`ID="_assertion1"`, ""), false, "has no ID"},
		"no status": {with("<samlp:Status>", "<samlp:Other>", "</samlp:Status>", "</samlp:Other>"), false, "no Status"},
		"no status code": {
			with(`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, ""), false, "no StatusCode",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := judge(t, c.text, expected(), c.signed)
			if !fault.Is(err, fault.Unauthenticated) || !strings.Contains(fault.Message(err), c.want) {
				t.Errorf("%v\nwant %q", err, c.want)
			}
			if fault.NextOf(err) == "" {
				t.Errorf("nothing to do about it: %v", err)
			}
			if err != nil && strings.Contains(fault.Message(err), "jane") {
				t.Errorf("the refusal shows what the assertion says: %s", fault.Message(err))
			}
		})
	}
}

func TestCheckStatus(t *testing.T) {
	for inner, want := range map[string]struct {
		kind  fault.Kind
		field string
	}{
		"AuthnFailed":         {fault.Denied, ""},
		"RequestDenied":       {fault.Denied, ""},
		"InvalidNameIDPolicy": {fault.Precondition, "config.nameIDPolicyFormat"},
		"RequestUnsupported":  {fault.Precondition, ""},
	} {
		status := fmt.Sprintf(`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder">`+
			`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:%s"/></samlp:StatusCode>`+
			`<samlp:StatusMessage>no&#9;luck</samlp:StatusMessage>`, inner)
		response, _ := parse(t, with(`<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`, status))
		err := profile.CheckStatus(response)
		if fault.KindOf(err) != want.kind || fault.FieldOf(err) != want.field ||
			!strings.Contains(fault.Message(err), "(Responder, "+inner+`), saying "no luck"`) {
			t.Errorf("%s: %s at %q: %v", inner, fault.KindOf(err), fault.FieldOf(err), err)
		}
	}
}
