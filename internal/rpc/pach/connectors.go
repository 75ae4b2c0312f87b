package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/wire"
)

// ListConnectorStates shows the health of each connector, whether it has been
// approved, and what of it ends, by id.
func (s *server) ListConnectorStates(ctx context.Context, req *pb.ListConnectorStatesRequest) (*pb.ListConnectorStatesResponse, error) {
	all, err := s.issuer.Registry.Connectors(ctx)
	if err != nil {
		return nil, err
	}
	health, err := s.issuer.Health(ctx)
	if err != nil {
		return nil, err
	}
	all, next := pageOf(all, page(req), func(c registry.Connector) string { return c.ID })
	out := &pb.ListConnectorStatesResponse{NextPageToken: next}
	for _, c := range all {
		out.States = append(out.States, stateToProto(c, health[c.ID]))
	}
	return out, err
}

func stateToProto(c registry.Connector, h issuer.ProviderHealth) *pb.ConnectorState {
	states := map[string]pb.ConnectorState_State{upstream.Ready: pb.ConnectorState_READY, upstream.Failing: pb.ConnectorState_FAILING}
	approvals := map[registry.Approval]pb.ConnectorState_Approval{
		registry.Approved: pb.ConnectorState_APPROVED, registry.Pending: pb.ConnectorState_PENDING,
		registry.Unapproved: pb.ConnectorState_UNAPPROVED,
	}
	state := &pb.ConnectorState{
		Id: c.ID, State: states[h.State], Error: h.Error,
		Since: wire.Timestamp(h.Since), LastGood: wire.Timestamp(h.LastGood), Checked: wire.Timestamp(h.Checked),
		Approval: approvals[c.Approval], Revision: c.Revision, Managed: c.Managed, Life: lifeOf(c), UndoAt: wire.Timestamp(c.UndoAt),
	}
	for _, e := range h.Expiries {
		state.Expiries = append(state.Expiries, &pb.Expiry{What: e.What, Ends: wire.Timestamp(e.Ends)})
	}
	return state
}

// ApproveConnector lets what is stored of a connector serve.
func (s *server) ApproveConnector(ctx context.Context, req *pb.ApproveConnectorRequest) (*pb.ApproveConnectorResponse, error) {
	by := session.FromContext(ctx).Name
	return &pb.ApproveConnectorResponse{}, s.issuer.Registry.ApproveConnector(ctx, by, req.GetId(), req.GetRevision())
}

// documentFromProto is a document, or only the id of a stored connector.
func documentFromProto(d *pb.ConnectorDocument) (registry.Connector, error) {
	switch {
	case d.GetConnector() != nil:
		c, err := identity.ConnectorFromProto(d.GetConnector())
		if err == nil && c.ID == "" {
			c.ID = d.GetId()
		}
		c.Version = 0 // nothing is stored, so that nobody can be overtaken
		return c, err
	case d.GetId() != "":
		return registry.Connector{ID: d.GetId()}, nil
	}
	return registry.Connector{}, fault.New(fault.Invalid, "validate request").
		Next("send the id of a connector, or a document")
}

// CheckConnector looks at what a sign-in will need of a provider.
func (s *server) CheckConnector(ctx context.Context, req *pb.CheckConnectorRequest) (*pb.CheckConnectorResponse, error) {
	c, err := documentFromProto(req.GetDocument())
	if err != nil {
		return nil, err
	}
	steps, err := s.issuer.CheckConnector(ctx, session.FromContext(ctx).Name, c)
	return &pb.CheckConnectorResponse{Steps: stepsToProto(steps)}, err
}

func stepsToProto(steps []probe.Step) (out []*pb.CheckStep) {
	for _, step := range steps {
		out = append(out, stepToProto(step))
	}
	return out
}

func stepToProto(step probe.Step) *pb.CheckStep {
	statuses := map[probe.Status]pb.CheckStep_Status{
		probe.OK: pb.CheckStep_OK, probe.Warning: pb.CheckStep_WARNING, probe.Failed: pb.CheckStep_FAILED, probe.Skipped: pb.CheckStep_SKIPPED,
	}
	return &pb.CheckStep{
		Name: step.Name, Status: statuses[step.Status], TookMicroseconds: step.Took.Microseconds(), Result: step.Result, Remedy: step.Remedy,
	}
}

// StartConnectorTest begins a sign-in of which nothing is stored.
func (s *server) StartConnectorTest(ctx context.Context, req *pb.StartConnectorTestRequest) (*pb.StartConnectorTestResponse, error) {
	c, err := documentFromProto(req.GetDocument())
	if err != nil {
		return nil, err
	}
	id, address, expires, err := s.issuer.StartTest(ctx, identity.Author(ctx), c)
	return &pb.StartConnectorTestResponse{TestId: id, Url: address, Expires: wire.Timestamp(expires)}, err
}

// WaitConnectorTest waits for its end.
func (s *server) WaitConnectorTest(ctx context.Context, req *pb.WaitConnectorTestRequest) (*pb.WaitConnectorTestResponse, error) {
	r, done, err := s.issuer.WaitTest(ctx, session.FromContext(ctx).Name, req.GetTestId())
	if err != nil || !done {
		return &pb.WaitConnectorTestResponse{}, err
	}
	return resultToProto(r), nil
}

func resultToProto(r connectortest.Result) *pb.WaitConnectorTestResponse {
	out := &pb.WaitConnectorTestResponse{Done: true, Error: r.Error, User: r.User.String(), Note: r.Note, IsLive: r.IsLive}
	if r.Groups != nil {
		out.Groups = &pb.StringList{Values: r.Groups}
	}
	for _, c := range r.Claims {
		out.Claims = append(out.Claims, &pb.TestedClaim{Name: c.Name, Value: c.Value, UsedAs: c.UsedAs})
	}
	out.Differences = differencesToProto(r.Differences)
	return out
}

func differencesToProto(all []registry.Difference) (out []*pb.TestedDifference) {
	for _, d := range all {
		out = append(out, &pb.TestedDifference{Key: d.Key, Live: d.Was, Tested: d.Is})
	}
	return out
}
