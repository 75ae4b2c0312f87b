package pachdtest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/config"
)

// Alice is the principal that Server.Alice signs in.
const Alice = "user:alice@example.com"

// ShortSessions is a change for Start: sessions last an hour.
func ShortSessions(c *config.Config) { c.Auth.SessionDuration = config.Duration(time.Hour) }

// Want holds an error to a status code and to parts of its message.
func Want(t testing.TB, err error, code codes.Code, texts ...string) {
	t.Helper()
	s := status.Convert(err)
	if s.Code() != code {
		t.Errorf("got %v, want %s", s, code)
	}
	for _, text := range texts {
		if !strings.Contains(s.Message(), text) {
			t.Errorf("got %q, want %q", s.Message(), text)
		}
	}
}

// Info is what an error of pachd says for programs.
func Info(err error) *errdetails.ErrorInfo {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "pachd" {
			return info
		}
	}
	return nil
}

// Cluster, Project and Repo are resources.
func Cluster() *auth.Resource { return &auth.Resource{Type: auth.ResourceType_CLUSTER} }

func Project(name string) *auth.Resource {
	return &auth.Resource{Type: auth.ResourceType_PROJECT, Name: name}
}

func Repo(name string) *auth.Resource {
	return &auth.Resource{Type: auth.ResourceType_REPO, Name: name}
}

// Call sends an empty message: who may call is decided before it is read.
func (s *Server) Call(ctx context.Context, method string) error {
	return s.Conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
}

// WhoAmI says whose context it is.
func (s *Server) WhoAmI(ctx context.Context) (*auth.WhoAmIResponse, error) {
	return s.API.Auth.WhoAmI(ctx, &auth.WhoAmIRequest{})
}

// Deactivate switches authentication off.
func (s *Server) Deactivate(ctx context.Context) {
	s.t.Helper()
	if _, err := s.API.Auth.Deactivate(ctx, &auth.DeactivateRequest{}); err != nil {
		s.t.Fatal(err)
	}
}

// Bound are the roles that are bound on a resource, by principal.
func (s *Server) Bound(ctx context.Context, r *auth.Resource) (map[string][]string, error) {
	res, err := s.API.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: r})
	got := map[string][]string{}
	for who, roles := range res.GetBinding().GetEntries() {
		for role := range roles.GetRoles() {
			got[who] = append(got[who], role)
		}
		slices.Sort(got[who])
	}
	return got, err
}

// WantGroups holds the groups of a principal to a list.
func (s *Server) WantGroups(who string, want ...string) {
	s.t.Helper()
	got, err := s.API.Auth.GetGroupsForPrincipal(s.Root(), &auth.GetGroupsForPrincipalRequest{Principal: who})
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetGroups()); diff != "" {
		s.t.Errorf("groups of %s (-want +got):\n%s", who, diff)
	}
}

// Users is everybody who has signed in or tried to, by name.
func (s *Server) Users() map[string]*pach.User {
	s.t.Helper()
	res, err := s.API.Pach.ListUsers(s.Root(), &pach.ListUsersRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	byName := map[string]*pach.User{}
	for _, u := range res.GetUsers() {
		byName[u.GetName()] = u
	}
	return byName
}

// Wait calls Authenticate as upstream's pachctl does while the browser is busy.
func (s *Server) Wait(state string) <-chan string {
	ctx, session := s.t.Context(), make(chan string, 1)
	go func() {
		res, err := s.API.Auth.Authenticate(ctx, &auth.AuthenticateRequest{OidcState: state})
		if err != nil {
			s.t.Errorf("Authenticate: %v", err)
		}
		session <- res.GetPachToken()
	}()
	return session
}

// Client registers an application, and is the configuration of a pachd that is
// it.
func (s *Server) Client(peers ...string) *auth.OIDCConfig {
	s.t.Helper()
	const id = "pachyderm"
	redirect := s.HTTP + "/authorization-code/callback"
	res, err := s.API.Identity.CreateOIDCClient(s.Root(), &identity.CreateOIDCClientRequest{Client: &identity.OIDCClient{
		Id: id, Name: id, RedirectUris: []string{redirect}, TrustedPeers: peers,
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return &auth.OIDCConfig{
		Issuer: s.HTTP, ClientId: id, ClientSecret: res.GetClient().GetSecret(), RedirectUri: redirect,
		Scopes: []string{"email", "profile", "groups", "openid"},
	}
}
