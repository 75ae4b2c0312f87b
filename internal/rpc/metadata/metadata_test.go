package metadata_test

import (
	"context"
	"maps"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminpb "pachyderm/api/admin"
	pb "pachyderm/api/metadata"
	pfspb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

func images() *pfspb.RepoPicker {
	return &pfspb.RepoPicker{Picker: &pfspb.RepoPicker_Name{Name: &pfspb.RepoPicker_RepoName{Name: "images"}}}
}

func master() *pfspb.BranchPicker {
	return &pfspb.BranchPicker{Picker: &pfspb.BranchPicker_Name{Name: &pfspb.BranchPicker_BranchName{Repo: images(), Name: "master"}}}
}

func head() *pfspb.CommitPicker {
	return &pfspb.CommitPicker{Picker: &pfspb.CommitPicker_BranchHead{BranchHead: master()}}
}

func project() *pfspb.ProjectPicker {
	return &pfspb.ProjectPicker{Picker: &pfspb.ProjectPicker_Name{Name: "default"}}
}

// targets are one of each kind, by what the audit calls the kind.
var targets = map[string]func(*pb.Edit) *pb.Edit{
	"project": func(e *pb.Edit) *pb.Edit { e.Target = &pb.Edit_Project{Project: project()}; return e },
	"repo":    func(e *pb.Edit) *pb.Edit { e.Target = &pb.Edit_Repo{Repo: images()}; return e },
	"branch":  func(e *pb.Edit) *pb.Edit { e.Target = &pb.Edit_Branch{Branch: master()}; return e },
	"commit":  func(e *pb.Edit) *pb.Edit { e.Target = &pb.Edit_Commit{Commit: head()}; return e },
	"cluster": func(e *pb.Edit) *pb.Edit { e.Target = &pb.Edit_Cluster{Cluster: &pb.ClusterPicker{}}; return e },
}

func add(key, value string) *pb.Edit {
	return &pb.Edit{Op: &pb.Edit_AddKey_{AddKey: &pb.Edit_AddKey{Key: key, Value: value}}}
}

func change(key, value string) *pb.Edit {
	return &pb.Edit{Op: &pb.Edit_EditKey_{EditKey: &pb.Edit_EditKey{Key: key, Value: value}}}
}

func drop(key string) *pb.Edit {
	return &pb.Edit{Op: &pb.Edit_DeleteKey_{DeleteKey: &pb.Edit_DeleteKey{Key: key}}}
}

func replace(all map[string]string) *pb.Edit {
	return &pb.Edit{Op: &pb.Edit_Replace_{Replace: &pb.Edit_Replace{Replacement: all}}}
}

type rig struct {
	*pachdtest.Server
	t *testing.T
}

func start(t *testing.T) rig {
	t.Helper()
	s := pachdtest.Start(t)
	r := rig{s, t}
	repo := &pfspb.Repo{Name: "images"}
	if _, err := s.API.PFS.CreateRepo(s.Root(), &pfspb.CreateRepoRequest{Repo: repo}); err != nil {
		t.Fatal(err)
	}
	c, err := s.API.PFS.StartCommit(s.Root(), &pfspb.StartCommitRequest{Branch: &pfspb.Branch{Repo: repo, Name: "master"}})
	if err == nil {
		_, err = s.API.PFS.FinishCommit(s.Root(), &pfspb.FinishCommitRequest{Commit: c})
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r rig) edit(ctx context.Context, all ...*pb.Edit) error {
	_, err := r.API.Metadata.EditMetadata(ctx, &pb.EditMetadataRequest{Edits: all})
	return err
}

// of is the metadata of the one of a kind, as it is read by others.
func (r rig) of(ctx context.Context, kind string) (map[string]string, error) {
	repo := &pfspb.Repo{Name: "images"}
	switch kind {
	case "project":
		p, err := r.API.PFS.InspectProject(ctx, &pfspb.InspectProjectRequest{Project: &pfspb.Project{Name: "default"}})
		return p.GetMetadata(), err
	case "repo":
		p, err := r.API.PFS.InspectRepo(ctx, &pfspb.InspectRepoRequest{Repo: repo})
		return p.GetMetadata(), err
	case "branch":
		p, err := r.API.PFS.InspectBranch(ctx, &pfspb.InspectBranchRequest{Branch: &pfspb.Branch{Repo: repo, Name: "master"}})
		return p.GetMetadata(), err
	case "commit":
		p, err := r.API.PFS.InspectCommit(ctx, &pfspb.InspectCommitRequest{Commit: &pfspb.Commit{Repo: repo, Id: "master"}})
		return p.GetMetadata(), err
	}
	p, err := r.API.Admin.InspectCluster(ctx, &adminpb.InspectClusterRequest{})
	return p.GetMetadata(), err
}

func TestEditMetadata_EveryKindAndOperation(t *testing.T) {
	r := start(t)
	for kind, on := range targets {
		for step, c := range []struct {
			edit *pb.Edit
			want map[string]string
			code codes.Code
		}{
			{add("owner", "Ann \"the\" boss\n"), map[string]string{"owner": "Ann \"the\" boss\n"}, codes.OK},
			{add("owner", "Bob"), map[string]string{"owner": "Ann \"the\" boss\n"}, codes.AlreadyExists},
			{change("owner", "Bob"), map[string]string{"owner": "Bob"}, codes.OK},
			{change("team", "ü"), map[string]string{"owner": "Bob", "team": "ü"}, codes.OK},
			{drop("owner"), map[string]string{"team": "ü"}, codes.OK},
			{drop("absent"), map[string]string{"team": "ü"}, codes.OK},
			{replace(map[string]string{"a": "1", "b": ""}), map[string]string{"a": "1", "b": ""}, codes.OK},
			{replace(nil), nil, codes.OK},
		} {
			if err := r.edit(r.Root(), on(c.edit)); status.Code(err) != c.code {
				t.Errorf("%s, step %d: %v", kind, step, err)
			}
			if got, err := r.of(r.Root(), kind); err != nil || !maps.Equal(got, c.want) {
				t.Errorf("%s, step %d: %v, %v, wanted %v", kind, step, got, err, c.want)
			}
		}
	}
}

func TestEditMetadata_AllOrNothing(t *testing.T) {
	r := start(t)
	err := r.edit(r.Root(), targets["repo"](add("a", "1")), targets["project"](add("b", "1")), targets["repo"](add("a", "2")))
	if status.Code(err) != codes.AlreadyExists || !strings.Contains(err.Error(), "edit 3 of 3") {
		t.Errorf("%v", err)
	}
	for _, kind := range []string{"repo", "project"} {
		if got, err := r.of(r.Root(), kind); err != nil || len(got) > 0 {
			t.Errorf("%s has %v, %v", kind, got, err)
		}
	}
}

func TestEditMetadata_WhatCannotBe(t *testing.T) {
	r := start(t)
	many := map[string]string{}
	for _, c := range "abcdefgh" {
		many[string(c)] = strings.Repeat("x", 4000)
	}
	for name, e := range map[string]*pb.Edit{
		"no key": add("", "x"), "a long key": add(strings.Repeat("k", 129), ""), "a long value": add("k", strings.Repeat("x", 4097)),
		"too much": replace(many), "a control character": add("k", "\x1b[31m"), "no text": add("k\u0000", ""), "no operation": {},
		"a pipeline": {Target: &pb.Edit_Pipeline{}, Op: add("a", "b").GetOp()}, "no target": add("a", "b"),
	} {
		if !strings.Contains(name, "a pipeline") && name != "no target" {
			e = targets["repo"](e)
		}
		err := r.edit(r.Root(), e)
		if code := status.Code(err); code != codes.InvalidArgument && code != codes.Unimplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.edit(r.Root(), make([]*pb.Edit, 101)...); status.Code(err) != codes.InvalidArgument {
		t.Errorf("101 edits: %v", err)
	}
	if got, err := r.of(r.Root(), "repo"); err != nil || len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
}

// Each kind asks for its own right; who may not see the object hears that it is not there.
func TestEditMetadata_Roles(t *testing.T) {
	r := start(t)
	images, standard := pachdtest.Repo("default/images"), pachdtest.Project("default")
	robot := func(who string) context.Context {
		ctx, _ := r.Robot(who, 0)
		return ctx
	}
	callers := map[string]context.Context{
		"nobody": robot("nobody"), "reader": robot("reader"), "writer": robot("writer"), "projectOwner": robot("projectOwner"),
		"clusterAdmin": robot("clusterAdmin"),
	}
	for _, err := range []error{
		r.Bind(standard, "allClusterUsers"), // they would all be writers
		r.Bind(images, "robot:reader", "repoReader"), r.Bind(images, "robot:writer", "repoWriter"),
		r.Bind(standard, "robot:projectOwner", "projectOwner"), r.Bind(pachdtest.Cluster(), "robot:clusterAdmin", "clusterAdmin"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	may := map[string]string{
		"project": "projectOwner clusterAdmin", "repo": "writer projectOwner clusterAdmin", "branch": "writer projectOwner clusterAdmin",
		"commit": "writer projectOwner clusterAdmin", "cluster": "clusterAdmin",
	}
	for kind, on := range targets {
		for who, ctx := range callers {
			err := r.edit(ctx, on(change("by", who)))
			want := codes.PermissionDenied
			switch {
			case strings.Contains(may[kind], who):
				want = codes.OK
			case kind == "project", who == "nobody" && kind != "cluster": // a role on a repository shows no project
				want = codes.NotFound
			}
			if status.Code(err) != want {
				t.Errorf("%s on %s: %v, wanted %s", who, kind, err, want)
			}
		}
	}
	if got, err := r.of(t.Context(), "cluster"); err != nil || len(got) > 0 {
		t.Errorf("a stranger reads the cluster's: %v, %v", got, err)
	}
	if got, err := r.of(callers["nobody"], "cluster"); err != nil || got["by"] != "clusterAdmin" {
		t.Errorf("who is signed in reads %v, %v", got, err)
	}
	r.Deactivate(r.Root())
	if err := r.edit(t.Context(), targets["cluster"](change("by", "anybody"))); err != nil {
		t.Errorf("while authentication is off: %v", err)
	}
	if got, err := r.of(t.Context(), "cluster"); err != nil || got["by"] != "anybody" {
		t.Errorf("while authentication is off: %v, %v", got, err)
	}
}
