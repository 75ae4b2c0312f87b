package transaction_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	"pachyderm/api/pfs"
	pb "pachyderm/api/transaction"
	"pachyderm/internal/pachd/pachdtest"
)

func repo(name string) *pfs.Repo { return &pfs.Repo{Name: name} }

func branch(name string) *pfs.Branch { return &pfs.Branch{Repo: repo(name), Name: "master"} }

func within(ctx context.Context, t *pb.Transaction) context.Context {
	return metadata.AppendToOutgoingContext(ctx, api.TransactionKey, t.GetId())
}

func begin(t *testing.T, s *pachdtest.Server, ctx context.Context) *pb.Transaction { //nolint:revive // the server makes contexts
	t.Helper()
	id, err := s.API.Transaction.StartTransaction(ctx, &pb.StartTransactionRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// Nothing is there before the end, and all of it afterwards, in one commit set.
func TestTransaction_AllAtItsEnd(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		ctx, c := s.Root(), s.API.PFS
		id := begin(t, s, ctx)
		in := within(ctx, id)
		for _, name := range []string{"a", "b"} {
			if _, err := c.CreateRepo(in, &pfs.CreateRepoRequest{Repo: repo(name)}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.CreateBranch(in, &pfs.CreateBranchRequest{Branch: branch("b"), Provenance: []*pfs.Branch{branch("a")}}); err != nil {
			t.Fatal(err)
		}
		commit, err := c.StartCommit(in, &pfs.StartCommitRequest{Branch: branch("a")})
		if err == nil {
			t.Fatalf("a branch that the transaction has made already has a commit in it: %v", commit)
		}
		pachdtest.Want(t, err, codes.FailedPrecondition, "error running request 4 of 4", "already has a commit in this transaction")
		if _, err := c.InspectRepo(ctx, &pfs.InspectRepoRequest{Repo: repo("a")}); status.Code(err) != codes.NotFound {
			t.Errorf("it is there before the end: %v", err)
		}
		info, err := s.API.Transaction.InspectTransaction(ctx, &pb.InspectTransactionRequest{Transaction: id})
		if err != nil || len(info.GetRequests()) != 3 || info.GetVersion() != 3 {
			t.Errorf("it has %v, %v", info, err)
		}
		if _, err := s.API.Transaction.FinishTransaction(ctx, &pb.FinishTransactionRequest{Transaction: id}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"a", "b"} {
			one, err := c.InspectCommit(ctx, &pfs.InspectCommitRequest{Commit: &pfs.Commit{Repo: repo(name), Branch: branch(name)}})
			if err != nil || one.GetCommit().GetId() != id.GetId() {
				t.Errorf("%s: %v, %v", name, one, err)
			}
		}
		_, err = s.API.Transaction.InspectTransaction(ctx, &pb.InspectTransactionRequest{Transaction: id})
		pachdtest.Want(t, err, codes.NotFound, "not found")
	})
}

// Whoever makes a repository in a transaction owns it there, and can go on with it; the
// commit has the transaction's id.
func TestTransaction_MakerOwnsWhatItMakes(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	ctx, _ := s.Robot("maker", 0)
	id := begin(t, s, ctx)
	in := within(ctx, id)
	if _, err := c.CreateRepo(in, &pfs.CreateRepoRequest{Repo: repo("mine")}); err != nil {
		t.Fatal(err)
	}
	commit, err := c.StartCommit(in, &pfs.StartCommitRequest{Branch: branch("mine")})
	if err != nil || commit.GetId() != id.GetId() {
		t.Fatalf("%v, %v", commit, err)
	}
	if _, err := c.FinishCommit(in, &pfs.FinishCommitRequest{Commit: commit}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.API.Transaction.FinishTransaction(ctx, &pb.FinishTransactionRequest{Transaction: id}); err != nil {
		t.Fatal(err)
	}
	one, err := c.InspectCommit(ctx, &pfs.InspectCommitRequest{Commit: commit})
	if err != nil || one.GetFinished() == nil {
		t.Errorf("%v, %v", one, err)
	}
}

// What can no longer be done at the end undoes all of it.
func TestTransaction_AllOrNothing(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, c := s.Root(), s.API.PFS
	id := begin(t, s, ctx)
	for _, name := range []string{"a", "b"} {
		if _, err := c.CreateRepo(within(ctx, id), &pfs.CreateRepoRequest{Repo: repo(name)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.CreateRepo(ctx, &pfs.CreateRepoRequest{Repo: repo("b")}); err != nil {
		t.Fatal(err)
	}
	_, err := s.API.Transaction.FinishTransaction(ctx, &pb.FinishTransactionRequest{Transaction: id})
	pachdtest.Want(t, err, codes.AlreadyExists, "error running request 2 of 2", "already exists")
	if _, err := c.InspectRepo(ctx, &pfs.InspectRepoRequest{Repo: repo("a")}); status.Code(err) != codes.NotFound {
		t.Errorf("half of it was made: %v", err)
	}
	if _, err := s.API.Transaction.DeleteTransaction(ctx, &pb.DeleteTransactionRequest{Transaction: id}); err != nil {
		t.Error(err)
	}
}

// Others neither see a transaction nor can add to it or finish it, and roles count when
// it is finished.
func TestTransaction_OfItsOwnerAlone(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	ada, _ := s.Robot("ada", 0)
	bob, _ := s.Robot("bob", 0)
	if _, err := c.CreateRepo(s.Root(), &pfs.CreateRepoRequest{Repo: repo("images")}); err != nil {
		t.Fatal(err)
	}
	bind := func(roles ...string) {
		t.Helper()
		if err := s.Bind(pachdtest.Repo("default/images"), "robot:ada", roles...); err != nil {
			t.Fatal(err)
		}
	}
	bind("repoWriter")
	id := begin(t, s, ada)
	if _, err := c.StartCommit(within(ada, id), &pfs.StartCommitRequest{Branch: branch("images")}); err != nil {
		t.Fatal(err)
	}
	for name, ctx := range map[string]context.Context{"bob": bob, "root": s.Root()} {
		if _, err := s.API.Transaction.InspectTransaction(ctx, &pb.InspectTransactionRequest{Transaction: id}); status.Code(err) != codes.NotFound {
			t.Errorf("%s sees it: %v", name, err)
		}
		if _, err := s.API.Transaction.FinishTransaction(ctx, &pb.FinishTransactionRequest{Transaction: id}); status.Code(err) != codes.NotFound {
			t.Errorf("%s finishes it: %v", name, err)
		}
		if _, err := c.CreateRepo(within(ctx, id), &pfs.CreateRepoRequest{Repo: repo("x")}); status.Code(err) != codes.NotFound {
			t.Errorf("%s adds to it: %v", name, err)
		}
		if all, err := s.API.Transaction.ListTransaction(ctx, &pb.ListTransactionRequest{}); err != nil || len(all.GetTransactionInfo()) != 0 {
			t.Errorf("%s lists %v, %v", name, all, err)
		}
	}
	bind()
	if _, err := s.API.Transaction.FinishTransaction(ada, &pb.FinishTransactionRequest{Transaction: id}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("without the role: %v", err)
	}
}

// What cannot wait for the end of a transaction is not done at once instead.
func TestTransaction_RefusesWhatItCannotGather(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, c := s.Root(), s.API.PFS
	in := within(ctx, begin(t, s, ctx))
	_, err := c.CreateProject(in, &pfs.CreateProjectRequest{Project: &pfs.Project{Name: "p"}})
	pachdtest.Want(t, err, codes.FailedPrecondition, "cannot be part of a transaction")
	stream, err := c.ModifyFile(in)
	if err == nil {
		_, err = stream.CloseAndRecv()
	}
	pachdtest.Want(t, err, codes.FailedPrecondition, "cannot be part of a transaction")
	_, err = s.API.Transaction.BatchTransaction(ctx, &pb.BatchTransactionRequest{Requests: []*pb.TransactionRequest{{}}})
	pachdtest.Want(t, err, codes.Unimplemented, "error running request 1 of 1")
}
