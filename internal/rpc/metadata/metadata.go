package metadata

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	pb "pachyderm/api/metadata"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/metadata"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// maxEdits is how many edits one request may have.
const maxEdits = 100

type server struct {
	pb.UnimplementedAPIServer
	db  *db.DB
	now func() time.Time
}

// New serves metadata.API.
func New(d *db.DB, now func() time.Time) pb.APIServer { return &server{db: d, now: now} }

// edit is one edit that the caller may make.
type edit struct {
	on   metadata.Target
	op   metadata.Op
	what string
}

// EditMetadata makes all edits, or none.
func (s *server) EditMetadata(ctx context.Context, req *pb.EditMetadataRequest) (*pb.EditMetadataResponse, error) {
	all, err := readAll(ctx, req.GetEdits())
	if err != nil {
		return nil, err
	}
	by := guard.By(ctx, s.now())
	err = s.db.Update(ctx, func(tx *db.Tx) error { return apply(ctx, tx, by, all) })
	return &pb.EditMetadataResponse{}, err
}

func apply(ctx context.Context, tx *db.Tx, by audit.By, all []edit) error {
	for i, e := range all {
		if err := metadata.Apply(ctx, tx, by, e.on, e.op, e.what); err != nil {
			return fault.Prefix(err, "edit %d of %d", i+1, len(all))
		}
	}
	return nil
}

func readAll(ctx context.Context, edits []*pb.Edit) (all []edit, err error) {
	if len(edits) == 0 || len(edits) > maxEdits {
		return nil, fault.New(fault.Invalid, "%d edits in one request, and there may be 1 to %d", len(edits), maxEdits)
	}
	for i, e := range edits {
		one, err := read(ctx, e)
		if err != nil {
			return nil, fault.Prefix(err, "edit %d of %d", i+1, len(edits))
		}
		all = append(all, one)
	}
	return all, nil
}

func read(ctx context.Context, e *pb.Edit) (one edit, err error) {
	if one.on, err = target(ctx, e); err == nil {
		one.op, one.what, err = operation(e)
	}
	return one, err
}

// target is what an edit is about, if the caller may change what is said of it.
func target(ctx context.Context, e *pb.Edit) (t metadata.Target, err error) {
	switch e.GetTarget().(type) {
	case *pb.Edit_Project:
		t.Project = cmp.Or(e.GetProject().GetName(), graph.DefaultProject)
		if !guard.SeesProject(session.FromContext(ctx), t.Project) {
			return t, graph.ErrNoProject(t.Project)
		}
		return t, guard.AllowProject(ctx, t.Project, access.ProjectModifyBindings)
	case *pb.Edit_Commit:
		ref, err := convert.PickCommit(e.GetCommit())
		if err != nil {
			return t, err
		}
		return metadata.Target{Commit: &ref}, guard.Allow(ctx, ref.Repo, access.RepoWrite)
	case *pb.Edit_Branch:
		b := convert.PickBranch(e.GetBranch())
		return metadata.Target{Branch: &b}, guard.Allow(ctx, b.Repo, access.RepoCreateBranch)
	case *pb.Edit_Repo:
		r := convert.PickRepo(e.GetRepo())
		return metadata.Target{Repo: &r}, guard.Allow(ctx, r, access.RepoWrite)
	case *pb.Edit_Cluster:
		c := session.FromContext(ctx)
		if !c.Guarded() {
			return t, nil
		}
		return t, c.AuthorizeCluster(access.ClusterEditClusterMetadata)
	case *pb.Edit_Pipeline:
		return t, fault.New(fault.Unimplemented, "pipelines are not part of this pachd yet")
	}
	return t, guard.Required("target")
}

// operation is what an edit does, and how the audit says it: keys, and no values.
func operation(e *pb.Edit) (op metadata.Op, what string, err error) {
	switch e.GetOp().(type) {
	case *pb.Edit_Replace_:
		all := e.GetReplace().GetReplacement()
		return metadata.Replace(all), "set to " + strings.Join(slices.Sorted(maps.Keys(all)), ", "), nil
	case *pb.Edit_AddKey_:
		return metadata.Add(e.GetAddKey().GetKey(), e.GetAddKey().GetValue()), "add " + e.GetAddKey().GetKey(), nil
	case *pb.Edit_EditKey_:
		return metadata.Edit(e.GetEditKey().GetKey(), e.GetEditKey().GetValue()), "edit " + e.GetEditKey().GetKey(), nil
	case *pb.Edit_DeleteKey_:
		return metadata.Delete(e.GetDeleteKey().GetKey()), "delete " + e.GetDeleteKey().GetKey(), nil
	}
	return nil, "", guard.Required("op")
}
