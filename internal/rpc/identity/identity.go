package identity

import (
	"context"
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"

	pb "pachyderm/api/identity"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/session"
	"pachyderm/internal/strict"
)

type server struct {
	pb.UnimplementedAPIServer
	issuer *issuer.Issuer
	login  *login.Service
}

// New serves identity_v2.
func New(i *issuer.Issuer, l *login.Service) pb.APIServer { return &server{issuer: i, login: l} }

// SetIdentityServerConfig replaces the settings.
func (s *server) SetIdentityServerConfig(ctx context.Context, req *pb.SetIdentityServerConfigRequest,
) (*pb.SetIdentityServerConfigResponse, error) {
	c := req.GetConfig()
	if c == nil {
		return nil, fault.New(fault.Invalid, "validate request: config is required")
	}
	return &pb.SetIdentityServerConfigResponse{}, s.issuer.SetSettings(ctx, Author(ctx), settings.Settings{
		Issuer: c.GetIssuer(), IDTokenExpiry: c.GetIdTokenExpiry(), RotationTokenExpiry: c.GetRotationTokenExpiry(),
	})
}

// GetIdentityServerConfig is what was set.
func (s *server) GetIdentityServerConfig(ctx context.Context, _ *pb.GetIdentityServerConfigRequest,
) (*pb.GetIdentityServerConfigResponse, error) {
	c, err := s.issuer.Registry.Settings(ctx)
	return &pb.GetIdentityServerConfigResponse{Config: &pb.IdentityServerConfig{
		Issuer: c.Issuer, IdTokenExpiry: c.IDTokenExpiry, RotationTokenExpiry: c.RotationTokenExpiry,
	}}, err
}

// Author is the caller as a writer of connectors.
func Author(ctx context.Context) registry.Author {
	c := session.FromContext(ctx)
	return registry.Author{Name: c.Name, MayGrant: c.AuthorizeCluster(access.ClusterModifyBindings) == nil}
}

// CreateIDPConnector connects an identity provider.
func (s *server) CreateIDPConnector(ctx context.Context, req *pb.CreateIDPConnectorRequest) (*pb.CreateIDPConnectorResponse, error) {
	c, err := ConnectorFromProto(req.GetConnector())
	if err != nil {
		return nil, err
	}
	return &pb.CreateIDPConnectorResponse{}, s.issuer.Registry.CreateConnector(ctx, Author(ctx), c)
}

// UpdateIDPConnector changes what the document gives.
func (s *server) UpdateIDPConnector(ctx context.Context, req *pb.UpdateIDPConnectorRequest) (*pb.UpdateIDPConnectorResponse, error) {
	c, err := ConnectorFromProto(req.GetConnector())
	if err != nil {
		return nil, err
	}
	return &pb.UpdateIDPConnectorResponse{}, s.issuer.Registry.UpdateConnector(ctx, Author(ctx), c)
}

// GetIDPConnector shows one, without its secrets.
func (s *server) GetIDPConnector(ctx context.Context, req *pb.GetIDPConnectorRequest) (*pb.GetIDPConnectorResponse, error) {
	c, err := s.issuer.Registry.Connector(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	out, err := ConnectorToProto(c)
	return &pb.GetIDPConnectorResponse{Connector: out}, err
}

// ListIDPConnectors shows all, without their secrets.
func (s *server) ListIDPConnectors(ctx context.Context, _ *pb.ListIDPConnectorsRequest) (*pb.ListIDPConnectorsResponse, error) {
	all, err := s.issuer.Registry.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListIDPConnectorsResponse{}
	for _, c := range all {
		p, err := ConnectorToProto(c)
		if err != nil {
			return nil, err
		}
		out.Connectors = append(out.Connectors, p)
	}
	return out, nil
}

// DeleteIDPConnector ends what came through it.
func (s *server) DeleteIDPConnector(ctx context.Context, req *pb.DeleteIDPConnectorRequest) (*pb.DeleteIDPConnectorResponse, error) {
	return &pb.DeleteIDPConnectorResponse{}, s.issuer.Registry.DeleteConnector(ctx, session.FromContext(ctx).Name, req.GetId())
}

// ConnectorFromProto takes the configuration from the Struct, or from the
// older field with JSON in it.
func ConnectorFromProto(c *pb.IDPConnector) (registry.Connector, error) {
	if c == nil {
		return registry.Connector{}, fault.New(fault.Invalid, "validate request: connector is required")
	}
	out := registry.Connector{
		ID: c.GetId(), Name: c.GetName(), Type: c.GetType(), Version: c.GetConfigVersion(), Config: c.GetConfig().AsMap(),
	}
	if j := c.GetJsonConfig(); len(out.Config) == 0 && j != "" && j != "null" {
		if err := strict.Decode([]byte(j), &out.Config); err != nil {
			return out, fault.Prefix(err, "unable to deserialize JSON").At("jsonConfig")
		}
	}
	return out, nil
}

// ConnectorToProto is a connector on the wire; its secrets are masked already.
func ConnectorToProto(c registry.Connector) (*pb.IDPConnector, error) {
	// By way of JSON, because Struct takes no typed slices.
	raw, err := json.Marshal(c.Config)
	if err != nil {
		return nil, err
	}
	config := &structpb.Struct{}
	if err := config.UnmarshalJSON(raw); err != nil {
		return nil, err
	}
	return &pb.IDPConnector{Id: c.ID, Name: c.Name, Type: c.Type, ConfigVersion: c.Version, Config: config}, nil
}

// CreateOIDCClient registers an application; the answer has its secret, this once.
// To ask again for what is there is no fault.
func (s *server) CreateOIDCClient(ctx context.Context, req *pb.CreateOIDCClientRequest) (*pb.CreateOIDCClientResponse, error) {
	if err := s.login.AuthorizeClient(ctx, req.GetClient().GetId()); err != nil {
		return nil, err
	}
	c, err := ClientFromProto(req.GetClient())
	if err != nil {
		return nil, err
	}
	c, err = s.issuer.Registry.EnsureClient(ctx, session.FromContext(ctx).Name, c)
	return &pb.CreateOIDCClientResponse{Client: ClientToProto(c)}, err
}

// UpdateOIDCClient changes what is given.
func (s *server) UpdateOIDCClient(ctx context.Context, req *pb.UpdateOIDCClientRequest) (*pb.UpdateOIDCClientResponse, error) {
	if err := s.login.AuthorizeClient(ctx, req.GetClient().GetId()); err != nil {
		return nil, err
	}
	c, err := ClientFromProto(req.GetClient())
	if err != nil {
		return nil, err
	}
	return &pb.UpdateOIDCClientResponse{}, s.issuer.Registry.UpdateClient(ctx, session.FromContext(ctx).Name, c)
}

// GetOIDCClient shows one, without its secret.
func (s *server) GetOIDCClient(ctx context.Context, req *pb.GetOIDCClientRequest) (*pb.GetOIDCClientResponse, error) {
	c, err := s.issuer.Registry.Client(ctx, req.GetId())
	return &pb.GetOIDCClientResponse{Client: ClientToProto(c)}, err
}

// ListOIDCClients shows all, without their secrets.
func (s *server) ListOIDCClients(ctx context.Context, _ *pb.ListOIDCClientsRequest) (*pb.ListOIDCClientsResponse, error) {
	all, err := s.issuer.Registry.Clients(ctx)
	out := &pb.ListOIDCClientsResponse{}
	for _, c := range all {
		out.Clients = append(out.Clients, ClientToProto(c))
	}
	return out, err
}

// DeleteOIDCClient forgets an application.
func (s *server) DeleteOIDCClient(ctx context.Context, req *pb.DeleteOIDCClientRequest) (*pb.DeleteOIDCClientResponse, error) {
	if err := s.login.AuthorizeClient(ctx, req.GetId()); err != nil {
		return nil, err
	}
	return &pb.DeleteOIDCClientResponse{}, s.issuer.Registry.DeleteClient(ctx, session.FromContext(ctx).Name, req.GetId())
}

// DeleteAll removes connectors, clients and settings; people stay known.
func (s *server) DeleteAll(ctx context.Context, _ *pb.DeleteAllRequest) (*pb.DeleteAllResponse, error) {
	return &pb.DeleteAllResponse{}, s.issuer.DeleteAll(ctx, session.FromContext(ctx).Name)
}

// ClientFromProto is an application as the wire has it.
func ClientFromProto(c *pb.OIDCClient) (oidcclient.Client, error) {
	if c == nil {
		return oidcclient.Client{}, fault.New(fault.Invalid, "validate request: client is required")
	}
	return oidcclient.Client{
		ID: c.GetId(), Name: c.GetName(), Secret: c.GetSecret(), RedirectURIs: c.GetRedirectUris(), TrustedPeers: c.GetTrustedPeers(),
	}, nil
}

// ClientToProto is the inverse of ClientFromProto.
func ClientToProto(c oidcclient.Client) *pb.OIDCClient {
	return &pb.OIDCClient{Id: c.ID, Name: c.Name, Secret: c.Secret, RedirectUris: c.RedirectURIs, TrustedPeers: c.TrustedPeers}
}
