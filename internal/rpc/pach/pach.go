package pach

import (
	"context"
	"time"

	pb "pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer"
	"pachyderm/internal/login"
	"pachyderm/internal/session"
)

// Server is pach_v1.
type Server struct {
	pb.UnimplementedAPIServer
	DB       *db.DB
	Sessions *session.Service
	Issuer   *issuer.Issuer
	Login    *login.Service
	Now      func() time.Time
}

// GetSignIn tells pachctl where and how to sign in.
func (s *Server) GetSignIn(ctx context.Context, _ *pb.GetSignInRequest) (*pb.GetSignInResponse, error) {
	elsewhere, err := s.Login.Elsewhere(ctx)
	if err != nil || elsewhere != "" {
		return &pb.GetSignInResponse{Issuer: elsewhere, Connected: true}, err
	}
	connected, err := s.Issuer.Connected(ctx)
	at := func(path string) string { return s.Issuer.Outside(ctx, s.Issuer.Endpoint(path)) }
	return &pb.GetSignInResponse{
		Issuer: s.Issuer.URL(), AuthorizationEndpoint: at("/auth"), TokenEndpoint: at("/token"),
		DeviceAuthorizationEndpoint: at("/device/code"), ClientId: issuer.CLIClient, DeviceClientId: issuer.DeviceClient,
		Connected: connected, CallbackUrl: at("/callback"),
	}, err
}
