package pach

import (
	"cmp"
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/identity"
)

// CreateOIDCClient registers an application, restricted to some connectors
// from its first moment.
func (s *server) CreateOIDCClient(ctx context.Context, req *pb.CreateOIDCClientRequest) (*pb.CreateOIDCClientResponse, error) {
	if err := s.login.AuthorizeClient(ctx, req.GetClient().GetId()); err != nil {
		return nil, err
	}
	c, err := identity.ClientFromProto(req.GetClient())
	if err != nil {
		return nil, err
	}
	c.Public, c.PostLogoutRedirectURIs, c.LogoutURI = req.GetPublic(), req.GetPostLogoutRedirectUris(), &req.BackchannelLogoutUri
	c.AllowedConnectors, c.PKCE = req.GetAllowedConnectors(), cmp.Or(pkceFromProto(req.GetPkce()), oidcclient.PKCERequired)
	c, err = s.issuer.Registry.CreateClient(ctx, session.FromContext(ctx).Name, c)
	return &pb.CreateOIDCClientResponse{Client: identity.ClientToProto(c)}, err
}

// GetOIDCClient shows one, without its secret.
func (s *server) GetOIDCClient(ctx context.Context, req *pb.GetOIDCClientRequest) (*pb.GetOIDCClientResponse, error) {
	c, err := s.issuer.Registry.Client(ctx, req.GetId())
	return clientToProto(c), err
}

// ListOIDCClients shows all, without their secrets.
func (s *server) ListOIDCClients(ctx context.Context, req *pb.ListOIDCClientsRequest) (*pb.ListOIDCClientsResponse, error) {
	all, err := s.issuer.Registry.Clients(ctx)
	all, next := pageOf(all, page(req), func(c oidcclient.Client) string { return c.ID })
	out := &pb.ListOIDCClientsResponse{NextPageToken: next}
	for _, c := range all {
		out.Clients = append(out.Clients, clientToProto(c))
	}
	return out, err
}

func clientToProto(c oidcclient.Client) *pb.GetOIDCClientResponse {
	out := &pb.GetOIDCClientResponse{
		Client: identity.ClientToProto(c), AllowedConnectors: c.AllowedConnectors, Pkce: pkceToProto(c.PKCE),
		Public: c.Public, PostLogoutRedirectUris: c.PostLogoutRedirectURIs, Managed: c.Managed,
	}
	if c.LogoutURI != nil {
		out.BackchannelLogoutUri = *c.LogoutURI
	}
	return out
}

func pkceToProto(p oidcclient.PKCE) pb.PKCE {
	switch p {
	case oidcclient.PKCERequired:
		return pb.PKCE_PKCE_REQUIRED
	case oidcclient.PKCEOptional:
		return pb.PKCE_PKCE_OPTIONAL
	case oidcclient.PKCEUntilUsed:
		return pb.PKCE_PKCE_UNTIL_USED
	}
	return pb.PKCE_PKCE_UNKNOWN
}

// pkceFromProto is what an administrator sets, or "" for what it is.
func pkceFromProto(p pb.PKCE) oidcclient.PKCE {
	switch p {
	case pb.PKCE_PKCE_REQUIRED:
		return oidcclient.PKCERequired
	case pb.PKCE_PKCE_OPTIONAL:
		return oidcclient.PKCEOptional
	}
	return ""
}

// UpdateOIDCClient changes what is given; a list that is given empty becomes
// empty.
func (s *server) UpdateOIDCClient(ctx context.Context, req *pb.UpdateOIDCClientRequest) (*pb.UpdateOIDCClientResponse, error) {
	if err := s.login.AuthorizeClient(ctx, req.GetId()); err != nil {
		return nil, err
	}
	by := session.FromContext(ctx).Name
	err := s.issuer.Registry.CheckPublic(ctx, req.GetId(), req.Public)
	if err == nil {
		err = s.issuer.Registry.UpdateClient(ctx, by, changeFromProto(req))
	}
	if err != nil || !req.GetNewSecret() {
		return &pb.UpdateOIDCClientResponse{}, err
	}
	fresh, err := s.issuer.Registry.RotateClientSecret(ctx, by, req.GetId())
	return &pb.UpdateOIDCClientResponse{Secret: fresh}, err
}

func changeFromProto(req *pb.UpdateOIDCClientRequest) oidcclient.Client {
	return oidcclient.Client{
		ID: req.GetId(), Name: req.GetName(), RedirectURIs: values(req.GetRedirectUris()), TrustedPeers: values(req.GetTrustedPeers()),
		AllowedConnectors: values(req.GetAllowedConnectors()), PKCE: pkceFromProto(req.GetPkce()),
		PostLogoutRedirectURIs: values(req.GetPostLogoutRedirectUris()), LogoutURI: req.BackchannelLogoutUri,
	}
}

// values keeps an empty list apart from one that is absent.
func values(l *pb.StringList) []string {
	if l == nil {
		return nil
	}
	return append([]string{}, l.GetValues()...)
}
