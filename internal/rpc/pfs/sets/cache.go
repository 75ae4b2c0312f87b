package sets

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/data/fileset"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/pfs/edit"
)

// allowCache asks whether the caller is a pipeline, or what IsInternal says: what one
// puts into the cache another takes for its own result. Fault: Denied.
func allowCache(ctx context.Context) error {
	c := session.FromContext(ctx)
	if edit.IsInternal(c) || c.Unapproved == "" && c.Name.Kind() == principal.Pipeline {
		return nil
	}
	return fault.New(fault.Denied, "%s is not authorized to perform this operation - the cache is that of pipelines", c.Name).
		Next("keep what is to be found again in a repository")
}

// PutCache puts an entry into the cache, whose file sets do not expire while it is there.
func (s *Server) PutCache(ctx context.Context, req *pb.PutCacheRequest) (*emptypb.Empty, error) {
	if err := allowCache(ctx); err != nil {
		return nil, err
	}
	value, err := proto.Marshal(req.GetValue())
	if err != nil {
		return nil, fault.New(fault.Invalid, "the value cannot be encoded").Because(err)
	}
	err = s.edits.Sets.Put(ctx, edit.Owner(ctx), fileset.Entry{
		Key: req.GetKey(), Tag: req.GetTag(), Value: value, Sets: req.GetFileSetIds(),
	})
	return &emptypb.Empty{}, err
}

// GetCache is the value of an entry.
func (s *Server) GetCache(ctx context.Context, req *pb.GetCacheRequest) (*pb.GetCacheResponse, error) {
	if err := allowCache(ctx); err != nil {
		return nil, err
	}
	value, err := s.edits.Sets.Cached(ctx, req.GetKey())
	if err != nil {
		return nil, err
	}
	out := &anypb.Any{}
	return &pb.GetCacheResponse{Value: out}, proto.Unmarshal(value, out)
}

// ClearCache takes out the entries whose tag begins with a text.
func (s *Server) ClearCache(ctx context.Context, req *pb.ClearCacheRequest) (*emptypb.Empty, error) {
	if err := allowCache(ctx); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, s.edits.Sets.Clear(ctx, req.GetTagPrefix())
}
