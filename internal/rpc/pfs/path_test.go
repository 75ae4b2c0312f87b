package pfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

func repo(name string) *pb.Repo { return &pb.Repo{Name: name} }

func branch(repoName, name string) *pb.Branch { return &pb.Branch{Repo: repo(repoName), Name: name} }

// at is a commit by "images@master".
func at(name string) *pb.Commit {
	r, b, _ := strings.Cut(name, "@")
	return &pb.Commit{Repo: repo(r), Branch: branch(r, b)}
}

// modify sends one stream of changes.
func modify(ctx context.Context, c pb.APIClient, to *pb.Commit, changes ...*pb.ModifyFileRequest) error {
	stream, err := c.ModifyFile(ctx)
	if err != nil {
		return err
	}
	for _, m := range append([]*pb.ModifyFileRequest{{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: to}}}, changes...) {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

func add(path, text string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
		Path: path, Source: &pb.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text))},
	}}}
}

func del(path string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_DeleteFile{DeleteFile: &pb.DeleteFile{Path: path}}}
}

// all reads a stream to its end.
func all[M any](stream grpc.ServerStreamingClient[M], err error) (out []*M, _ error) {
	if err != nil {
		return nil, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

func paths(infos []*pb.FileInfo) (out []string) {
	for _, i := range infos {
		out = append(out, i.GetFile().GetPath())
	}
	return out
}

// tarNames are the names in an archive that came in pieces.
func tarNames(pieces []*wrapperspb.BytesValue) (names []string) {
	var data bytes.Buffer
	for _, p := range pieces {
		data.Write(p.GetValue())
	}
	for r := tar.NewReader(&data); ; {
		h, err := r.Next()
		if err != nil {
			return names
		}
		names = append(names, h.Name)
	}
}

// rest counts the bytes that still come of a file, up to the error that ends it.
func rest(stream grpc.ServerStreamingClient[wrapperspb.BytesValue]) (n int, err error) {
	for {
		m, err := stream.Recv()
		if err != nil {
			return n, err
		}
		n += len(m.GetValue())
	}
}

func get(ctx context.Context, c pb.APIClient, from *pb.Commit, path string) (string, error) {
	pieces, err := all(c.GetFile(ctx, &pb.GetFileRequest{File: &pb.File{Commit: from, Path: path}}))
	var text strings.Builder
	for _, p := range pieces {
		text.Write(p.GetValue())
	}
	return text.String(), err
}

func TestData_FromRepoToFileAndBack(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		ctx, c := s.Root(), s.API.PFS
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images"), Description: "of cats"}); err != nil {
			t.Fatal(err)
		}
		big := strings.Repeat("0123456789abcdef", 3<<20/16*2)
		err := modify(ctx, c, at("images@master"), del("/a.png"), add("/a.png", "first"), add("/dir/b.png", "second"),
			add("/dir/c.png", big[:2<<20]), add("/dir/c.png", big[2<<20:]), add("/empty", ""))
		if err != nil {
			t.Fatal(err)
		}
		files, err := all(c.ListFile(ctx, &pb.ListFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/"}}))
		if got := paths(files); err != nil || !slices.Equal(got, []string{"/a.png", "/dir/", "/empty"}) {
			t.Errorf("listed %q, %v", got, err)
		}
		if len(files) == 3 && (files[0].GetSizeBytes() != 5 || files[1].GetSizeBytes() != int64(len(big)+6) || files[1].GetFileType() != pb.FileType_DIR) {
			t.Errorf("listed %v", files)
		}
		for path, want := range map[string]string{"/a.png": "first", "dir/b.png": "second", "/dir/c.png": big, "/empty": "", "/d*/b.png": "second"} {
			if got, err := get(ctx, c, at("images@master"), path); err != nil || got != want {
				t.Errorf("%s has %d bytes, wanted %d: %v", path, len(got), len(want), err)
			}
		}
		commits, err := all(c.ListCommit(ctx, &pb.ListCommitRequest{Repo: repo("images")}))
		if err != nil || len(commits) != 1 || commits[0].GetFinished() == nil || commits[0].GetDetails().GetSizeBytes() != int64(len(big)+11) {
			t.Errorf("commits %v, %v", commits, err)
		}
		archive, err := all(c.GetFileTAR(ctx, &pb.GetFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/dir"}}))
		if err != nil {
			t.Fatal(err)
		}
		if names := tarNames(archive); !slices.Equal(names, []string{"/dir/", "/dir/b.png", "/dir/c.png"}) {
			t.Errorf("the archive has %q", names)
		}

		// A second commit, of which the first stays as it was.
		if err := modify(ctx, c, at("images@master"), add("/a.png", ", more"), del("/dir/")); err != nil {
			t.Fatal(err)
		}
		if got, err := get(ctx, c, at("images@master"), "/a.png"); got != "first, more" {
			t.Errorf("it has %q, %v", got, err)
		}
		if got, err := get(ctx, c, at("images@master^"), "/a.png"); got != "first" {
			t.Errorf("before it had %q, %v", got, err)
		}
		changes, err := all(c.DiffFile(ctx, &pb.DiffFileRequest{NewFile: &pb.File{Commit: at("images@master"), Path: "/"}}))
		var changed []string
		for _, d := range changes {
			changed = append(changed, d.GetOldFile().GetFile().GetPath()+">"+d.GetNewFile().GetFile().GetPath())
		}
		if want := []string{"/>/", "/a.png>/a.png", "/dir/>", "/dir/b.png>", "/dir/c.png>"}; err != nil || !slices.Equal(changed, want) {
			t.Errorf("changed is %q, %v", changed, err)
		}
		_, err = get(ctx, c, at("images@master"), "/dir/b.png")
		pachdtest.Want(t, err, codes.NotFound, "file /dir/b.png not found in repo default/images at commit")
	})
}

// What many streams end with at once is each one's own: the memory that a message was
// received in is others' as soon as the call has done with it.
func TestModifyFile_ManyAtOnceEndWithTheirOwn(t *testing.T) {
	s := pachdtest.Start(t)
	if _, err := s.API.PFS.CreateRepo(s.Root(), &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), 250) }
	const streams, files = 16, 25
	var busy sync.WaitGroup
	for n := range streams {
		busy.Go(func() {
			for k := range files {
				n := n*files + k
				if err := modify(s.Root(), s.API.PFS, at("images@master"), add(fmt.Sprintf("/%d", n), text(n))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	busy.Wait()
	for n := range streams * files {
		got, err := get(s.Root(), s.API.PFS, at("images@master"), fmt.Sprintf("/%d", n))
		if err != nil || got != text(n) {
			t.Errorf("file %d is %.16q..., %v", n, got, err)
		}
	}
}

// What is sent of an archive stays as it is while its reader is slow, and the archive goes on.
func TestGetFileTAR_ReaderIsSlow(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	const files = 100
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), 10_000) }
	var changes []*pb.ModifyFileRequest
	for n := range files {
		changes = append(changes, add(fmt.Sprintf("/%03d", n), text(n)))
	}
	if err := modify(ctx, c, at("images@master"), changes...); err != nil {
		t.Fatal(err)
	}
	stream, err := c.GetFileTAR(ctx, &pb.GetFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/*"}})
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	for {
		time.Sleep(50 * time.Millisecond)
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got.Write(m.GetValue())
	}
	archive := tar.NewReader(&got)
	for n := range files {
		if _, err := archive.Next(); err != nil {
			t.Fatalf("file %d: %v", n, err)
		}
		if data, err := io.ReadAll(archive); err != nil || string(data) != text(n) {
			t.Errorf("file %d is %.16q..., %v", n, data, err)
		}
	}
}

// A search tells in which commits a file was added, changed and deleted, and how far it came.
func TestFindCommits_AddedChangedAndDeleted(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, changes := range [][]*pb.ModifyFileRequest{
		{add("/other", "1")}, {add("/a", "1")}, {add("/other", "2")}, {add("/a", "2")}, {add("/a.png", "x")}, {del("/a")},
	} {
		if err := modify(ctx, c, at("images@master"), changes...); err != nil {
			t.Fatal(err)
		}
		one, err := c.InspectCommit(ctx, &pb.InspectCommitRequest{Commit: at("images@master")})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, one.GetCommit().GetId())
	}
	for limit, want := range map[uint32][]string{0: {ids[5], ids[3], ids[1], "last " + ids[0]}, 2: {ids[5], ids[3], "last " + ids[3]}} {
		found, err := all(c.FindCommits(ctx, &pb.FindCommitsRequest{Start: at("images@master"), FilePath: "/a", Limit: limit}))
		var got []string
		for _, f := range found {
			if last := f.GetLastSearchedCommit(); last != nil {
				got = append(got, "last "+last.GetId())
				continue
			}
			got = append(got, f.GetFoundCommit().GetId())
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("limit %d: %q, %v, wanted %q", limit, got, err, want)
		}
	}
	if _, err := c.StartCommit(ctx, &pb.StartCommitRequest{Branch: branch("images", "master")}); err != nil {
		t.Fatal(err)
	}
	_, err := all(c.FindCommits(ctx, &pb.FindCommitsRequest{Start: at("images@master"), FilePath: "/a"}))
	pachdtest.Want(t, err, codes.Unavailable, "not finished")
}

func TestWalk_ProvenanceAndSubvenance(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	for _, name := range []string{"a", "b", "c"} {
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, edge := range [][2]string{{"b", "a"}, {"c", "b"}} {
		_, err := c.CreateBranch(ctx, &pb.CreateBranchRequest{Branch: branch(edge[0], "master"), Provenance: []*pb.Branch{branch(edge[1], "master")}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := modify(ctx, c, at("a@master"), add("/x", "1")); err != nil {
		t.Fatal(err)
	}
	head := func(name string) *pb.BranchPicker {
		return &pb.BranchPicker{Picker: &pb.BranchPicker_Name{Name: &pb.BranchPicker_BranchName{
			Name: "master", Repo: &pb.RepoPicker{Picker: &pb.RepoPicker_Name{Name: &pb.RepoPicker_RepoName{Name: name}}},
		}}}
	}
	commit := func(name string) []*pb.CommitPicker {
		return []*pb.CommitPicker{{Picker: &pb.CommitPicker_BranchHead{BranchHead: head(name)}}}
	}
	repos := func(infos []*pb.CommitInfo, err error) string {
		if err != nil {
			return err.Error()
		}
		out := ""
		for _, i := range infos {
			out += i.GetCommit().GetRepo().GetName()
		}
		return out
	}
	for name, want := range map[string]string{"c": "ba", "b": "a", "a": ""} {
		if got := repos(all(c.WalkCommitProvenance(ctx, &pb.WalkCommitProvenanceRequest{Start: commit(name)}))); got != want {
			t.Errorf("%s comes from %q", name, got)
		}
	}
	for name, want := range map[string]string{"c": "", "b": "c", "a": "bc"} {
		if got := repos(all(c.WalkCommitSubvenance(ctx, &pb.WalkCommitSubvenanceRequest{Start: commit(name)}))); got != want {
			t.Errorf("from %s comes %q", name, got)
		}
	}
	if got := repos(all(c.WalkCommitSubvenance(ctx, &pb.WalkCommitSubvenanceRequest{Start: commit("a"), MaxCommits: 1}))); got != "b" {
		t.Errorf("one is %q", got)
	}
	made, err := all(c.WalkBranchSubvenance(ctx, &pb.WalkBranchSubvenanceRequest{Start: []*pb.BranchPicker{head("a")}}))
	if err != nil || len(made) != 2 || made[0].GetBranch().GetRepo().GetName() != "b" {
		t.Errorf("of the branch is made %v, %v", made, err)
	}
	deep := commit("a")[0]
	for range 20 {
		deep = &pb.CommitPicker{Picker: &pb.CommitPicker_Ancestor{Ancestor: &pb.CommitPicker_AncestorOf{Start: deep}}}
	}
	_, err = all(c.WalkCommitProvenance(ctx, &pb.WalkCommitProvenanceRequest{Start: []*pb.CommitPicker{deep}}))
	pachdtest.Want(t, err, codes.InvalidArgument, "deep in one another")
}

func TestDeleteAll_LeavesTheDefaultProject(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	if _, err := c.CreateProject(ctx, &pb.CreateProjectRequest{Project: &pb.Project{Name: "p"}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*pb.Repo{repo("a"), {Name: "b", Project: &pb.Project{Name: "p"}}} {
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: r}); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := c.ReposSummary(ctx, &pb.ReposSummaryRequest{Projects: []*pb.ProjectPicker{{Picker: &pb.ProjectPicker_Name{Name: "p"}}}})
	if err != nil || len(summary.GetSummaries()) != 1 || summary.GetSummaries()[0].GetUserRepoCount() != 1 {
		t.Errorf("summary %v, %v", summary, err)
	}
	if _, err := c.DeleteAll(ctx, &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	repos, err := all(c.ListRepo(ctx, &pb.ListRepoRequest{}))
	if err != nil || len(repos) != 0 {
		t.Errorf("left are %v, %v", repos, err)
	}
	projects, err := all(c.ListProject(ctx, &pb.ListProjectRequest{}))
	if err != nil || len(projects) != 1 || projects[0].GetProject().GetName() != "default" {
		t.Errorf("left are %v, %v", projects, err)
	}
}

// Directories of different paths are compared by what is in them.
func TestDiffFile_OfTwoPaths(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	err := modify(ctx, c, at("images@master"), add("/a/same", "1"), add("/a/x/changed", "1"), add("/b/same", "1"), add("/b/x/changed", "2"), add("/b/new", "3"))
	if err != nil {
		t.Fatal(err)
	}
	diff := func(path, oldPath string) (string, error) {
		found, err := all(c.DiffFile(ctx, &pb.DiffFileRequest{
			NewFile: &pb.File{Commit: at("images@master"), Path: path}, OldFile: &pb.File{Commit: at("images@master"), Path: oldPath},
		}))
		var out []string
		for _, d := range found {
			out = append(out, d.GetOldFile().GetFile().GetPath()+">"+d.GetNewFile().GetFile().GetPath())
		}
		return strings.Join(out, " "), err
	}
	const want = "/a/>/b/ >/b/new /a/x/>/b/x/ /a/x/changed>/b/x/changed"
	if got, err := diff("/b", "/a/"); err != nil || got != want {
		t.Errorf("got %q, %v, wanted %q", got, err, want)
	}
	if got, err := diff("/b/x", "/b/x"); err != nil || got != "" {
		t.Errorf("of itself: %q, %v", got, err)
	}
	_, err = diff("/b", "/none")
	pachdtest.Want(t, err, codes.NotFound, "file /none not found")
	_, err = diff("/b", "/a/same")
	pachdtest.Want(t, err, codes.InvalidArgument, "compare directories")
}
