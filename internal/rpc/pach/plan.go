package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/plan"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/identity"
)

// PlanConnector says what a document would change.
func (s *server) PlanConnector(ctx context.Context, req *pb.PlanConnectorRequest) (*pb.PlanConnectorResponse, error) {
	c, err := documentFromProto(req.GetDocument())
	if err != nil {
		return nil, err
	}
	if req.GetRemoved() {
		return s.planRemoval(ctx, c.ID)
	}
	p, err := s.issuer.Planner.Plan(ctx, identity.Author(ctx), session.FromContext(ctx).Roles, c)
	if err != nil {
		return nil, err
	}
	return planToProto(p), nil
}

func (s *server) planRemoval(ctx context.Context, id string) (*pb.PlanConnectorResponse, error) {
	out := &pb.PlanConnectorResponse{}
	err := s.keepAWayIn(ctx, id, false)
	if fault.Is(err, fault.Precondition) {
		out.Warnings, err = []string{fault.What(err)}, nil
	}
	return out, err
}

func planToProto(p plan.Plan) *pb.PlanConnectorResponse {
	verdicts := map[plan.Verdict]pb.PlannedSignIn_Verdict{
		plan.AsBefore: pb.PlannedSignIn_AS_BEFORE, plan.Refused: pb.PlannedSignIn_REFUSED,
		plan.Changed: pb.PlannedSignIn_CHANGED, plan.CannotBeTold: pb.PlannedSignIn_CANNOT_BE_TOLD,
	}
	out := &pb.PlanConnectorResponse{
		Differences: differencesToProto(p.Differences), Warnings: p.Warnings,
		AsBefore: int64(p.Counts[plan.AsBefore]), Refused: int64(p.Counts[plan.Refused]),
		Changed: int64(p.Counts[plan.Changed]), CannotBeTold: int64(p.Counts[plan.CannotBeTold]),
	}
	for _, s := range p.SignIns {
		out.SignIns = append(out.SignIns, &pb.PlannedSignIn{
			Verdict: verdicts[s.Verdict], User: s.User.String(), Trace: s.Trace, Why: s.Why, UserThen: s.Then.String(),
			GroupsGained: s.GroupsGained, GroupsLost: s.GroupsLost, RolesGained: s.RolesGained, RolesLost: s.RolesLost,
		})
	}
	return out
}

// keepAWayIn refuses to take away the last connector of the cluster's administrators.
func (s *server) keepAWayIn(ctx context.Context, id string, force bool) error {
	if force {
		return nil
	}
	return s.issuer.Planner.CheckWayIn(ctx, session.FromContext(ctx).Roles, id)
}
