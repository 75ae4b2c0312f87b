package pachdtest

import (
	"context"
	"net/url"

	"google.golang.org/grpc/metadata"

	"pachyderm/api"
	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
)

// As gives the context of a call with a token.
func As(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, api.TokenKey, token)
}

// Root gives the context of a call with the root token.
func (s *Server) Root() context.Context { return As(s.t.Context(), s.RootToken) }

// Update changes the database.
func (s *Server) Update(f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.DB.Update(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

// Robot makes a robot whose token lives for ttl seconds, and the context of a
// call with it.
func (s *Server) Robot(name string, ttl int64) (ctx context.Context, raw string) {
	s.t.Helper()
	res, err := s.API.Auth.GetRobotToken(s.Root(), &auth.GetRobotTokenRequest{Robot: name, Ttl: ttl})
	if err != nil {
		s.t.Fatal(err)
	}
	return As(s.t.Context(), res.GetToken()), res.GetToken()
}

// Bind gives roles, as root.
func (s *Server) Bind(r *auth.Resource, who string, roles ...string) error {
	_, err := s.API.Auth.ModifyRoleBinding(s.Root(), &auth.ModifyRoleBindingRequest{Resource: r, Principal: who, Roles: roles})
	return err
}

// Connect connects the demo's identity provider.
func (s *Server) Connect() *op.Provider {
	s.t.Helper()
	p := optest.Start(s.t, s.Issuer.Callback())
	demo := registry.Connector{ID: "demo", Name: "Demo", Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": s.Issuer.Callback(),
		"insecureEnableGroups": true,
	}}
	err := s.Issuer.Registry.CreateConnector(s.t.Context(), registry.Operator(), demo)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// Alice signs in as upstream's pachctl lets her: it waits by the state while
// she goes through the browser.
func (s *Server) Alice() (session string) {
	s.t.Helper()
	start, err := s.API.Auth.GetOIDCLogin(s.t.Context(), &auth.GetOIDCLoginRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	type answer struct {
		res *auth.AuthenticateResponse
		err error
	}
	waiting := make(chan answer, 1)
	ctx := s.t.Context()
	go func() {
		res, err := s.API.Auth.Authenticate(ctx, &auth.AuthenticateRequest{OidcState: start.GetState()})
		waiting <- answer{res, err}
	}()
	b := optest.NewBrowser(s.t, func(*url.URL) bool { return false })
	b.Submit(b.SignIn(start.GetLoginUrl(), optest.Alice), map[string]string{"answer": "yes"})
	got := <-waiting
	if got.err != nil {
		s.t.Fatal(got.err)
	}
	return got.res.GetPachToken()
}

// SetEnabled lets a person in or keeps them out, as root.
func (s *Server) SetEnabled(user string, enabled bool) error {
	_, err := s.API.Pach.SetUserEnabled(s.Root(), &pach.SetUserEnabledRequest{User: user, Enabled: enabled})
	return err
}

// TestConnector runs a connector test to its end; sign drives the browser from
// its page.
func (s *Server) TestConnector(
	c registry.Connector, sign func(b *optest.Browser, start string) optest.Page,
) (connectortest.Result, optest.Page) {
	s.t.Helper()
	return s.TestConnectorBy(registry.Operator(), c, sign)
}

// TestConnectorBy is TestConnector by somebody.
func (s *Server) TestConnectorBy(
	by registry.Author, c registry.Connector, sign func(b *optest.Browser, start string) optest.Page,
) (connectortest.Result, optest.Page) {
	s.t.Helper()
	id, address, _, err := s.Issuer.StartTest(s.t.Context(), by, c)
	if err != nil {
		s.t.Fatal(err)
	}
	page := sign(optest.NewBrowser(s.t, func(*url.URL) bool { return false }), address)
	r, done, err := s.Issuer.WaitTest(s.t.Context(), by.Name, id)
	if err != nil || !done {
		s.t.Fatalf("done %v, %v; the page: %s", done, err, page.Text())
	}
	return r, page
}
