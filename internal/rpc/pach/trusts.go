package pach

import (
	"context"
	"time"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/people/trust"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/wire"
	"pachyderm/internal/secret"
)

// CreateTrust lets workloads of another issuer be a robot. Whoever makes one can
// have tokens of the robot, so they must be among those who may make them.
func (s *server) CreateTrust(ctx context.Context, req *pb.CreateTrustRequest) (*pb.CreateTrustResponse, error) {
	by := session.FromContext(ctx)
	if err := by.AuthorizeCluster(access.ClusterAuthGetRobotToken); err != nil {
		return nil, err
	}
	t, err := trustFromProto(req.GetTrust())
	if err != nil {
		return nil, err
	}
	return &pb.CreateTrustResponse{}, s.exchange.Create(ctx, by, t)
}

func trustFromProto(t *pb.Trust) (trust.Trust, error) {
	robot, err := principal.OfRobot(t.GetRobot())
	if err != nil {
		return trust.Trust{}, fault.Prefix(err, "robot").At("robot")
	}
	const most = int64(trust.MaxTTL / time.Second)
	if t.GetTtl() < 0 || t.GetTtl() > most {
		return trust.Trust{}, fault.New(fault.Invalid, "ttl is %d seconds", t.GetTtl()).Next("set 60 to %d", most).At("ttl")
	}
	return trust.Trust{
		ID: t.GetId(), Issuer: t.GetIssuer(), Audience: t.GetAudience(), Robot: robot, Claims: t.GetClaims(),
		TTL: time.Duration(t.GetTtl()) * time.Second, JWKS: t.GetJwks(), RootCAs: t.GetRootCas(),
	}, nil
}

// ListTrusts shows them; nothing in them is secret.
func (s *server) ListTrusts(ctx context.Context, req *pb.ListTrustsRequest) (*pb.ListTrustsResponse, error) {
	out := &pb.ListTrustsResponse{}
	return out, s.db.View(ctx, func(tx *db.Tx) error {
		all, next, err := trust.Page(ctx, tx, page(req))
		out.Trusts, out.NextPageToken = nil, next
		for _, t := range all {
			out.Trusts = append(out.Trusts, &pb.Trust{
				Id: t.ID, Issuer: t.Issuer, Audience: t.Audience, Robot: t.Robot.String(), Claims: t.Claims, Ttl: int64(t.TTL / time.Second),
				Jwks: t.JWKS, RootCas: t.RootCAs, CreatedBy: t.CreatedBy.String(), Created: wire.Timestamp(t.Created),
			})
		}
		return err
	})
}

// DeleteTrust takes a trust back, with the tokens that came of it.
func (s *server) DeleteTrust(ctx context.Context, req *pb.DeleteTrustRequest) (*pb.DeleteTrustResponse, error) {
	return &pb.DeleteTrustResponse{}, s.sessions.DeleteTrust(ctx, session.FromContext(ctx).Name, req.GetId())
}

// TestTrust says what the trusts make of a token.
func (s *server) TestTrust(ctx context.Context, req *pb.TestTrustRequest) (*pb.TestTrustResponse, error) {
	found, err := s.exchange.Test(ctx, secret.Text(req.GetToken()))
	out := &pb.TestTrustResponse{}
	for _, r := range found {
		result := &pb.TrustResult{Trust: r.Trust.ID, Robot: r.Trust.Robot.String()}
		if r.Err != nil {
			result.Refused = fault.Message(r.Err)
		}
		out.Results = append(out.Results, result)
	}
	return out, err
}
