package pfs_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	authpb "pachyderm/api/auth"
	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

// world is the repository that calls are about.
type world struct {
	repo *pb.Repo
	open string        // an open commit
	next func() string // a name that nothing has
	// admitted says that the call is expected to be.
	admitted bool
}

// absent is the id of no commit.
const absent = "00000000000040000000000000000000"

func master(r *pb.Repo) *pb.Commit {
	return &pb.Commit{Repo: r, Branch: &pb.Branch{Repo: r, Name: "master"}}
}

func file(r *pb.Repo) *pb.File { return &pb.File{Commit: master(r), Path: "/a"} }

func picker(r *pb.Repo) *pb.BranchPicker {
	return &pb.BranchPicker{Picker: &pb.BranchPicker_Name{Name: &pb.BranchPicker_BranchName{Name: "master", Repo: &pb.RepoPicker{
		Picker: &pb.RepoPicker_Name{Name: &pb.RepoPicker_RepoName{
			Name: r.GetName(), Project: &pb.ProjectPicker{Picker: &pb.ProjectPicker_Name{Name: r.GetProject().GetName()}},
		}},
	}}}}
}

// notFoundIsFine is for calls about what is not there in a repository that is.
func notFoundIsFine(err error) error {
	if status.Code(err) == codes.NotFound && !strings.Contains(err.Error(), "repo secret/images not found") {
		return nil
	}
	return err
}

// What each call on a repository asks for, by hand from upstream's interface and
// decision 0008; "see" is any role by which the repository is seen. The calls are made
// so that nothing else is wrong with them, and that they change nothing that others need.
var calls = []struct {
	name string
	need []string
	call func(ctx context.Context, c pb.APIClient, w world) error
}{
	{"InspectRepo", nil, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.InspectRepo(ctx, &pb.InspectRepoRequest{Repo: w.repo})
		return err
	}},
	{"ListCommit", []string{"REPO_LIST_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.ListCommit(ctx, &pb.ListCommitRequest{Repo: w.repo}))
		return err
	}},
	{"InspectCommit", []string{"REPO_INSPECT_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.InspectCommit(ctx, &pb.InspectCommitRequest{Commit: master(w.repo)})
		return err
	}},
	{"FindCommits", []string{"REPO_INSPECT_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.FindCommits(ctx, &pb.FindCommitsRequest{Start: master(w.repo), FilePath: "/a"}))
		return err
	}},
	{"SubscribeCommit", []string{"REPO_LIST_COMMIT", "REPO_INSPECT_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := c.SubscribeCommit(ctx, &pb.SubscribeCommitRequest{Repo: w.repo, Branch: "master"})
		if err == nil {
			_, err = stream.Recv() // there is one; it would wait for more
		}
		return err
	}},
	{"WalkCommitProvenance", []string{"REPO_INSPECT_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.WalkCommitProvenance(ctx, &pb.WalkCommitProvenanceRequest{Start: []*pb.CommitPicker{{
			Picker: &pb.CommitPicker_BranchHead{BranchHead: picker(w.repo)},
		}}}))
		return err
	}},
	{"WalkBranchSubvenance", []string{"REPO_LIST_BRANCH"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.WalkBranchSubvenance(ctx, &pb.WalkBranchSubvenanceRequest{Start: []*pb.BranchPicker{picker(w.repo)}}))
		return err
	}},
	{"InspectBranch", []string{"REPO_LIST_BRANCH"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.InspectBranch(ctx, &pb.InspectBranchRequest{Branch: master(w.repo).GetBranch()})
		return err
	}},
	{"ListBranch", []string{"REPO_LIST_BRANCH"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.ListBranch(ctx, &pb.ListBranchRequest{Repo: w.repo}))
		return err
	}},
	{"ListFile", []string{"REPO_LIST_FILE", "REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.ListFile(ctx, &pb.ListFileRequest{File: file(w.repo)}))
		return err
	}},
	{"WalkFile", []string{"REPO_LIST_FILE", "REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.WalkFile(ctx, &pb.WalkFileRequest{File: file(w.repo)}))
		return err
	}},
	{"GlobFile", []string{"REPO_LIST_FILE", "REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.GlobFile(ctx, &pb.GlobFileRequest{Commit: master(w.repo), Pattern: "/*"}))
		return err
	}},
	{"InspectFile", []string{"REPO_INSPECT_FILE", "REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.InspectFile(ctx, &pb.InspectFileRequest{File: file(w.repo)})
		return err
	}},
	{"GetFile", []string{"REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.GetFile(ctx, &pb.GetFileRequest{File: file(w.repo)}))
		return err
	}},
	{"GetFileTAR", []string{"REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.GetFileTAR(ctx, &pb.GetFileRequest{File: file(w.repo)}))
		return err
	}},
	{"DiffFile", []string{"REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := all(c.DiffFile(ctx, &pb.DiffFileRequest{NewFile: file(w.repo)}))
		return err
	}},
	{"CreateBranch", []string{"REPO_CREATE_BRANCH"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.CreateBranch(ctx, &pb.CreateBranchRequest{Branch: &pb.Branch{Repo: w.repo, Name: "side"}})
		return err
	}},
	{"DeleteBranch", []string{"REPO_DELETE_BRANCH"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.DeleteBranch(ctx, &pb.DeleteBranchRequest{Branch: &pb.Branch{Repo: w.repo, Name: "side"}})
		return notFoundIsFine(err)
	}},
	{"ModifyFile", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		return modify(ctx, c, &pb.Commit{Repo: w.repo, Branch: &pb.Branch{Repo: w.repo, Name: "mine"}}, add("/b", "x"))
	}},
	{"ModifyFile, before it has sent anything", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		stream, err := c.ModifyFile(ctx)
		if err != nil {
			return err
		}
		to := &pb.Commit{Repo: w.repo, Branch: &pb.Branch{Repo: w.repo, Name: "mine"}}
		if err := stream.Send(&pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: to}}); err != nil {
			return err
		}
		if w.admitted {
			return nil // it waits for more
		}
		return stream.RecvMsg(&emptypb.Empty{})
	}},
	{"ModifyFile of an open commit by its id", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		return modify(ctx, c, &pb.Commit{Repo: w.repo, Id: w.open}, add("/c", "x"))
	}},
	{"GetFileSet", []string{"REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.GetFileSet(ctx, &pb.GetFileSetRequest{Commit: master(w.repo), Type: pb.GetFileSetRequest_DIFF})
		return err
	}},
	{"CreateFileSet that copies", []string{"REPO_READ"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := fileSet(ctx, c, cp("/b", master(w.repo), "/a"))
		return err
	}},
	{"AddFileSet", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		id, err := fileSet(ctx, c, add("/b", "x"))
		if err != nil {
			return err
		}
		return addSet(ctx, c, &pb.Commit{Repo: w.repo, Branch: &pb.Branch{Repo: w.repo, Name: "mine"}}, id)
	}},
	{"AddFileSet to an open commit by its id", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		id, err := fileSet(ctx, c, add("/d", "x"))
		if err != nil {
			return err
		}
		return addSet(ctx, c, &pb.Commit{Repo: w.repo, Id: w.open}, id)
	}},
	{"StartCommit", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.StartCommit(ctx, &pb.StartCommitRequest{Branch: &pb.Branch{Repo: w.repo, Name: w.next()}})
		return err
	}},
	{"FinishCommit", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.FinishCommit(ctx, &pb.FinishCommitRequest{Commit: master(w.repo)})
		if status.Code(err) == codes.FailedPrecondition { // it has finished
			return nil
		}
		return err
	}},
	{"ClearCommit", []string{"REPO_WRITE"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.ClearCommit(ctx, &pb.ClearCommitRequest{Commit: &pb.Commit{Repo: w.repo, Id: w.open}})
		return err
	}},
	{"SquashCommit", []string{"REPO_DELETE_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.SquashCommit(ctx, &pb.SquashCommitRequest{Commit: &pb.Commit{Repo: w.repo, Id: absent}})
		return notFoundIsFine(err)
	}},
	{"DropCommit", []string{"REPO_DELETE_COMMIT"}, func(ctx context.Context, c pb.APIClient, w world) error {
		_, err := c.DropCommit(ctx, &pb.DropCommitRequest{Commit: &pb.Commit{Repo: w.repo, Id: absent}})
		return notFoundIsFine(err)
	}},
}

// holders are callers, with what their roles give on the repository: by hand from
// upstream's definition of its roles.
var holders = []struct {
	name, role string
	on         *authpb.Resource
	sees       bool
	may        []string
}{
	{"nobody", "", nil, false, nil},
	{"idp", "idpAdmin", pachdtest.Cluster(), false, nil},
	{"elsewhere", "repoOwner", pachdtest.Repo("default/images"), false, nil},
	{"viewer", "projectViewer", pachdtest.Project("secret"), true, nil},
	{"reader", "repoReader", pachdtest.Repo("secret/images"), true, readerMay},
	{"writer", "repoWriter", pachdtest.Repo("secret/images"), true, writerMay},
	{"owner", "repoOwner", pachdtest.Repo("secret/images"), true, writerMay},
	{"project-owner", "projectOwner", pachdtest.Project("secret"), true, writerMay},
	{"cluster-reader", "repoReader", pachdtest.Cluster(), true, readerMay},
	{"admin", "clusterAdmin", pachdtest.Cluster(), true, writerMay},
}

var (
	readerMay = []string{"REPO_READ", "REPO_INSPECT_COMMIT", "REPO_LIST_COMMIT", "REPO_LIST_BRANCH", "REPO_LIST_FILE", "REPO_INSPECT_FILE"}
	writerMay = slices.Concat(readerMay, []string{"REPO_WRITE", "REPO_DELETE_COMMIT", "REPO_CREATE_BRANCH", "REPO_DELETE_BRANCH"})
)

// Whoever has what a call needs is served; whoever only sees the repository is denied;
// to all others it is not there.
func TestData_ServesOnlyWhomRolesName(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	n := 0
	w := world{repo: &pb.Repo{Project: &pb.Project{Name: "secret"}, Name: "images"}, next: func() string { n++; return fmt.Sprintf("new-%d", n) }}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: w.repo.GetProject()})
	must(err)
	for _, r := range []*pb.Repo{w.repo, repo("images")} {
		_, err = c.CreateRepo(root, &pb.CreateRepoRequest{Repo: r})
		must(err)
	}
	must(modify(root, c, master(w.repo), add("/a", "text")))
	open, err := c.StartCommit(root, &pb.StartCommitRequest{Branch: &pb.Branch{Repo: w.repo, Name: "open"}})
	must(err)
	w.open = open.GetId()
	for _, h := range holders {
		ctx, _ := s.Robot(h.name, 0)
		if h.role != "" {
			must(s.Bind(h.on, "robot:"+h.name, h.role))
		}
		for _, call := range calls {
			wanted, text := codes.OK, ""
			switch {
			case !h.sees:
				wanted, text = codes.NotFound, "repo secret/images not found"
			case slices.ContainsFunc(call.need, func(p string) bool { return !slices.Contains(h.may, p) }):
				wanted, text = codes.PermissionDenied, "is not authorized to perform this operation"
			}
			w.admitted = wanted == codes.OK
			err := call.call(ctx, c, w)
			if status.Code(err) != wanted || err != nil && !strings.Contains(err.Error(), text) {
				t.Errorf("%s by %s: %v, wanted %s", call.name, h.name, err, wanted)
			}
		}
	}
}

// A list has what the caller sees, and nothing tells of the rest.
func TestList_LeavesOutWhatIsHidden(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	secret := &pb.Project{Name: "secret"}
	if _, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: secret}); err != nil {
		t.Fatal(err)
	}
	hidden := &pb.Repo{Project: secret, Name: "made"}
	for _, r := range []*pb.Repo{hidden, repo("source")} {
		if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: r}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := c.CreateBranch(root, &pb.CreateBranchRequest{
		Branch: &pb.Branch{Repo: hidden, Name: "master"}, Provenance: []*pb.Branch{branch("source", "master")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := modify(root, c, at("source@master"), add("/a", "x")); err != nil {
		t.Fatal(err)
	}
	ctx, _ := s.Robot("reader", 0)
	if err := s.Bind(pachdtest.Repo("default/source"), "robot:reader", "repoOwner"); err != nil {
		t.Fatal(err)
	}
	head, err := c.InspectCommit(ctx, &pb.InspectCommitRequest{Commit: at("source@master")})
	if err != nil || len(head.GetDirectSubvenance()) != 0 {
		t.Errorf("the commit says what was made from it: %v, %v", head, err)
	}
	b, err := c.InspectBranch(ctx, &pb.InspectBranchRequest{Branch: branch("source", "master")})
	if err != nil || len(b.GetSubvenance()) != 0 {
		t.Errorf("the branch says what is made from it: %v, %v", b, err)
	}
	repos, err := all(c.ListRepo(ctx, &pb.ListRepoRequest{}))
	if err != nil || len(repos) != 1 || repos[0].GetRepo().GetName() != "source" {
		t.Errorf("repositories: %v, %v", repos, err)
	}
	projects, err := all(c.ListProject(ctx, &pb.ListProjectRequest{}))
	if err != nil || len(projects) != 1 || projects[0].GetProject().GetName() != "default" {
		t.Errorf("projects: %v, %v", projects, err)
	}
	set, err := all(c.InspectCommitSet(ctx, &pb.InspectCommitSetRequest{CommitSet: &pb.CommitSet{Id: head.GetCommit().GetId()}}))
	if err != nil || len(set) != 1 {
		t.Errorf("the commit set: %v, %v", set, err)
	}
	sets, err := all(c.ListCommitSet(ctx, &pb.ListCommitSetRequest{}))
	if err != nil || strings.Contains(fmt.Sprint(sets), "secret") {
		t.Errorf("the commit sets: %v, %v", sets, err)
	}
	_, err = c.DropCommitSet(ctx, &pb.DropCommitSetRequest{CommitSet: &pb.CommitSet{Id: head.GetCommit().GetId()}})
	if status.Code(err) != codes.PermissionDenied || strings.Contains(err.Error(), "made") {
		t.Errorf("dropping what has hidden commits: %v", err)
	}
	_, err = c.CreateBranch(ctx, &pb.CreateBranchRequest{Branch: branch("source", "x"), Provenance: []*pb.Branch{{Repo: hidden, Name: "master"}}})
	pachdtest.Want(t, err, codes.NotFound, "repo secret/made not found")
	err = modify(ctx, c, at("source@master"), &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_CopyFile{CopyFile: &pb.CopyFile{
		Dst: "/b", Src: &pb.File{Commit: master(hidden), Path: "/a"},
	}}})
	pachdtest.Want(t, err, codes.NotFound, "repo secret/made not found")
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: &pb.Repo{Project: secret, Name: "mine"}}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("making a repository in a project of others: %v", err)
	}
	// Refusals and what else is said of a branch name nothing that is hidden either.
	if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("derived")}); err != nil {
		t.Fatal(err)
	}
	from := &pb.Branch{Repo: hidden, Name: "other"}
	_, err = c.CreateBranch(root, &pb.CreateBranchRequest{
		Branch: branch("derived", "master"), Provenance: []*pb.Branch{from},
		BranchPropagationSpecs: []*pb.BranchPropagationSpec{{Branch: from, PropagationSpec: &pb.PropagationSpec{Never: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(pachdtest.Repo("default/derived"), "robot:reader", "repoOwner"); err != nil {
		t.Fatal(err)
	}
	b, err = c.InspectBranch(ctx, &pb.InspectBranchRequest{Branch: branch("derived", "master")})
	if err != nil || strings.Contains(b.String(), "secret") {
		t.Errorf("the branch says what it is made from: %v, %v", b, err)
	}
	_, err = c.DeleteRepo(ctx, &pb.DeleteRepoRequest{Repo: repo("source")})
	if status.Code(err) != codes.FailedPrecondition || strings.Contains(err.Error(), "secret") {
		t.Errorf("deleting what something hidden is made from: %v", err)
	}
	_, err = c.DeleteBranch(ctx, &pb.DeleteBranchRequest{Branch: branch("source", "master")})
	if status.Code(err) != codes.FailedPrecondition || strings.Contains(err.Error(), "secret") {
		t.Errorf("deleting a branch that something hidden is made from: %v", err)
	}
	_, err = c.CreateBranch(ctx, &pb.CreateBranchRequest{Branch: branch("derived", "master"), Provenance: []*pb.Branch{branch("source", "x")}})
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("making a branch from another: %v", err)
	}
	for _, r := range []string{"x", "y"} { // whose two branches would meet in one that is hidden
		if _, err := c.CreateBranch(root, &pb.CreateBranchRequest{
			Branch: branch("derived", r), Provenance: []*pb.Branch{{Repo: hidden, Name: r}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("own")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("also")}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateBranch(root, &pb.CreateBranchRequest{
		Branch: branch("also", "y"), Provenance: []*pb.Branch{{Repo: hidden, Name: "y"}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Bind(pachdtest.Repo("default/also"), "robot:reader", "repoReader"); err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateBranch(ctx, &pb.CreateBranchRequest{
		Branch: branch("own", "master"), Provenance: []*pb.Branch{branch("derived", "x"), branch("also", "y")},
	})
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "from the same repo, \"one that you may not see\", cannot participate") {
		t.Errorf("two branches of a hidden repository: %v", err)
	}
	if gone, err := c.DeleteRepo(ctx, &pb.DeleteRepoRequest{Repo: hidden}); status.Code(err) != codes.NotFound {
		t.Errorf("deleting a hidden one: %v, %v", gone, err)
	}
}

// Whoever makes something owns it, and whoever makes it anew after it was deleted
// shares it with nobody whom the first had let in.
func TestCreateRepo_MakerOwnsIt(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	ada, _ := s.Robot("ada", 0)
	bob, _ := s.Robot("bob", 0)
	create := func(ctx context.Context) {
		t.Helper()
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("mine")}); err != nil {
			t.Fatal(err)
		}
	}
	create(ada)
	if _, err := s.API.Auth.ModifyRoleBinding(ada, &authpb.ModifyRoleBindingRequest{
		Resource: pachdtest.Repo("default/mine"), Principal: "robot:bob", Roles: []string{"repoReader"},
	}); err != nil {
		t.Fatal(err)
	}
	if err := modify(ada, c, at("mine@master"), add("/a", "x")); err != nil {
		t.Fatal(err)
	}
	if got, err := get(bob, c, at("mine@master"), "/a"); err != nil || got != "x" {
		t.Errorf("bob reads %q, %v", got, err)
	}
	if _, err := c.DeleteRepo(ada, &pb.DeleteRepoRequest{Repo: repo("mine")}); err != nil {
		t.Fatal(err)
	}
	create(s.Root())
	if err := modify(s.Root(), c, at("mine@master"), add("/a", "secret")); err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{"ada": ada, "bob": bob} {
		if got, err := get(ctx, c, at("mine@master"), "/a"); err == nil {
			t.Errorf("%s reads %q", name, got)
		}
	}
}

// Whoever loses a role in the middle of a stream loses the stream: reading ends, and
// what was sent is not written.
func TestStream_EndsWithTheRole(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	const pieces = 32
	piece := add("/big", strings.Repeat("0123456789abcdef", 2<<20/16))
	if err := modify(root, c, at("images@master"), slices.Repeat([]*pb.ModifyFileRequest{piece}, pieces)...); err != nil {
		t.Fatal(err)
	}
	ctx, _ := s.Robot("writer", 0)
	bind := func(roles ...string) {
		t.Helper()
		if err := s.Bind(pachdtest.Repo("default/images"), "robot:writer", roles...); err != nil {
			t.Fatal(err)
		}
	}
	bind("repoWriter")
	down, err := c.GetFile(ctx, &pb.GetFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/big"}})
	if err != nil {
		t.Fatal(err)
	}
	first, err := down.Recv()
	if err != nil {
		t.Fatal(err)
	}
	up, err := c.ModifyFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*pb.ModifyFileRequest{{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: at("images@master")}}, add("/late", "x")} {
		if err := up.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	bind()
	more, err := rest(down)
	if len(first.GetValue())+more == pieces*2<<20 || status.Code(err) != codes.PermissionDenied {
		t.Errorf("%d bytes came, and then %v", more, err)
	}
	if _, err := up.CloseAndRecv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the write: %v", err)
	}
	if _, err := get(root, c, at("images@master"), "/late"); status.Code(err) != codes.NotFound {
		t.Errorf("it was written: %v", err)
	}
}

// To read all that is stored is for those who may debug the cluster: it names commits of
// repositories that others may not see.
func TestFsck_ForWhoMayDebug(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	if _, err := c.CreateRepo(s.Root(), &pb.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	owner, _ := s.Robot("owner", 0)
	debugger, _ := s.Robot("debugger", 0)
	for who, bound := range map[string]struct {
		on   *authpb.Resource
		role string
	}{"owner": {pachdtest.Repo("default/images"), "repoOwner"}, "debugger": {pachdtest.Cluster(), "debugger"}} {
		if err := s.Bind(bound.on, "robot:"+who, bound.role); err != nil {
			t.Fatal(err)
		}
	}
	for ctx, want := range map[context.Context]codes.Code{owner: codes.PermissionDenied, debugger: codes.OK, t.Context(): codes.Unauthenticated} {
		if _, err := all(c.Fsck(ctx, &pb.FsckRequest{})); status.Code(err) != want {
			t.Errorf("fsck: %v, wanted %s", err, want)
		}
		if _, err := c.CheckStorage(ctx, &pb.CheckStorageRequest{}); status.Code(err) != want {
			t.Errorf("the check of the storage: %v, wanted %s", err, want)
		}
	}
}
