package pfs

import (
	"context"
	"time"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/check"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/history"
	"pachyderm/internal/db"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/rpc/pfs/files"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/pfs/sets"
)

type setsServer = sets.Server

// Server serves pfs_v2.
type Server struct {
	*files.Server // what is about files, and what is not served yet
	*setsServer

	db      *db.DB
	store   *file.Service
	check   *check.Service
	waiting *history.Waiting
	again   guard.Again
	now     func() time.Time
}

// New makes a Server.
func New(d *db.DB, sessions *session.Service, edits *edit.Edits, check *check.Service, now func() time.Time) *Server {
	return &Server{
		Server: files.New(edits, sessions, now), setsServer: sets.New(edits, sessions, now), db: d, store: edits.Files,
		check: check, waiting: history.NewWaiting(d),
		again: guard.Again{Sessions: sessions}, now: now,
	}
}

// change makes one change of the graph, by the caller.
func (s *Server) change(ctx context.Context, f func(*graph.Change) error) error {
	return guard.Change(ctx, s.db, s.now(), f)
}

// ActivateAuth is called when authentication is activated. What there is then has no
// owner; the administrators of the cluster may bind roles on it.
func (s *Server) ActivateAuth(ctx context.Context, _ *pb.ActivateAuthRequest) (*pb.ActivateAuthResponse, error) {
	err := s.db.Update(ctx, func(tx *db.Tx) error { return graph.MakeKnown(ctx, tx) })
	return &pb.ActivateAuthResponse{}, err
}

// authInfo is what the caller may do; nothing while authentication is off.
func authInfo(c session.Caller, r access.Resource) *pb.AuthInfo {
	if !c.Guarded() {
		return nil
	}
	roles, permissions := c.Effective(r)
	return &pb.AuthInfo{Permissions: convert.Permissions(permissions.List()), Roles: roles}
}
