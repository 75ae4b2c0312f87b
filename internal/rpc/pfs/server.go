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
)

type server struct {
	pb.UnimplementedAPIServer
	db       *db.DB
	sessions *session.Service
	files    *file.Service
	check    *check.Service
	waiting  *history.Waiting
	now      func() time.Time
}

// New serves pfs_v2.
func New(d *db.DB, sessions *session.Service, files *file.Service, check *check.Service, now func() time.Time) pb.APIServer {
	return &server{db: d, sessions: sessions, files: files, check: check, waiting: history.NewWaiting(d), now: now}
}

// change makes one change of the graph, by the caller.
func (s *server) change(ctx context.Context, f func(*graph.Change) error) error {
	return graph.Update(ctx, s.db, s.by(ctx), f)
}

// ActivateAuth is called when authentication is activated. What there is then has no
// owner; the administrators of the cluster may bind roles on it.
func (s *server) ActivateAuth(ctx context.Context, _ *pb.ActivateAuthRequest) (*pb.ActivateAuthResponse, error) {
	err := s.db.Update(ctx, func(tx *db.Tx) error { return graph.MakeKnown(ctx, tx) })
	return &pb.ActivateAuthResponse{}, err
}

// authInfo is what the caller may do; nothing while authentication is off.
func authInfo(c session.Caller, r access.Resource) *pb.AuthInfo {
	if !c.Guarded() {
		return nil
	}
	roles, permissions := c.Effective(r)
	return &pb.AuthInfo{Permissions: enums(permissions.List()), Roles: roles}
}
