package pach

import (
	"context"

	pb "pachyderm/api/pach"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/identity"
	"pachyderm/internal/rpc/wire"
)

// lifeOf is the state of a connector on the wire.
func lifeOf(c registry.Connector) pb.ConnectorState_Life {
	switch {
	case c.State == registry.Draft && c.Verified:
		return pb.ConnectorState_VERIFIED
	case c.State == registry.Draft:
		return pb.ConnectorState_DRAFT
	case c.State == registry.Disabled:
		return pb.ConnectorState_DISABLED
	}
	return pb.ConnectorState_ACTIVE
}

// ApplyConnector stores a draft, or a change that undoes itself.
func (s *server) ApplyConnector(ctx context.Context, req *pb.ApplyConnectorRequest) (*pb.ApplyConnectorResponse, error) {
	c, err := identity.ConnectorFromProto(req.GetConnector())
	if err != nil {
		return nil, err
	}
	if err := s.apply(ctx, req, c); err != nil {
		return nil, err
	}
	now, err := s.issuer.Registry.Connector(ctx, c.ID)
	return &pb.ApplyConnectorResponse{UndoAt: wire.Timestamp(now.UndoAt)}, err
}

func (s *server) apply(ctx context.Context, req *pb.ApplyConnectorRequest, c registry.Connector) error {
	by, r := identity.Author(ctx), s.issuer.Registry
	_, err := r.Connector(ctx, c.ID)
	exists := err == nil
	switch {
	case err != nil && !fault.Is(err, fault.NotFound):
		return err
	case !exists:
		if err := session.FromContext(ctx).AuthorizeCluster(access.ClusterIdentityCreateIDP); err != nil {
			return err
		}
		if req.GetConfirmWithin() != nil {
			return fault.New(fault.Invalid, "there is no connector %q to go back to, and so nothing to confirm", c.ID).
				Next("leave confirm_within out").At("confirm_within")
		}
		if req.GetDraft() {
			return r.CreateDraft(ctx, by, c)
		}
		return r.CreateConnector(ctx, by, c)
	case req.GetDraft():
		return fault.New(fault.Exists, "connector %q: ID already exists", c.ID).
			Next("choose another id for the draft, or change the connector with: pachctl idp update-connector")
	case req.GetConfirmWithin() != nil:
		return r.UpdateUnconfirmed(ctx, by, c, req.GetConfirmWithin().AsDuration())
	}
	return r.UpdateConnector(ctx, by, c)
}

// ConfirmConnector keeps a change that would undo itself.
func (s *server) ConfirmConnector(ctx context.Context, req *pb.ConfirmConnectorRequest) (*pb.ConfirmConnectorResponse, error) {
	return &pb.ConfirmConnectorResponse{}, s.issuer.Registry.Confirm(ctx, session.FromContext(ctx).Name, req.GetId())
}

// SetConnectorEnabled lets people sign in with a connector, or lets them not.
func (s *server) SetConnectorEnabled(ctx context.Context, req *pb.SetConnectorEnabledRequest) (*pb.SetConnectorEnabledResponse, error) {
	to := registry.Disabled
	if req.GetEnabled() {
		to = registry.Active
	} else if err := s.keepAWayIn(ctx, req.GetId(), req.GetForce()); err != nil {
		return nil, err
	}
	return &pb.SetConnectorEnabledResponse{}, s.issuer.Registry.SetState(ctx, identity.Author(ctx), req.GetId(), to, req.GetForce())
}

// ListConnectorRevisions shows what a connector was.
func (s *server) ListConnectorRevisions(ctx context.Context, req *pb.ListConnectorRevisionsRequest,
) (*pb.ListConnectorRevisionsResponse, error) {
	all, err := s.issuer.Registry.History(ctx, req.GetId())
	out := &pb.ListConnectorRevisionsResponse{}
	for _, p := range all {
		out.Revisions = append(out.Revisions, &pb.ConnectorRevision{
			Revision: p.Revision, Version: p.Version, Author: p.Author.String(), Made: wire.Timestamp(p.Made), Note: p.Note, Name: p.Name,
			Differences: differencesToProto(p.Changes),
		})
	}
	return out, err
}

// RollBackConnector stores a revision again.
func (s *server) RollBackConnector(ctx context.Context, req *pb.RollBackConnectorRequest) (*pb.RollBackConnectorResponse, error) {
	return &pb.RollBackConnectorResponse{}, s.issuer.Registry.RollBack(ctx, identity.Author(ctx), req.GetId(), req.GetRevision())
}
