package migration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pfs"
	"pachyderm/client"
)

// source is where the other installation's state is read.
type source interface {
	connectors(ctx context.Context) ([]*identity.IDPConnector, error)
	clients(ctx context.Context) ([]*identity.OIDCClient, error)
	// bindings are those of the cluster, and of projects and repos.
	bindings(ctx context.Context) ([]binding, error)
	tokens(ctx context.Context) ([]*auth.TokenInfo, error)
	issuer(ctx context.Context) (string, error)
}

// binding is what principals have on one resource.
type binding struct {
	resource *auth.Resource
	roles    map[string][]string // by principal
}

// server is another installation that runs.
type server struct{ *client.Client }

func (s server) connectors(ctx context.Context) ([]*identity.IDPConnector, error) {
	res, err := s.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
	return res.GetConnectors(), reading(there, "connectors", err)
}

func (s server) clients(ctx context.Context) ([]*identity.OIDCClient, error) {
	res, err := s.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
	return res.GetClients(), reading(there, "OIDC clients", err)
}

func (s server) tokens(ctx context.Context) ([]*auth.TokenInfo, error) {
	res, err := s.Auth.ExtractAuthTokens(ctx, &auth.ExtractAuthTokensRequest{})
	return res.GetTokens(), reading(there, "tokens", err)
}

func (s server) issuer(ctx context.Context) (string, error) {
	res, err := s.Identity.GetIdentityServerConfig(ctx, &identity.GetIdentityServerConfigRequest{})
	return res.GetConfig().GetIssuer(), reading(there, "settings", err)
}

func (s server) bindings(ctx context.Context) ([]binding, error) {
	resources := []*auth.Resource{cluster()}
	projects, err := list(ctx, s.Client, "ListProject", &pfs.ListProjectRequest{}, func() *pfs.ProjectInfo { return &pfs.ProjectInfo{} })
	if err != nil {
		return nil, reading(there, "projects", err)
	}
	for _, p := range projects {
		resources = append(resources, &auth.Resource{Type: auth.ResourceType_PROJECT, Name: p.GetProject().GetName()})
	}
	repos, err := list(ctx, s.Client, "ListRepo", &pfs.ListRepoRequest{Type: "user"}, func() *pfs.RepoInfo { return &pfs.RepoInfo{} })
	if err != nil {
		return nil, reading(there, "repos", err)
	}
	for _, r := range repos {
		name := r.GetRepo().GetProject().GetName() + "/" + r.GetRepo().GetName()
		resources = append(resources, &auth.Resource{Type: auth.ResourceType_REPO, Name: name})
	}
	var all []binding
	for _, r := range resources {
		b, err := bindingOf(ctx, s.Client, r)
		if err != nil {
			return nil, reading(there, "roles on the "+display(r), err)
		}
		all = append(all, b)
	}
	return all, nil
}

func bindingOf(ctx context.Context, c *client.Client, r *auth.Resource) (binding, error) {
	res, err := c.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: r})
	b := binding{resource: r, roles: map[string][]string{}}
	for who, roles := range res.GetBinding().GetEntries() {
		for role, given := range roles.GetRoles() {
			if given {
				b.roles[who] = append(b.roles[who], role)
			}
		}
		slices.Sort(b.roles[who])
	}
	if status.Code(err) == codes.NotFound { // as of a resource on which nobody has a role
		err = nil
	}
	return b, err
}

// list calls a method of upstream's PFS that answers with a stream. An installation
// that has none, as this one, has no entries.
func list[T proto.Message](ctx context.Context, c *client.Client, method string, req proto.Message, fresh func() T) (all []T, err error) {
	stream, err := c.Conn().NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/pfs_v2.API/"+method)
	if err == nil {
		err = stream.SendMsg(req)
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		m := fresh()
		if err = stream.RecvMsg(m); err == nil {
			all = append(all, m)
		}
	}
	if errors.Is(err, io.EOF) || status.Code(err) == codes.Unimplemented {
		return all, nil
	}
	return nil, err
}

func cluster() *auth.Resource { return &auth.Resource{Type: auth.ResourceType_CLUSTER} }

// display is a resource as people say it, such as project genomics.
func display(r *auth.Resource) string {
	if r.GetType() == auth.ResourceType_CLUSTER {
		return "cluster"
	}
	return fmt.Sprintf("%s %s", strings.ToLower(r.GetType().String()), r.GetName())
}
