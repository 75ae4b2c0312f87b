package rpc

import (
	"context"

	pb "pachyderm/api/auth"
	pfspb "pachyderm/api/pfs"
	ppspb "pachyderm/api/pps"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/login"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

// Activate makes the caller the administrator of a pachd that has none: with
// the token they give, or one that is made.
func (s *authServer) Activate(ctx context.Context, req *pb.ActivateRequest) (*pb.ActivateResponse, error) {
	var root secret.Text
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		switch active, err := access.IsActive(ctx, tx); {
		case err != nil:
			return err
		case active:
			return fault.New(fault.Unimplemented, "the auth service is already activated")
		}
		if err := access.Activate(ctx, tx); err != nil {
			return err
		}
		var err error
		if root, err = s.replaceRoot(ctx, tx, req.GetRootToken()); err != nil {
			return err
		}
		return s.record(ctx, tx, principal.Root, "auth.activate", "cluster", "")
	})
	if err != nil {
		return nil, err
	}
	return &pb.ActivateResponse{PachToken: root.Reveal()}, nil
}

// shortestRoot is as in the configuration of pachd.
const shortestRoot = 6

// replaceRoot ends all root tokens but the one that is given or made.
func (s *authServer) replaceRoot(ctx context.Context, tx *db.Tx, given string) (secret.Text, error) {
	if _, err := token.RevokeAllOf(ctx, tx, principal.Root); err != nil {
		return "", err
	}
	if given == "" {
		return token.Issue(ctx, tx, principal.Root, "", s.Now(), 0)
	}
	if len(given) < shortestRoot {
		return "", fault.New(fault.Invalid, "the root token is too short to be a secret").
			Next("use at least %d characters, better 32 random ones", shortestRoot).At("root_token")
	}
	err := token.Put(ctx, tx, secret.Text(given), principal.Root, "", s.Now(), 0)
	if fault.Is(err, fault.Exists) {
		err = fault.New(fault.Exists, "this token is somebody else's already").
			Next("choose another").At("root_token")
	}
	return secret.Text(given), err
}

func (s *Server) record(ctx context.Context, tx *db.Tx, by principal.Name, action, object, detail string) error {
	return audit.Record(ctx, tx, audit.Event{At: s.Now(), Actor: by, Action: action, Object: object, Detail: detail})
}

// Deactivate forgets who may do what: roles, tokens, groups and where people
// sign in. What the identity service has stays.
func (s *authServer) Deactivate(ctx context.Context, _ *pb.DeactivateRequest) (*pb.DeactivateResponse, error) {
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		for _, forget := range []func(context.Context, *db.Tx) error{access.Deactivate, token.DeleteAll, identity.DeleteGroups, s.Login.DeleteConfiguration} {
			if err := forget(ctx, tx); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "auth.deactivate", "cluster", "")
	})
	if err != nil {
		return nil, err
	}
	return &pb.DeactivateResponse{}, nil
}

// RotateRootToken ends the root token in use.
func (s *authServer) RotateRootToken(ctx context.Context, req *pb.RotateRootTokenRequest) (*pb.RotateRootTokenResponse, error) {
	if s.RootConfigured {
		return nil, fault.New(fault.Precondition, "RotateRootToken() is disabled when the root token is configured in the environment").
			Next("change it there, and start pachd again")
	}
	var root secret.Text
	err := s.DB.Update(ctx, func(tx *db.Tx) (err error) {
		if root, err = s.replaceRoot(ctx, tx, req.GetRootToken()); err != nil {
			return err
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "token.rotate-root", principal.Root.String(), "")
	})
	if err != nil {
		return nil, err
	}
	return &pb.RotateRootTokenResponse{RootToken: root.Reveal()}, nil
}

// GetConfiguration shows where people sign in, without the client's secret.
func (s *authServer) GetConfiguration(ctx context.Context, _ *pb.GetConfigurationRequest) (*pb.GetConfigurationResponse, error) {
	c, err := s.Login.Configuration(ctx)
	if err != nil {
		return nil, err
	}
	return &pb.GetConfigurationResponse{Configuration: &pb.OIDCConfig{
		Issuer: c.Issuer, ClientId: c.ClientID, ClientSecret: c.ClientSecret, RedirectUri: c.RedirectURI, Scopes: c.Scopes,
		RequireEmailVerified: c.RequireEmailVerified, LocalhostIssuer: c.LocalhostIssuer, UserAccessibleIssuerHost: c.UserAccessibleIssuerHost,
	}}, nil
}

// SetConfiguration takes an absent configuration for the built-in one.
func (s *authServer) SetConfiguration(ctx context.Context, req *pb.SetConfigurationRequest) (*pb.SetConfigurationResponse, error) {
	c := req.GetConfiguration()
	err := s.Login.SetConfiguration(ctx, caller.Of(ctx).Name, login.Config{
		Issuer: c.GetIssuer(), ClientID: c.GetClientId(), ClientSecret: c.GetClientSecret(), RedirectURI: c.GetRedirectUri(), Scopes: c.GetScopes(),
		RequireEmailVerified: c.GetRequireEmailVerified(), LocalhostIssuer: c.GetLocalhostIssuer(), UserAccessibleIssuerHost: c.GetUserAccessibleIssuerHost(),
	})
	if err != nil {
		return nil, err
	}
	return &pb.SetConfigurationResponse{}, nil
}

// pfsServer and ppsServer are what upstream's "auth activate" calls of services
// that do not exist yet: there is nothing to bind roles on.
type pfsServer struct{ pfspb.UnimplementedAPIServer }

func (pfsServer) ActivateAuth(context.Context, *pfspb.ActivateAuthRequest) (*pfspb.ActivateAuthResponse, error) {
	return &pfspb.ActivateAuthResponse{}, nil
}

type ppsServer struct{ ppspb.UnimplementedAPIServer }

func (ppsServer) ActivateAuth(context.Context, *ppspb.ActivateAuthRequest) (*ppspb.ActivateAuthResponse, error) {
	return &ppspb.ActivateAuthResponse{}, nil
}
