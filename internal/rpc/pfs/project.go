package pfs

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/wire"
)

// CreateProject makes a project or, with update, changes what is said of one.
func (s *Server) CreateProject(ctx context.Context, req *pb.CreateProjectRequest) (*emptypb.Empty, error) {
	name := req.GetProject().GetName()
	var err error
	if req.GetUpdate() {
		if err = guard.AllowProject(ctx, name, access.ProjectModifyBindings); err == nil {
			err = s.change(ctx, func(c *graph.Change) error { return c.DescribeProject(ctx, name, req.GetDescription()) })
		}
		return &emptypb.Empty{}, err
	}
	if c := session.FromContext(ctx); c.Guarded() {
		err = c.AuthorizeCluster(access.ProjectCreate)
	}
	if err == nil {
		err = s.change(ctx, func(c *graph.Change) error { return c.CreateProject(ctx, name, req.GetDescription()) })
	}
	return &emptypb.Empty{}, err
}

// InspectProject is for whoever has a role on the project.
func (s *Server) InspectProject(ctx context.Context, req *pb.InspectProjectRequest) (*pb.ProjectInfo, error) {
	name := req.GetProject().GetName()
	if !guard.SeesProject(session.FromContext(ctx), name) {
		return nil, graph.ErrNoProject(name)
	}
	var p graph.Project
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		p, err = graph.InspectProject(ctx, tx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return toProjectInfo(session.FromContext(ctx), p), nil
}

// InspectProjectV2 adds the defaults of pipelines, of which there are none yet.
func (s *Server) InspectProjectV2(ctx context.Context, req *pb.InspectProjectV2Request) (*pb.InspectProjectV2Response, error) {
	info, err := s.InspectProject(ctx, &pb.InspectProjectRequest{Project: req.GetProject()})
	return &pb.InspectProjectV2Response{Info: info, DefaultsJson: "{}"}, err
}

func toProjectInfo(c session.Caller, p graph.Project) *pb.ProjectInfo {
	return &pb.ProjectInfo{
		Project: convert.ToProject(p.Name), Description: p.Description, CreatedAt: wire.Timestamp(p.Created), CreatedBy: p.CreatedBy,
		Metadata: p.Metadata, AuthInfo: authInfo(c, access.Resource{Type: access.Project, Name: p.Name}),
	}
}

// ListProject sends the projects on which the caller has a role.
func (s *Server) ListProject(_ *pb.ListProjectRequest, stream pb.API_ListProjectServer) error {
	ctx := stream.Context()
	var all []graph.Project
	err := s.db.View(ctx, func(tx *db.Tx) (err error) {
		all, err = graph.Projects(ctx, tx)
		return err
	})
	for _, p := range all {
		if c := session.FromContext(ctx); err == nil && guard.SeesProject(c, p.Name) {
			err = stream.Send(toProjectInfo(c, p))
		}
	}
	return err
}

// DeleteProject deletes a project and, with force, what is in it.
func (s *Server) DeleteProject(ctx context.Context, req *pb.DeleteProjectRequest) (*emptypb.Empty, error) {
	name := req.GetProject().GetName()
	if !guard.SeesProject(session.FromContext(ctx), name) {
		return nil, graph.ErrNoProject(name)
	}
	for _, need := range []access.Permission{access.ProjectDelete, access.ProjectModifyBindings} {
		if err := guard.AllowProject(ctx, name, need); err != nil {
			return nil, err
		}
	}
	err := s.change(ctx, func(c *graph.Change) error { return c.DeleteProject(ctx, name, req.GetForce()) })
	return &emptypb.Empty{}, err
}
