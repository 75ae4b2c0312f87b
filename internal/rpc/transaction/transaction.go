package transaction

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/transaction"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/txn"
	"pachyderm/internal/db"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs"
	"pachyderm/internal/rpc/wire"
)

type server struct {
	pb.UnimplementedAPIServer
	db  *db.DB
	pfs *pfs.Server
	now func() time.Time
}

// New serves transaction_v2.
func New(d *db.DB, p *pfs.Server, now func() time.Time) pb.APIServer {
	return &server{db: d, pfs: p, now: now}
}

// StartTransaction begins a transaction. Others do not see it.
func (s *server) StartTransaction(ctx context.Context, _ *pb.StartTransactionRequest) (*pb.Transaction, error) {
	var t txn.Transaction
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		t, err = txn.Start(ctx, tx, session.FromContext(ctx).Name, s.now())
		return err
	})
	return &pb.Transaction{Id: t.ID}, err
}

// InspectTransaction is one of the caller's.
func (s *server) InspectTransaction(ctx context.Context, req *pb.InspectTransactionRequest) (info *pb.TransactionInfo, err error) {
	err = s.db.View(ctx, func(tx *db.Tx) error {
		t, err := txn.Get(ctx, tx, session.FromContext(ctx).Name, req.GetTransaction().GetId())
		if err == nil {
			info, err = toInfo(t)
		}
		return err
	})
	return info, err
}

func toInfo(t txn.Transaction) (info *pb.TransactionInfo, err error) {
	info = &pb.TransactionInfo{
		Transaction: &pb.Transaction{Id: t.ID}, Started: wire.Timestamp(t.Started), Version: uint64(t.Version), //nolint:gosec // counted from 0
	}
	if info.Requests, err = pfs.Requests(t); err != nil {
		return nil, err
	}
	for _, r := range t.Requests {
		response := &pb.TransactionResponse{}
		if err := proto.Unmarshal(r.Response, response); err != nil {
			return nil, err
		}
		info.Responses = append(info.Responses, response)
	}
	return info, nil
}

// ListTransaction has those of the caller.
func (s *server) ListTransaction(ctx context.Context, _ *pb.ListTransactionRequest) (*pb.TransactionInfos, error) {
	out := &pb.TransactionInfos{}
	err := s.db.View(ctx, func(tx *db.Tx) error {
		all, err := txn.List(ctx, tx, session.FromContext(ctx).Name)
		for _, t := range all {
			info, err := toInfo(t)
			if err != nil {
				return err
			}
			out.TransactionInfo = append(out.TransactionInfo, info)
		}
		return err
	})
	return out, err
}

// DeleteTransaction forgets one of the caller's, of which nothing is made.
func (s *server) DeleteTransaction(ctx context.Context, req *pb.DeleteTransactionRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.db.Update(ctx, func(tx *db.Tx) error {
		t, err := txn.Get(ctx, tx, session.FromContext(ctx).Name, req.GetTransaction().GetId())
		if err != nil {
			return err
		}
		return txn.Delete(ctx, tx, t.ID)
	})
}

// DeleteAll forgets all of the caller's.
func (s *server) DeleteAll(ctx context.Context, _ *pb.DeleteAllRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, s.db.Update(ctx, func(tx *db.Tx) error {
		all, err := txn.List(ctx, tx, session.FromContext(ctx).Name)
		for _, t := range all {
			if err := txn.Delete(ctx, tx, t.ID); err != nil {
				return err
			}
		}
		return err
	})
}

// FinishTransaction makes all changes of one of the caller's, or none.
func (s *server) FinishTransaction(ctx context.Context, req *pb.FinishTransactionRequest) (info *pb.TransactionInfo, err error) {
	err = s.db.Update(ctx, func(tx *db.Tx) error {
		t, err := txn.Get(ctx, tx, session.FromContext(ctx).Name, req.GetTransaction().GetId())
		if err != nil {
			return err
		}
		if info, err = toInfo(t); err != nil {
			return err
		}
		if info.Responses, err = s.pfs.Run(ctx, tx, t.ID, info.GetRequests()); err != nil {
			return err
		}
		return txn.Delete(ctx, tx, t.ID)
	})
	return info, err
}

// BatchTransaction makes changes together, without gathering them first.
func (s *server) BatchTransaction(ctx context.Context, req *pb.BatchTransactionRequest) (*pb.TransactionInfo, error) {
	id := graph.NewID()
	out := &pb.TransactionInfo{Transaction: &pb.Transaction{Id: id}, Requests: req.GetRequests(), Started: wire.Timestamp(s.now())}
	err := s.db.Update(ctx, func(tx *db.Tx) (err error) {
		out.Responses, err = s.pfs.Run(ctx, tx, id, req.GetRequests())
		return err
	})
	return out, err
}
