package pfs

import (
	"context"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"pachyderm/api"
	pb "pachyderm/api/pfs"
	txnpb "pachyderm/api/transaction"
	"pachyderm/internal/access"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/txn"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/pfs/remove"
)

// step makes a change that may be part of a transaction: if the caller is in one, it is
// added to that one and only tried.
func (s *Server) step(ctx context.Context, req *txnpb.TransactionRequest) (*pb.Commit, error) {
	if id := inTransaction(ctx); id != "" {
		return s.addTo(ctx, id, req)
	}
	var made *pb.Commit
	err := s.change(ctx, func(c *graph.Change) (err error) {
		made, err = apply(ctx, c, req)
		return err
	})
	return made, err
}

// inTransaction is the transaction that a call is to be added to, or "".
func inTransaction(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	return strings.Join(md.Get(api.TransactionKey), "")
}

// apply makes one change, if the caller may.
func apply(ctx context.Context, c *graph.Change, req *txnpb.TransactionRequest) (*pb.Commit, error) {
	switch {
	case req.GetCreateRepo() != nil:
		return nil, createRepo(ctx, c, req.GetCreateRepo())
	case req.GetDeleteRepo() != nil:
		return nil, deleteRepo(ctx, c, req.GetDeleteRepo())
	case req.GetStartCommit() != nil:
		return startCommit(ctx, c, req.GetStartCommit())
	case req.GetFinishCommit() != nil:
		return nil, finishCommit(ctx, c, req.GetFinishCommit())
	case req.GetSquashCommitSet() != nil:
		if req.GetSquashCommitSet().GetCommitSet() == nil {
			return nil, guard.Required("commit_set")
		}
		return nil, remove.Do(ctx, c, remove.What{Set: req.GetSquashCommitSet().GetCommitSet()})
	case req.GetCreateBranch() != nil:
		return nil, createBranch(ctx, c, req.GetCreateBranch())
	case req.GetDeleteBranch() != nil:
		b := convert.BranchOf(req.GetDeleteBranch().GetBranch())
		if err := guard.Allow(ctx, b.Repo, access.RepoDeleteBranch); err != nil {
			return nil, err
		}
		return nil, c.DeleteBranch(ctx, b, req.GetDeleteBranch().GetForce())
	}
	return nil, fault.New(fault.Unimplemented, "a request of this kind cannot be part of a transaction in this pachd").
		Next("leave the transaction with: pachctl stop transaction")
}

func deleteRepo(ctx context.Context, c *graph.Change, req *pb.DeleteRepoRequest) error {
	r := convert.RepoOf(req.GetRepo())
	if err := guard.Allow(ctx, r, access.RepoDelete); err != nil {
		return err
	}
	return c.DeleteRepo(ctx, r, req.GetForce())
}

func startCommit(ctx context.Context, c *graph.Change, req *pb.StartCommitRequest) (*pb.Commit, error) {
	b := convert.BranchOf(req.GetBranch())
	if err := guard.Allow(ctx, b.Repo, access.RepoWrite); err != nil {
		return nil, err
	}
	one, err := c.StartCommit(ctx, graph.Start{
		Branch: b, Parent: convert.InRepo(convert.OptionalRef(req.GetParent()), b.Repo), Description: req.GetDescription(),
	})
	return convert.ToCommit(b.Repo, one.ID, b.Name), err
}

func finishCommit(ctx context.Context, c *graph.Change, req *pb.FinishCommitRequest) error {
	ref := convert.RefOf(req.GetCommit())
	if err := guard.Allow(ctx, ref.Repo, access.RepoWrite); err != nil {
		return err
	}
	if err := graph.CheckText("error", req.GetError()); err != nil {
		return err
	}
	one, err := graph.Resolve(ctx, c.Tx(), ref)
	if err != nil {
		return err
	}
	f := graph.Finish{Description: req.GetDescription(), Error: req.GetError(), Root: one.Root}
	if f.Size, err = file.Finishing(one.Root, &f.Error); err != nil {
		return err
	}
	return c.FinishCommit(ctx, ref, f)
}

func createBranch(ctx context.Context, c *graph.Change, req *pb.CreateBranchRequest) error {
	b, sources := convert.BranchOf(req.GetBranch()), convert.SourcesOf(req)
	if err := guard.Allow(ctx, b.Repo, access.RepoCreateBranch); err != nil {
		return err
	}
	if err := maySource(ctx, c, sources); err != nil {
		return err
	}
	return c.CreateBranch(ctx, graph.NewBranch{
		Branch: b, Head: convert.InRepo(convert.OptionalRef(req.GetHead()), b.Repo), Direct: sources,
		Trigger: convert.TriggerOf(req.GetTrigger()),
	})
}

// Run makes all requests within a transaction of the database, in one change with a
// global id. Faults are those of the request that fails, with its number.
func (s *Server) Run(ctx context.Context, tx *db.Tx, id string, all []*txnpb.TransactionRequest) (
	answers []*txnpb.TransactionResponse, err error,
) {
	if len(all) > txn.MaxRequests {
		return nil, fault.New(fault.Invalid, "%d requests in one transaction, and there may be %d", len(all), txn.MaxRequests).
			Next("do the rest in another")
	}
	ctx = guard.InTransaction(ctx)
	err = guard.ChangeIn(ctx, tx, s.now(), id, func(c *graph.Change) error {
		for i, req := range all {
			commit, err := apply(ctx, c, req)
			if err != nil {
				return fault.Prefix(err, "error running request %d of %d", i+1, len(all))
			}
			answers = append(answers, &txnpb.TransactionResponse{Commit: commit})
		}
		return nil
	})
	return answers, err
}

// attempts is how often a request is added to a transaction that others add to.
const attempts = 10

// addTo adds a request to a transaction of the caller, if all of it could be made now,
// and gives what it would answer.
func (s *Server) addTo(ctx context.Context, id string, req *txnpb.TransactionRequest) (commit *pb.Commit, err error) {
	for range attempts {
		if commit, err = s.tryAdd(ctx, id, req); !fault.Is(err, fault.Conflict) {
			break
		}
	}
	return commit, err
}

func (s *Server) tryAdd(ctx context.Context, id string, req *txnpb.TransactionRequest) (*pb.Commit, error) {
	var t txn.Transaction
	var answer *txnpb.TransactionResponse
	err := guard.Try(ctx, s.db, func(tx *db.Tx) (err error) {
		if t, err = txn.Get(ctx, tx, session.FromContext(ctx).Name, id); err != nil {
			return err
		}
		all, err := Requests(t)
		if err != nil {
			return err
		}
		answers, err := s.Run(ctx, tx, id, append(all, req))
		if err != nil {
			return err
		}
		answer = answers[len(answers)-1]
		return nil
	})
	if err != nil {
		return nil, err
	}
	r := txn.Request{}
	if r.Request, err = proto.Marshal(req); err != nil {
		return nil, err
	}
	if r.Response, err = proto.Marshal(answer); err != nil {
		return nil, err
	}
	return answer.GetCommit(), s.db.Update(ctx, func(tx *db.Tx) error { return txn.Append(ctx, tx, t, r) })
}

// Requests reads the requests of a transaction.
func Requests(t txn.Transaction) (all []*txnpb.TransactionRequest, err error) {
	for _, r := range t.Requests {
		req := &txnpb.TransactionRequest{}
		if err := proto.Unmarshal(r.Request, req); err != nil {
			return nil, err
		}
		all = append(all, req)
	}
	return all, nil
}
