package idp_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/crewjam/saml"

	"pachyderm/test/idp"
)

// serviceProvider takes assertions from whoever it has metadata of.
type serviceProvider struct {
	saml.ServiceProvider
	server    *httptest.Server
	requests  []string
	assertion *saml.Assertion
	err       error
}

func newServiceProvider(t *testing.T) *serviceProvider {
	t.Helper()
	s := &serviceProvider{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.err = r.ParseForm(); s.err == nil {
			s.assertion, s.err = s.ParseResponse(r, s.requests)
		}
		_, _ = io.WriteString(w, "the end")
	}))
	t.Cleanup(s.server.Close)
	acs, err := url.Parse(s.server.URL + "/acs")
	if err != nil {
		t.Fatal(err)
	}
	s.EntityID, s.AcsURL = "https://pachyderm.example.com/", *acs
	s.AuthnNameIDFormat = saml.PersistentNameIDFormat
	return s
}

func (s *serviceProvider) learn(t *testing.T, metadataURL string) []byte {
	t.Helper()
	text := idp.Get(t, metadataURL)
	s.IDPMetadata = &saml.EntityDescriptor{}
	if err := xml.Unmarshal(text, s.IDPMetadata); err != nil {
		t.Fatal(err)
	}
	return text
}

// signIn returns the attributes that the provider says of somebody.
func (s *serviceProvider) signIn(t *testing.T, p idp.Person) (map[string][]string, error) {
	t.Helper()
	r, err := s.MakeAuthenticationRequest(s.GetSSOBindingLocation(saml.HTTPRedirectBinding), saml.HTTPRedirectBinding, saml.HTTPPostBinding)
	if err != nil {
		t.Fatal(err)
	}
	s.requests, s.assertion, s.err = []string{r.ID}, nil, nil
	start, err := r.Redirect("the-state", &s.ServiceProvider)
	if err != nil {
		t.Fatal(err)
	}
	if _, text, err := idp.SignIn(t, idp.NewClient(t), start.String(), p, nil); err != nil {
		return nil, err
	} else if text != "the end" {
		t.Fatalf("it ends with %s", text)
	}
	if s.err != nil {
		var invalid *saml.InvalidResponseError
		if errors.As(s.err, &invalid) {
			return nil, invalid.PrivateErr
		}
		return nil, s.err
	}
	attributes := map[string][]string{"NameID": {s.assertion.Subject.NameID.Value}}
	for _, a := range s.assertion.AttributeStatements[0].Attributes {
		for _, v := range a.Values {
			attributes[a.Name] = append(attributes[a.Name], v.Value)
		}
	}
	return attributes, nil
}

func (s *serviceProvider) check(t *testing.T, people []idp.Person, email, groups string) {
	t.Helper()
	for _, p := range people {
		got, err := s.signIn(t, p)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
		} else if !slices.Equal(got["NameID"], []string{p.Name}) || !slices.Equal(got[email], []string{p.Email}) || !slices.Equal(got[groups], p.Groups) {
			t.Errorf("%s is %v", p.Name, got)
		}
	}
	if got, err := s.signIn(t, people[0].WithPassword("wrong")); !errors.Is(err, idp.ErrRefused) {
		t.Errorf("a wrong password: %v, %v", got, err)
	}
}

func TestSimpleSAML(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]idp.SimpleSAMLOptions{
		"both signed":        {},
		"only the response":  {UnsignedAssertion: true},
		"only the assertion": {UnsignedResponse: true},
	} {
		t.Run(name, func(t *testing.T) {
			sp := newServiceProvider(t)
			s := idp.StartSimpleSAML(t, sp.EntityID, sp.AcsURL.String(), o)
			sp.learn(t, s.MetadataURL)
			sp.check(t, s.People, "email", "groups")
		})
	}
}

func TestSimpleSAML_KeyRollover(t *testing.T) {
	t.Parallel()
	sp := newServiceProvider(t)
	s := idp.StartSimpleSAML(t, sp.EntityID, sp.AcsURL.String(), idp.SimpleSAMLOptions{})
	old := s.Certificate
	shows := func(metadata, certificate []byte) bool {
		lines := strings.Split(strings.TrimSpace(string(certificate)), "\n")
		return bytes.Contains(bytes.ReplaceAll(metadata, []byte("\n"), nil), []byte(strings.Join(lines[1:len(lines)-1], "")))
	}
	next := s.Announce()
	if m := sp.learn(t, s.MetadataURL); !shows(m, old) || !shows(m, next) {
		t.Errorf("an announced key is not shown with the old one:\n%s", m)
	}
	sp.check(t, s.People, "email", "groups")
	s.RollOver()
	sp.check(t, s.People, "email", "groups") // known since it was announced
	if m := sp.learn(t, s.MetadataURL); shows(m, old) || !shows(m, next) {
		t.Errorf("after the roll-over the metadata are\n%s", m)
	}
	s.RollOver()
	if got, err := sp.signIn(t, s.People[0]); err == nil {
		t.Errorf("a key that nobody knows signs in %v", got)
	}
	s.Stop()
	s.Start()
	sp.learn(t, s.MetadataURL)
	sp.check(t, s.People, "email", "groups")
}

func TestCrewjam(t *testing.T) {
	t.Parallel()
	sp := newServiceProvider(t)
	metadata, err := xml.Marshal(sp.Metadata())
	if err != nil {
		t.Fatal(err)
	}
	c := idp.StartCrewjam(t, metadata)
	sp.learn(t, c.MetadataURL)
	sp.check(t, c.People, idp.CrewjamEmail, idp.CrewjamGroups)
	c.Stop()
	c.Start()
	sp.check(t, c.People, idp.CrewjamEmail, idp.CrewjamGroups)
}
