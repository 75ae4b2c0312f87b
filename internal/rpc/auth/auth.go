package auth

import (
	"context"

	pb "pachyderm/api/auth"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

type server struct {
	pb.UnimplementedAPIServer
	db       *db.DB
	sessions *session.Service
	login    *login.Service
}

// New serves auth_v2.
func New(d *db.DB, sessions *session.Service, l *login.Service) pb.APIServer {
	return &server{db: d, sessions: sessions, login: l}
}

// GetOIDCLogin begins a sign-in that the client will wait for.
func (s *server) GetOIDCLogin(ctx context.Context, _ *pb.GetOIDCLoginRequest) (*pb.GetOIDCLoginResponse, error) {
	u, state, err := s.login.Start(ctx, "pachctl", limit.AddressOf(ctx))
	return &pb.GetOIDCLoginResponse{LoginUrl: u, State: state}, err
}

// Authenticate waits for a sign-in, or takes an ID token for its proof.
func (s *server) Authenticate(ctx context.Context, req *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	var held secret.Text
	var err error
	switch {
	case req.GetOidcState() != "":
		held, err = s.login.Wait(ctx, req.GetOidcState())
	case req.GetIdToken() != "":
		held, err = s.login.WithIDToken(ctx, req.GetIdToken())
	default:
		err = fault.New(fault.Invalid, "unrecognized authentication mechanism (old pachd?)").
			Next("send oidc_state or id_token")
	}
	return &pb.AuthenticateResponse{PachToken: held.Reveal()}, err
}

// WhoAmI says who calls.
func (s *server) WhoAmI(ctx context.Context, _ *pb.WhoAmIRequest) (*pb.WhoAmIResponse, error) {
	c := session.FromContext(ctx)
	return &pb.WhoAmIResponse{Username: c.Name.String(), Expiration: wire.Timestamp(c.Token.Expires)}, nil
}

// Activate makes the caller the administrator of a pachd that has none.
func (s *server) Activate(ctx context.Context, req *pb.ActivateRequest) (*pb.ActivateResponse, error) {
	root, err := s.sessions.Activate(ctx, secret.Text(req.GetRootToken()))
	return &pb.ActivateResponse{PachToken: root.Reveal()}, err
}

// Deactivate forgets who may do what, and where people sign in.
func (s *server) Deactivate(ctx context.Context, _ *pb.DeactivateRequest) (*pb.DeactivateResponse, error) {
	return &pb.DeactivateResponse{}, s.sessions.Deactivate(ctx, session.FromContext(ctx).Name, s.login.DeleteConfiguration)
}

// RotateRootToken ends the root token in use.
func (s *server) RotateRootToken(ctx context.Context, req *pb.RotateRootTokenRequest) (*pb.RotateRootTokenResponse, error) {
	root, err := s.sessions.RotateRoot(ctx, session.FromContext(ctx).Name, secret.Text(req.GetRootToken()))
	return &pb.RotateRootTokenResponse{RootToken: root.Reveal()}, err
}

// GetConfiguration shows where people sign in, without the client's secret.
func (s *server) GetConfiguration(ctx context.Context, _ *pb.GetConfigurationRequest) (*pb.GetConfigurationResponse, error) {
	c, err := s.login.Configuration(ctx)
	return &pb.GetConfigurationResponse{Configuration: &pb.OIDCConfig{
		Issuer: c.Issuer, ClientId: c.ClientID, ClientSecret: c.ClientSecret, RedirectUri: c.RedirectURI, Scopes: c.Scopes,
		RequireEmailVerified: c.RequireEmailVerified, LocalhostIssuer: c.LocalhostIssuer, UserAccessibleIssuerHost: c.UserAccessibleIssuerHost,
	}}, err
}

// SetConfiguration takes an absent configuration for the built-in one.
func (s *server) SetConfiguration(ctx context.Context, req *pb.SetConfigurationRequest) (*pb.SetConfigurationResponse, error) {
	c := req.GetConfiguration()
	return &pb.SetConfigurationResponse{}, s.login.SetConfiguration(ctx, session.FromContext(ctx).Name, login.Config{
		Issuer: c.GetIssuer(), ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(), RedirectURI: c.GetRedirectUri(),
		Scopes: c.GetScopes(), RequireEmailVerified: c.GetRequireEmailVerified(), LocalhostIssuer: c.GetLocalhostIssuer(),
		UserAccessibleIssuerHost: c.GetUserAccessibleIssuerHost(),
	})
}
