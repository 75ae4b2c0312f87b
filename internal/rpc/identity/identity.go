package identity

import (
	"context"
	"encoding/json"

	"google.golang.org/protobuf/types/known/structpb"

	pb "pachyderm/api/identity"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/login"
	"pachyderm/internal/session"
	"pachyderm/internal/strict"
)

// Server is identity_v2.
type Server struct {
	pb.UnimplementedAPIServer
	Issuer *issuer.Issuer
	Login  *login.Service
}

// SetIdentityServerConfig replaces the settings.
func (s *Server) SetIdentityServerConfig(ctx context.Context, req *pb.SetIdentityServerConfigRequest) (*pb.SetIdentityServerConfigResponse, error) {
	c := req.GetConfig()
	if c == nil {
		return nil, fault.New(fault.Invalid, "validate request: config is required")
	}
	return &pb.SetIdentityServerConfigResponse{}, s.Issuer.SetSettings(ctx, session.FromContext(ctx).Name, registry.Settings{
		Issuer: c.GetIssuer(), IDTokenExpiry: c.GetIdTokenExpiry(), RotationTokenExpiry: c.GetRotationTokenExpiry(),
	})
}

// GetIdentityServerConfig is what was set.
func (s *Server) GetIdentityServerConfig(ctx context.Context, _ *pb.GetIdentityServerConfigRequest) (*pb.GetIdentityServerConfigResponse, error) {
	c, err := s.Issuer.Registry.Settings(ctx)
	return &pb.GetIdentityServerConfigResponse{Config: &pb.IdentityServerConfig{
		Issuer: c.Issuer, IdTokenExpiry: c.IDTokenExpiry, RotationTokenExpiry: c.RotationTokenExpiry,
	}}, err
}

// CreateIDPConnector connects an identity provider.
func (s *Server) CreateIDPConnector(ctx context.Context, req *pb.CreateIDPConnectorRequest) (*pb.CreateIDPConnectorResponse, error) {
	c, err := ConnectorFromProto(req.GetConnector())
	if err != nil {
		return nil, err
	}
	return &pb.CreateIDPConnectorResponse{}, s.Issuer.Registry.CreateConnector(ctx, session.FromContext(ctx).Name, c)
}

// UpdateIDPConnector changes what the document gives.
func (s *Server) UpdateIDPConnector(ctx context.Context, req *pb.UpdateIDPConnectorRequest) (*pb.UpdateIDPConnectorResponse, error) {
	c, err := ConnectorFromProto(req.GetConnector())
	if err != nil {
		return nil, err
	}
	return &pb.UpdateIDPConnectorResponse{}, s.Issuer.Registry.UpdateConnector(ctx, session.FromContext(ctx).Name, c)
}

// GetIDPConnector shows one, without its secrets.
func (s *Server) GetIDPConnector(ctx context.Context, req *pb.GetIDPConnectorRequest) (*pb.GetIDPConnectorResponse, error) {
	c, err := s.Issuer.Registry.Connector(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	out, err := connectorToProto(c)
	return &pb.GetIDPConnectorResponse{Connector: out}, err
}

// ListIDPConnectors shows all, without their secrets.
func (s *Server) ListIDPConnectors(ctx context.Context, _ *pb.ListIDPConnectorsRequest) (*pb.ListIDPConnectorsResponse, error) {
	all, err := s.Issuer.Registry.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	out := &pb.ListIDPConnectorsResponse{}
	for _, c := range all {
		p, err := connectorToProto(c)
		if err != nil {
			return nil, err
		}
		out.Connectors = append(out.Connectors, p)
	}
	return out, nil
}

// DeleteIDPConnector ends what came through it.
func (s *Server) DeleteIDPConnector(ctx context.Context, req *pb.DeleteIDPConnectorRequest) (*pb.DeleteIDPConnectorResponse, error) {
	return &pb.DeleteIDPConnectorResponse{}, s.Issuer.Registry.DeleteConnector(ctx, session.FromContext(ctx).Name, req.GetId())
}

// ConnectorFromProto takes the configuration from the Struct, or from the
// older field with JSON in it.
func ConnectorFromProto(c *pb.IDPConnector) (registry.Connector, error) {
	if c == nil {
		return registry.Connector{}, fault.New(fault.Invalid, "validate request: connector is required")
	}
	out := registry.Connector{ID: c.GetId(), Name: c.GetName(), Type: c.GetType(), Version: c.GetConfigVersion(), Config: c.GetConfig().AsMap()}
	if j := c.GetJsonConfig(); len(out.Config) == 0 && j != "" && j != "null" {
		if err := strict.Decode([]byte(j), &out.Config); err != nil {
			return out, fault.Prefix(err, "unable to deserialize JSON").At("jsonConfig")
		}
	}
	return out, nil
}

func connectorToProto(c registry.Connector) (*pb.IDPConnector, error) {
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
func (s *Server) CreateOIDCClient(ctx context.Context, req *pb.CreateOIDCClientRequest) (*pb.CreateOIDCClientResponse, error) {
	if err := s.Login.AuthorizeClient(ctx, req.GetClient().GetId()); err != nil {
		return nil, err
	}
	c, err := ClientFromProto(req.GetClient())
	if err != nil {
		return nil, err
	}
	c, err = s.Issuer.Registry.CreateClient(ctx, session.FromContext(ctx).Name, c)
	return &pb.CreateOIDCClientResponse{Client: ClientToProto(c)}, err
}

// UpdateOIDCClient changes what is given.
func (s *Server) UpdateOIDCClient(ctx context.Context, req *pb.UpdateOIDCClientRequest) (*pb.UpdateOIDCClientResponse, error) {
	if err := s.Login.AuthorizeClient(ctx, req.GetClient().GetId()); err != nil {
		return nil, err
	}
	c, err := ClientFromProto(req.GetClient())
	if err != nil {
		return nil, err
	}
	return &pb.UpdateOIDCClientResponse{}, s.Issuer.Registry.UpdateClient(ctx, session.FromContext(ctx).Name, c)
}

// GetOIDCClient shows one, without its secret.
func (s *Server) GetOIDCClient(ctx context.Context, req *pb.GetOIDCClientRequest) (*pb.GetOIDCClientResponse, error) {
	c, err := s.Issuer.Registry.Client(ctx, req.GetId())
	return &pb.GetOIDCClientResponse{Client: ClientToProto(c)}, err
}

// ListOIDCClients shows all, without their secrets.
func (s *Server) ListOIDCClients(ctx context.Context, _ *pb.ListOIDCClientsRequest) (*pb.ListOIDCClientsResponse, error) {
	all, err := s.Issuer.Registry.Clients(ctx)
	out := &pb.ListOIDCClientsResponse{}
	for _, c := range all {
		out.Clients = append(out.Clients, ClientToProto(c))
	}
	return out, err
}

// DeleteOIDCClient forgets an application.
func (s *Server) DeleteOIDCClient(ctx context.Context, req *pb.DeleteOIDCClientRequest) (*pb.DeleteOIDCClientResponse, error) {
	if err := s.Login.AuthorizeClient(ctx, req.GetId()); err != nil {
		return nil, err
	}
	return &pb.DeleteOIDCClientResponse{}, s.Issuer.Registry.DeleteClient(ctx, session.FromContext(ctx).Name, req.GetId())
}

// DeleteAll removes connectors, clients and settings; people stay known.
func (s *Server) DeleteAll(ctx context.Context, _ *pb.DeleteAllRequest) (*pb.DeleteAllResponse, error) {
	return &pb.DeleteAllResponse{}, s.Issuer.DeleteAll(ctx, session.FromContext(ctx).Name)
}

// ClientFromProto is an application as the wire has it.
func ClientFromProto(c *pb.OIDCClient) (registry.Client, error) {
	if c == nil {
		return registry.Client{}, fault.New(fault.Invalid, "validate request: client is required")
	}
	return registry.Client{ID: c.GetId(), Name: c.GetName(), Secret: c.GetSecret(), RedirectURIs: c.GetRedirectUris(), TrustedPeers: c.GetTrustedPeers()}, nil
}

// ClientToProto is the inverse of ClientFromProto.
func ClientToProto(c registry.Client) *pb.OIDCClient {
	return &pb.OIDCClient{Id: c.ID, Name: c.Name, Secret: c.Secret, RedirectUris: c.RedirectURIs, TrustedPeers: c.TrustedPeers}
}
