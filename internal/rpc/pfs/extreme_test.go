package pfs_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

func TestListRepo_Pages(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, c := s.Root(), s.API.PFS
	for _, name := range []string{"a", "b", "c"} {
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo(name)}); err != nil {
			t.Fatal(err)
		}
	}
	every := []string{"a", "b", "c"}
	for _, p := range []struct {
		size, index int64
		want        []string // nil for fault.Invalid
	}{
		{0, 0, every},
		{0, 7, every},
		{1, 0, []string{"a"}},
		{2, 0, []string{"a", "b"}},
		{2, 1, []string{"c"}},
		{2, 2, []string{}},
		{3, 1, []string{}},
		{4, 0, every},
		{1, 3, []string{}},
		{math.MaxInt64, 0, every},
		{math.MaxInt64, 1, []string{}},
		{math.MaxInt64, math.MaxInt64, []string{}},
		{1, math.MaxInt64, []string{}},
		{2, math.MaxInt64, []string{}},
		{-1, 0, nil},
		{1, -1, nil},
		{math.MinInt64, math.MinInt64, nil},
	} {
		infos, err := all(c.ListRepo(ctx, &pb.ListRepoRequest{Page: &pb.RepoPage{PageSize: p.size, PageIndex: p.index}}))
		got := []string{}
		for _, i := range infos {
			got = append(got, i.GetRepo().GetName())
		}
		switch {
		case p.want == nil && status.Code(err) != codes.InvalidArgument:
			t.Errorf("page %d of %d: %v", p.index, p.size, err)
		case p.want != nil && (err != nil || !slices.Equal(got, p.want)):
			t.Errorf("page %d of %d: %q, %v, want %q", p.index, p.size, got, err, p.want)
		}
	}
}

// numbered are the requests that carry numbers, each with the one given.
var numbered = map[string]func(ctx context.Context, c pb.APIClient, n int64) error{
	"ListRepo": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.ListRepo(ctx, &pb.ListRepoRequest{Page: &pb.RepoPage{PageSize: n, PageIndex: n}}))
		return err
	},
	"ListCommit": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.ListCommit(ctx, &pb.ListCommitRequest{
			Repo: repo("a"), Number: n, OriginKind: pb.OriginKind(n), StartedTime: &timestamppb.Timestamp{Seconds: n, Nanos: int32(n)},
		}))
		return err
	},
	"ListCommit of all": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.ListCommit(ctx, &pb.ListCommitRequest{Repo: &pb.Repo{}, Number: n}))
		return err
	},
	"ListFile": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.ListFile(ctx, &pb.ListFileRequest{File: file(repo("a")), Number: n, Reverse: true}))
		return err
	},
	"WalkFile": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.WalkFile(ctx, &pb.WalkFileRequest{File: file(repo("a")), Number: n}))
		return err
	},
	"GetFile": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.GetFile(ctx, &pb.GetFileRequest{File: file(repo("a")), Offset: n}))
		return err
	},
	"GetFileTAR": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.GetFileTAR(ctx, &pb.GetFileRequest{File: file(repo("a")), Offset: n}))
		return err
	},
	"FindCommits": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.FindCommits(ctx, &pb.FindCommitsRequest{Start: master(repo("a")), FilePath: "/a", Limit: uint32(n)}))
		return err
	},
	"InspectCommit": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := c.InspectCommit(ctx, &pb.InspectCommitRequest{Commit: master(repo("a")), Wait: pb.CommitState(n)})
		return err
	},
	"WalkCommitProvenance": func(ctx context.Context, c pb.APIClient, n int64) error {
		start := &pb.CommitPicker{Picker: &pb.CommitPicker_Ancestor{Ancestor: &pb.CommitPicker_AncestorOf{
			Offset: uint32(n), Start: &pb.CommitPicker{Picker: &pb.CommitPicker_BranchHead{BranchHead: picker(repo("a"))}},
		}}}
		_, err := all(c.WalkCommitProvenance(ctx, &pb.WalkCommitProvenanceRequest{
			Start: []*pb.CommitPicker{start}, MaxCommits: uint64(n), MaxDepth: uint64(n),
		}))
		return err
	},
	"WalkCommitSubvenance": func(ctx context.Context, c pb.APIClient, n int64) error {
		start := &pb.CommitPicker{Picker: &pb.CommitPicker_BranchRoot_{BranchRoot: &pb.CommitPicker_BranchRoot{
			Offset: uint32(n), Branch: picker(repo("a")),
		}}}
		_, err := all(c.WalkCommitSubvenance(ctx, &pb.WalkCommitSubvenanceRequest{
			Start: []*pb.CommitPicker{start}, MaxCommits: uint64(n), MaxDepth: uint64(n),
		}))
		return err
	},
	"WalkBranchProvenance": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := all(c.WalkBranchProvenance(ctx, &pb.WalkBranchProvenanceRequest{
			Start: []*pb.BranchPicker{picker(repo("a"))}, MaxBranches: uint64(n), MaxDepth: uint64(n),
		}))
		return err
	},
	"CreateBranch": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := c.CreateBranch(ctx, &pb.CreateBranchRequest{
			Branch: branch("a", fmt.Sprintf("b%d", uint64(n))), Trigger: &pb.Trigger{Branch: "master", Commits: n},
		})
		return err
	},
	"ShardFileSet": func(ctx context.Context, c pb.APIClient, n int64) error {
		id, err := fileSet(ctx, c, add("/a", "x"), add("/b", "y"))
		if err != nil {
			return err
		}
		_, err = c.ShardFileSet(ctx, &pb.ShardFileSetRequest{FileSetId: id, NumFiles: n, SizeBytes: n})
		return err
	},
	"RenewFileSet": func(ctx context.Context, c pb.APIClient, n int64) error {
		id, err := fileSet(ctx, c, add("/a", "x"))
		if err != nil {
			return err
		}
		_, err = c.RenewFileSet(ctx, &pb.RenewFileSetRequest{FileSetId: id, TtlSeconds: n})
		return err
	},
	"ComposeFileSet": func(ctx context.Context, c pb.APIClient, n int64) error {
		id, err := fileSet(ctx, c, add("/a", "x"))
		if err != nil {
			return err
		}
		_, err = c.ComposeFileSet(ctx, &pb.ComposeFileSetRequest{FileSetIds: []string{id}, TtlSeconds: n})
		return err
	},
	"GetFileSet": func(ctx context.Context, c pb.APIClient, n int64) error {
		_, err := c.GetFileSet(ctx, &pb.GetFileSetRequest{Commit: master(repo("a")), Type: pb.GetFileSetRequest_FileSetType(n)})
		return err
	},
}

// An extreme number is served or refused, and never our own fault.
func TestData_ExtremeNumbers(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, c := s.Root(), s.API.PFS
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("a")}); err != nil {
		t.Fatal(err)
	}
	if err := modify(ctx, c, at("a@master"), add("/a", "x")); err != nil {
		t.Fatal(err)
	}
	for name, call := range numbered {
		for _, n := range []int64{math.MinInt64, -1, math.MaxInt32, math.MaxUint32, 100_001, math.MaxInt64 - 1, math.MaxInt64} {
			switch err := call(ctx, c, n); status.Code(err) {
			case codes.OK, codes.InvalidArgument, codes.NotFound:
			default:
				t.Errorf("%s of %d: %v", name, n, err)
			}
		}
	}
	for _, name := range []string{"GetFile", "ListFile", "WalkFile", "RenewFileSet", "ShardFileSet", "CreateBranch"} {
		for _, n := range []int64{math.MinInt64, -1} {
			if err := numbered[name](ctx, c, n); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s of %d: %v", name, n, err)
			}
		}
	}
}
