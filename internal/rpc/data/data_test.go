package data_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "pachyderm/api/data"
	pfspb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

type rig struct {
	*pachdtest.Server
	t *testing.T
}

func repo(name string) *pfspb.Repo {
	return &pfspb.Repo{Name: name, Type: "user", Project: &pfspb.Project{Name: "default"}}
}

func (r rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// start has two repositories, of which one is made from the other.
func start(t *testing.T) rig {
	t.Helper()
	r := rig{pachdtest.Start(t), t}
	for _, name := range []string{"images", "edges"} {
		_, err := r.API.PFS.CreateRepo(r.Root(), &pfspb.CreateRepoRequest{Repo: repo(name)})
		r.must(err)
	}
	_, err := r.API.PFS.CreateBranch(r.Root(), &pfspb.CreateBranchRequest{
		Branch: &pfspb.Branch{Repo: repo("edges"), Name: "master"}, Provenance: []*pfspb.Branch{{Repo: repo("images"), Name: "master"}},
	})
	r.must(err)
	return r
}

func (r rig) commit(name string) string {
	r.t.Helper()
	c, err := r.API.PFS.StartCommit(r.Root(), &pfspb.StartCommitRequest{Branch: &pfspb.Branch{Repo: repo(name), Name: "master"}})
	r.must(err)
	r.finish(name, c.GetId())
	return c.GetId()
}

func (r rig) finish(name, id string) {
	r.t.Helper()
	_, err := r.API.PFS.FinishCommit(r.Root(), &pfspb.FinishCommitRequest{Commit: &pfspb.Commit{Repo: repo(name), Id: id}})
	r.must(err)
}

func (r rig) head(name string) string {
	r.t.Helper()
	b, err := r.API.PFS.InspectBranch(r.Root(), &pfspb.InspectBranchRequest{Branch: &pfspb.Branch{Repo: repo(name), Name: "master"}})
	r.must(err)
	return b.GetHead().GetId()
}

// A preview says what then happens, and does none of it.
func TestPreviewRemoval_SaysWhatThenHappens(t *testing.T) {
	r := start(t)
	first := r.commit("images")
	r.finish("edges", first)
	second := r.commit("images")
	r.finish("edges", second)
	one := &pfspb.Commit{Repo: repo("images"), Id: second}
	preview := func(req *pb.PreviewRemovalRequest) (gone []string, p *pb.PreviewRemovalResponse) {
		t.Helper()
		p, err := r.API.Data.PreviewRemoval(r.Root(), req)
		r.must(err)
		for _, c := range p.GetCommits() {
			gone = append(gone, c.GetCommit().GetRepo().GetName()+"@"+c.GetCommit().GetId())
		}
		slices.Sort(gone)
		return gone, p
	}
	both := []string{"edges@" + second, "images@" + second}
	gone, p := preview(&pb.PreviewRemovalRequest{Commit: one, Drop: true})
	if !slices.Equal(gone, both) || !strings.Contains(p.GetRefusal(), "without recursive") || len(p.GetBranches()) > 0 {
		t.Errorf("not recursive: %v", p)
	}
	for name, req := range map[string]*pb.PreviewRemovalRequest{
		"recursive": {Commit: one, Drop: true, Recursive: true}, "the set": {CommitSet: &pfspb.CommitSet{Id: second}, Drop: true},
	} {
		gone, p = preview(req)
		if !slices.Equal(gone, both) || p.GetRefusal() != "" || len(p.GetBranches()) != 2 {
			t.Errorf("%s: %v", name, p)
		}
		for _, b := range p.GetBranches() {
			if b.GetFrom().GetId() != second || b.GetTo().GetId() != first {
				t.Errorf("%s: %v", name, b)
			}
		}
	}
	if _, p = preview(&pb.PreviewRemovalRequest{Commit: one, Recursive: true}); !strings.Contains(p.GetRefusal(), "no children") {
		t.Errorf("squash of a head: %v", p)
	}
	if r.head("images") != second || r.head("edges") != second {
		t.Fatal("a preview has moved a head")
	}
	_, err := r.API.PFS.DropCommit(r.Root(), &pfspb.DropCommitRequest{Commit: one, Recursive: true})
	r.must(err)
	if r.head("images") != first || r.head("edges") != first {
		t.Errorf("then it went otherwise: %s, %s", r.head("images"), r.head("edges"))
	}
	_, err = r.API.PFS.CreateRepo(r.Root(), &pfspb.CreateRepoRequest{Repo: repo("solo")})
	r.must(err)
	only := r.commit("solo")
	_, p = preview(&pb.PreviewRemovalRequest{CommitSet: &pfspb.CommitSet{Id: only}, Drop: true})
	if len(p.GetBranches()) != 1 || p.GetBranches()[0].GetTo() != nil || p.GetBranches()[0].GetFrom().GetId() != only {
		t.Errorf("a branch that has no commit left: %v", p)
	}
	for name, req := range map[string]*pb.PreviewRemovalRequest{
		"neither": {}, "both": {Commit: one, CommitSet: &pfspb.CommitSet{Id: first}},
	} {
		if _, err := r.API.Data.PreviewRemoval(r.Root(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever may not remove hears what they would hear of the removal.
func TestPreviewRemoval_Roles(t *testing.T) {
	r := start(t)
	id := r.commit("images")
	r.finish("edges", id)
	images := pachdtest.Repo("default/images")
	r.must(r.Bind(pachdtest.Project("default"), "allClusterUsers"))
	nobody, _ := r.Robot("nobody", 0)
	reader, _ := r.Robot("reader", 0)
	writer, _ := r.Robot("writer", 0)
	r.must(r.Bind(images, "robot:reader", "repoReader"))
	r.must(r.Bind(images, "robot:writer", "repoWriter"))
	one := &pfspb.Commit{Repo: repo("images"), Id: id}
	for name, c := range map[string]struct {
		ctx  context.Context
		code codes.Code
	}{"nobody": {nobody, codes.NotFound}, "reader": {reader, codes.PermissionDenied}, "writer": {writer, codes.PermissionDenied}} {
		p, err := r.API.Data.PreviewRemoval(c.ctx, &pb.PreviewRemovalRequest{Commit: one, Recursive: true, Drop: true})
		if status.Code(err) != c.code || strings.Contains(err.Error(), "edges") {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		_, err = r.API.PFS.DropCommit(c.ctx, &pfspb.DropCommitRequest{Commit: one, Recursive: true})
		if status.Code(err) != c.code {
			t.Errorf("%s, really: %v", name, err)
		}
		p, err = r.API.Data.PreviewRemoval(c.ctx, &pb.PreviewRemovalRequest{CommitSet: &pfspb.CommitSet{Id: id}, Drop: true})
		if status.Code(err) != c.code || strings.Contains(err.Error(), "edges") {
			t.Errorf("%s, the set: %v, %v", name, p, err)
		}
		_, err = r.API.PFS.ForgetCommit(c.ctx, &pfspb.ForgetCommitRequest{Commit: &pfspb.CommitPicker{Picker: &pfspb.CommitPicker_Id{
			Id: &pfspb.CommitPicker_CommitByGlobalId{Id: id, Repo: &pfspb.RepoPicker{Picker: &pfspb.RepoPicker_Name{Name: &pfspb.RepoPicker_RepoName{
				Name: "edges",
			}}}},
		}}})
		if status.Code(err) != codes.NotFound {
			t.Errorf("%s forgets what they do not see: %v", name, err)
		}
		if _, err := r.API.Data.GetStorageUsage(c.ctx, &pb.GetStorageUsageRequest{}); status.Code(err) != codes.PermissionDenied {
			t.Errorf("%s counts the store: %v", name, err)
		}
	}
	if _, err := r.API.PFS.ForgetCommit(r.Root(), &pfspb.ForgetCommitRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("forget nothing: %v", err)
	}
}

// What is forgotten cannot be read, and is there.
func TestForgetCommit_ReadsSayIt(t *testing.T) {
	r := start(t)
	id := r.commit("images")
	r.finish("edges", id)
	edges := &pfspb.Commit{Repo: repo("edges"), Id: id}
	_, err := r.API.PFS.ForgetCommit(r.Root(), &pfspb.ForgetCommitRequest{Commit: &pfspb.CommitPicker{Picker: &pfspb.CommitPicker_Id{
		Id: &pfspb.CommitPicker_CommitByGlobalId{Id: id, Repo: &pfspb.RepoPicker{Picker: &pfspb.RepoPicker_Name{Name: &pfspb.RepoPicker_RepoName{
			Name: "edges",
		}}}},
	}}})
	r.must(err)
	_, err = r.API.PFS.InspectFile(r.Root(), &pfspb.InspectFileRequest{File: &pfspb.File{Commit: edges, Path: "/"}})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "the commit is forgotten") {
		t.Errorf("reading: %v", err)
	}
	if _, err := r.API.PFS.InspectCommit(r.Root(), &pfspb.InspectCommitRequest{Commit: edges}); err != nil {
		t.Errorf("inspecting: %v", err)
	}
	stream, err := r.API.PFS.Fsck(r.Root(), &pfspb.FsckRequest{})
	r.must(err)
	if m, err := stream.Recv(); err == nil {
		t.Errorf("fsck says %v", m)
	}
	u, err := r.API.Data.GetStorageUsage(r.Root(), &pb.GetStorageUsageRequest{})
	if err != nil || u.GetUnreferencedBytes() != 0 {
		t.Errorf("%v, %v", u, err)
	}
}
