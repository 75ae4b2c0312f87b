package pfs_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	metadatapb "pachyderm/api/metadata"
	pb "pachyderm/api/pfs"
	txnpb "pachyderm/api/transaction"
	"pachyderm/internal/pachd/pachdtest"
)

// Who may read a repository makes no branch in it, and nothing that would keep others
// from writing to it.
func TestCreateBranch_FromWhatOneMayOnlyRead(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("theirs")}); err != nil {
		t.Fatal(err)
	}
	if err := modify(root, c, at("theirs@master"), add("/a", "x")); err != nil {
		t.Fatal(err)
	}
	reader, _ := s.Robot("reader", 0)
	if err := s.Bind(pachdtest.Repo("default/theirs"), "robot:reader", "repoReader"); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateRepo(reader, &pb.CreateRepoRequest{Repo: repo("own")}); err != nil {
		t.Fatal(err)
	}
	from := func(own, theirs string) error {
		_, err := c.CreateBranch(reader, &pb.CreateBranchRequest{Branch: branch("own", own), Provenance: []*pb.Branch{branch("theirs", theirs)}})
		return err
	}
	pachdtest.Want(t, from("new", "new"), codes.PermissionDenied, "REPO_CREATE_BRANCH")
	branches, err := all(c.ListBranch(root, &pb.ListBranchRequest{Repo: repo("theirs")}))
	if err != nil || len(branches) != 1 {
		t.Errorf("its branches: %v, %v", branches, err)
	}
	if err := from("x", "master"); err != nil {
		t.Fatal(err)
	}
	pachdtest.Want(t, from("y", "master"), codes.InvalidArgument, "cannot participate in a DAG")
	if _, err := c.CreateBranch(reader, &pb.CreateBranchRequest{
		Branch: branch("own", "z"), Provenance: []*pb.Branch{branch("theirs", "master")},
		BranchPropagationSpecs: []*pb.BranchPropagationSpec{{Branch: branch("theirs", "master"), PropagationSpec: &pb.PropagationSpec{Never: true}}},
	}); err != nil {
		t.Errorf("one that does not follow: %v", err)
	}
	if err := modify(root, c, at("theirs@master"), add("/b", "x")); err != nil {
		t.Errorf("its owner writes: %v", err)
	}
}

// A refusal tells no ids of commits in repositories that one may not see.
func TestSquashCommitSet_NamesNothingHidden(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	secret := &pb.Project{Name: "secret"}
	if _, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: secret}); err != nil {
		t.Fatal(err)
	}
	hidden := &pb.Repo{Project: secret, Name: "made"}
	for _, r := range []*pb.Repo{repo("own"), hidden} {
		if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := modify(root, c, at("own@master"), add("/a", "x")); err != nil {
		t.Fatal(err)
	}
	head := func(of *pb.Commit) string {
		t.Helper()
		one, err := c.InspectCommit(root, &pb.InspectCommitRequest{Commit: of})
		if err != nil {
			t.Fatal(err)
		}
		return one.GetCommit().GetId()
	}
	first := head(at("own@master"))
	// Its commit is of another set than the one that it is made from.
	if _, err := c.CreateBranch(root, &pb.CreateBranchRequest{
		Branch: &pb.Branch{Repo: hidden, Name: "master"}, Provenance: []*pb.Branch{branch("own", "master")},
	}); err != nil {
		t.Fatal(err)
	}
	id := head(master(hidden))
	if err := s.Bind(pachdtest.Repo("default/own"), "robot:owner", "repoOwner"); err != nil {
		t.Fatal(err)
	}
	owner, _ := s.Robot("owner", 0)
	_, err := c.SquashCommitSet(owner, &pb.SquashCommitSetRequest{CommitSet: &pb.CommitSet{Id: first}})
	if status.Code(err) != codes.FailedPrecondition || strings.Contains(err.Error(), id) {
		t.Errorf("to its neighbour: %v", err)
	}
	_, err = c.SquashCommitSet(root, &pb.SquashCommitSetRequest{CommitSet: &pb.CommitSet{Id: first}})
	pachdtest.Want(t, err, codes.FailedPrecondition, id)
}

// What is said of things is bounded and text, before it is stored.
func TestDescriptions_Bounded(t *testing.T) {
	s := pachdtest.Start(t)
	c, root := s.API.PFS, s.Root()
	for _, name := range []string{"r", "r2"} {
		if _, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo(name)}); err != nil {
			t.Fatal(err)
		}
	}
	calls := map[string]func(text string) error{
		"a new repository": func(text string) error {
			_, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("new"), Description: text})
			return err
		},
		"a repository": func(text string) error {
			_, err := c.CreateRepo(root, &pb.CreateRepoRequest{Repo: repo("r"), Description: text, Update: true})
			return err
		},
		"a new project": func(text string) error {
			_, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: &pb.Project{Name: "p"}, Description: text})
			return err
		},
		"a project": func(text string) error {
			_, err := c.CreateProject(root, &pb.CreateProjectRequest{Project: &pb.Project{Name: "default"}, Description: text, Update: true})
			return err
		},
		"the start of a commit": func(text string) error {
			_, err := c.StartCommit(root, &pb.StartCommitRequest{Branch: branch("r", "start"), Description: text})
			return err
		},
		"the end of a commit": func(text string) error {
			_, err := c.StartCommit(root, &pb.StartCommitRequest{Branch: branch("r", "end")})
			if err == nil {
				_, err = c.FinishCommit(root, &pb.FinishCommitRequest{Commit: at("r@end"), Description: text})
			}
			return err
		},
		"why a commit is bad": func(text string) error {
			_, err := c.StartCommit(root, &pb.StartCommitRequest{Branch: branch("r2", "bad")})
			if err == nil {
				_, err = c.FinishCommit(root, &pb.FinishCommitRequest{Commit: at("r2@bad"), Error: text})
			}
			return err
		},
		"the branch of a trigger": func(text string) error {
			_, err := c.CreateBranch(root, &pb.CreateBranchRequest{Branch: branch("r", "t"), Trigger: &pb.Trigger{Branch: text, Commits: 1}})
			return err
		},
		"the size of a trigger": func(text string) error {
			_, err := c.CreateBranch(root, &pb.CreateBranchRequest{Branch: branch("r", "u"), Trigger: &pb.Trigger{Branch: "x", Size: strings.Repeat("0", len(text)) + "1"}})
			return err
		},
	}
	for name, call := range calls {
		if err := call(strings.Repeat("x", 4097)); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s of 4,097 bytes: %v", name, err)
		}
	}
	for _, text := range []string{"\x1b[2J", "a\x00b", "\u202etxt.exe", "\u2066x"} {
		if err := calls["a new repository"](text); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q: %v", text, err)
		}
		_, err := s.API.Metadata.EditMetadata(root, &metadatapb.EditMetadataRequest{Edits: []*metadatapb.Edit{{
			Target: &metadatapb.Edit_Cluster{Cluster: &metadatapb.ClusterPicker{}},
			Op:     &metadatapb.Edit_AddKey_{AddKey: &metadatapb.Edit_AddKey{Key: "k", Value: text}},
		}}})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("metadata %q: %v", text, err)
		}
	}
	if err := calls["a new repository"](strings.Repeat("x", 4000) + "\r\n\tBilder, 画像, 👩‍🔬"); err != nil {
		t.Errorf("text: %v", err)
	}
}

// What a transaction gathers is bounded: it is stored, and made with the one writer that
// a database has.
func TestTransaction_Bounded(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, _ := s.Robot("writer", 0)
	one := &txnpb.TransactionRequest{DeleteRepo: &pb.DeleteRepoRequest{Repo: repo("nothing")}}
	batch := &txnpb.BatchTransactionRequest{Requests: slices.Repeat([]*txnpb.TransactionRequest{one}, 1001)}
	_, err := s.API.Transaction.BatchTransaction(ctx, batch)
	pachdtest.Want(t, err, codes.InvalidArgument, "1001 requests")
	t.Run("size", func(t *testing.T) {
		if _, err := s.API.PFS.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("own")}); err != nil {
			t.Fatal(err)
		}
		long := &pb.CreateBranchRequest{Branch: branch("own", "x")}
		for range 20_000 {
			long.Provenance = append(long.Provenance, branch("own", "master"))
		}
		_, err := s.API.PFS.CreateBranch(ctx, long)
		pachdtest.Want(t, err, codes.InvalidArgument, "20000 branches")
	})
}
