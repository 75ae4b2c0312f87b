package auth

import (
	"context"

	pb "pachyderm/api/auth"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

// GetRobotToken makes a token of a robot.
func (s *server) GetRobotToken(ctx context.Context, req *pb.GetRobotTokenRequest) (*pb.GetRobotTokenResponse, error) {
	raw, err := s.sessions.ForRobot(ctx, session.FromContext(ctx), req.GetRobot(), req.GetTtl())
	return &pb.GetRobotTokenResponse{Token: raw.Reveal()}, err
}

// RevokeAuthToken ends a token.
func (s *server) RevokeAuthToken(ctx context.Context, req *pb.RevokeAuthTokenRequest) (*pb.RevokeAuthTokenResponse, error) {
	n, err := s.sessions.Revoke(ctx, session.FromContext(ctx), secret.Text(req.GetToken()))
	return &pb.RevokeAuthTokenResponse{Number: n}, err
}

// RevokeAuthTokensForUser ends the tokens of a principal.
func (s *server) RevokeAuthTokensForUser(ctx context.Context, req *pb.RevokeAuthTokensForUserRequest,
) (*pb.RevokeAuthTokensForUserResponse, error) {
	who, err := principal.Parse(req.GetUsername())
	if err != nil {
		return nil, err
	}
	n, err := s.sessions.RevokeTokens(ctx, session.FromContext(ctx).Name, who)
	return &pb.RevokeAuthTokensForUserResponse{Number: n}, err
}

// ExtractAuthTokens is a backup of the tokens of robots: people sign in again.
func (s *server) ExtractAuthTokens(ctx context.Context, _ *pb.ExtractAuthTokensRequest) (*pb.ExtractAuthTokensResponse, error) {
	all, err := s.sessions.Robots(ctx)
	out := &pb.ExtractAuthTokensResponse{}
	for _, t := range all {
		out.Tokens = append(out.Tokens, &pb.TokenInfo{Subject: t.Subject.String(), HashedToken: t.Hash, Expiration: wire.Timestamp(t.Expires)})
	}
	return out, err
}

// RestoreAuthToken brings back what ExtractAuthTokens gave.
func (s *server) RestoreAuthToken(ctx context.Context, req *pb.RestoreAuthTokenRequest) (*pb.RestoreAuthTokenResponse, error) {
	info, err := tokenFromProto(req.GetToken())
	if err != nil {
		return nil, err
	}
	return &pb.RestoreAuthTokenResponse{}, s.sessions.Restore(ctx, session.FromContext(ctx).Name, info)
}

func tokenFromProto(t *pb.TokenInfo) (info token.Info, err error) {
	if t == nil {
		return info, fault.New(fault.Invalid, "validate request: token is required")
	}
	info.Hash = t.GetHashedToken()
	if info.Subject, err = principal.Parse(t.GetSubject()); err != nil {
		return info, err
	}
	if e := t.GetExpiration(); e != nil {
		if err := e.CheckValid(); err != nil {
			return info, fault.New(fault.Invalid, "the expiration is not a time").At("expiration").Because(err)
		}
		info.Expires = e.AsTime()
	}
	return info, nil
}

// DeleteExpiredAuthTokens does at once what pachd does every five minutes.
func (s *server) DeleteExpiredAuthTokens(ctx context.Context, _ *pb.DeleteExpiredAuthTokensRequest,
) (*pb.DeleteExpiredAuthTokensResponse, error) {
	return &pb.DeleteExpiredAuthTokensResponse{}, s.sessions.DeleteExpired(ctx, session.FromContext(ctx).Name)
}
