package rpc

import (
	"context"

	pb "pachyderm/api/auth"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/token"
)

// ExtractAuthTokens is a backup of the tokens of robots: people sign in again.
func (s *authServer) ExtractAuthTokens(ctx context.Context, _ *pb.ExtractAuthTokensRequest) (*pb.ExtractAuthTokensResponse, error) {
	var all []token.Info
	err := s.DB.View(ctx, func(tx *db.Tx) (err error) {
		all, err = token.Robots(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &pb.ExtractAuthTokensResponse{}
	for _, t := range all {
		out.Tokens = append(out.Tokens, &pb.TokenInfo{Subject: t.Subject.String(), HashedToken: t.Hash, Expiration: wire.Timestamp(t.Expires)})
	}
	return out, nil
}

// RestoreAuthToken brings back what ExtractAuthTokens gave.
func (s *authServer) RestoreAuthToken(ctx context.Context, req *pb.RestoreAuthTokenRequest) (*pb.RestoreAuthTokenResponse, error) {
	t := req.GetToken()
	if t == nil {
		return nil, fault.New(fault.Invalid, "validate request: token is required")
	}
	who, err := principal.Parse(t.GetSubject())
	if err != nil {
		return nil, err
	}
	info := token.Info{Hash: t.GetHashedToken(), Subject: who}
	if e := t.GetExpiration(); e != nil {
		if err := e.CheckValid(); err != nil {
			return nil, fault.New(fault.Invalid, "the expiration is not a time").At("expiration").Because(err)
		}
		info.Expires = e.AsTime()
	}
	err = s.DB.Update(ctx, func(tx *db.Tx) error {
		if err := token.Restore(ctx, tx, info, s.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "token.restore", "token/"+info.Hash[:8], who.String())
	})
	if err != nil {
		return nil, err
	}
	return &pb.RestoreAuthTokenResponse{}, nil
}

// DeleteExpiredAuthTokens does at once what pachd does every hour.
func (s *authServer) DeleteExpiredAuthTokens(ctx context.Context, _ *pb.DeleteExpiredAuthTokensRequest) (*pb.DeleteExpiredAuthTokensResponse, error) {
	err := s.DB.Update(ctx, func(tx *db.Tx) error {
		if _, err := token.DeleteExpired(ctx, tx, s.Now()); err != nil {
			return err
		}
		return s.record(ctx, tx, caller.Of(ctx).Name, "token.delete-expired", "tokens", "")
	})
	if err != nil {
		return nil, err
	}
	return &pb.DeleteExpiredAuthTokensResponse{}, nil
}
