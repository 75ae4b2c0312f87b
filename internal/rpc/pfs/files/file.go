package files

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/archive"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/edit"
	"pachyderm/internal/rpc/pfs/guard"
	"pachyderm/internal/rpc/wire"
)

// Server serves the methods about files.
type Server struct {
	pb.UnimplementedAPIServer
	files *file.Service
	edits *edit.Edits
	again guard.Again
	now   func() time.Time
}

// New makes a Server.
func New(edits *edit.Edits, sessions *session.Service, now func() time.Time) *Server {
	return &Server{files: edits.Files, edits: edits, again: guard.Again{Sessions: sessions}, now: now}
}

// ModifyFile writes to a commit what the stream says, in its order, once all has come.
func (s *Server) ModifyFile(stream pb.API_ModifyFileServer) error {
	if err := s.edits.Modify(stream, s.again, s.now()); err != nil {
		return err
	}
	return stream.SendAndClose(&emptypb.Empty{})
}

// infos makes FileInfo of files, many of them in one piece of memory, with the same
// names and time of the commit in all of them.
type infos struct {
	id     string // of the commit
	commit *pb.Commit
	at     *timestamppb.Timestamp
	free   []infoMemory
	made   int
}

type infoMemory struct {
	info pb.FileInfo
	file pb.File
	hash tree.Hash
}

// mostInfos is how many are made at a time.
const mostInfos = 64

// of is a message, which nobody changes.
func (s *infos) of(i *file.Info) *pb.FileInfo {
	if s.commit == nil || s.id != i.Commit.ID {
		s.id, s.commit = i.Commit.ID, convert.ToCommit(i.Commit.Repo, i.Commit.ID, i.Commit.Branch)
		s.at = wire.Timestamp(i.Committed)
	}
	if len(s.free) == 0 {
		s.made = min(2*s.made+1, mostInfos)
		s.free = make([]infoMemory, s.made)
	}
	m := &s.free[0]
	s.free = s.free[1:]
	m.hash = i.Hash
	m.file.Commit, m.file.Path = s.commit, i.Path
	m.info.File, m.info.Committed, m.info.SizeBytes, m.info.Hash = &m.file, s.at, i.Size, m.hash[:]
	m.info.FileType = pb.FileType_DIR
	if !i.Dir {
		m.info.FileType, m.file.Datum = pb.FileType_FILE, i.Datum
	}
	return &m.info
}

// InspectFile is one file or directory.
func (s *Server) InspectFile(ctx context.Context, req *pb.InspectFileRequest) (*pb.FileInfo, error) {
	f := req.GetFile()
	v, err := s.edits.View(ctx, f.GetCommit(), access.RepoInspectFile, access.RepoRead)
	if err != nil {
		return nil, err
	}
	i, err := v.Inspect(ctx, f.GetPath(), f.GetDatum())
	if err != nil {
		return nil, err
	}
	return new(infos).of(&i), nil
}

// sender is a stream of files.
type sender interface {
	Send(info *pb.FileInfo) error
}

// maxFiles is how many files a list that is asked for by number may have, as upstream has it.
const maxFiles = 100_000

// page is what a list is asked for, with the number of files, 0 for all. Fault: Invalid.
func page(marker *pb.File, number int64, reverse bool) (tree.Page, int64, error) {
	switch {
	case number < 0 || number > maxFiles:
		return tree.Page{}, 0, fault.New(fault.Invalid, "cannot list %d files at a time: at most %d", number, maxFiles).
			Next("ask for fewer, and for the next by the last one")
	case reverse && number == 0:
		return tree.Page{}, 0, fault.New(fault.Invalid, "number must be > 0 when reverse is true")
	}
	return tree.Page{After: marker.GetPath(), AfterDatum: marker.GetDatum(), Reverse: reverse}, number, nil
}

// sendFiles sends so many files, or all if number is 0.
func sendFiles(stream sender, all iter.Seq2[file.Info, error], number int64) error {
	sent, made := int64(0), infos{}
	for i, err := range all {
		if err == nil {
			err = stream.Send(made.of(&i))
		}
		if err != nil {
			return err
		}
		if sent++; sent == number {
			return nil
		}
	}
	return nil
}

// ListFile sends the children of a directory, or a file itself.
func (s *Server) ListFile(req *pb.ListFileRequest, stream pb.API_ListFileServer) error {
	return s.sendPage(stream.Context(), stream, req, func(v *file.View, p tree.Page) iter.Seq2[file.Info, error] {
		return v.List(stream.Context(), req.GetFile().GetPath(), p)
	})
}

// WalkFile sends a file, or a directory and all below it.
func (s *Server) WalkFile(req *pb.WalkFileRequest, stream pb.API_WalkFileServer) error {
	return s.sendPage(stream.Context(), stream, req, func(v *file.View, p tree.Page) iter.Seq2[file.Info, error] {
		return v.Walk(stream.Context(), req.GetFile().GetPath(), p)
	})
}

// pageRequest asks for a page of the files of a commit.
type pageRequest interface {
	GetFile() *pb.File
	GetPaginationMarker() *pb.File
	GetNumber() int64
	GetReverse() bool
}

func (s *Server) sendPage(
	ctx context.Context, to sender, req pageRequest, list func(*file.View, tree.Page) iter.Seq2[file.Info, error],
) error {
	p, number, err := page(req.GetPaginationMarker(), req.GetNumber(), req.GetReverse())
	if err != nil {
		return err
	}
	v, err := s.edits.View(ctx, req.GetFile().GetCommit(), access.RepoListFile, access.RepoRead)
	if err != nil {
		return err
	}
	return sendFiles(to, list(v, p), number)
}

// GlobFile sends what a pattern matches.
func (s *Server) GlobFile(req *pb.GlobFileRequest, stream pb.API_GlobFileServer) error {
	v, err := s.edits.View(stream.Context(), req.GetCommit(), access.RepoRead, access.RepoListFile)
	if err != nil {
		return err
	}
	return sendFiles(stream, v.Glob(stream.Context(), req.GetPattern(), rangeOf(req.GetPathRange())), 0)
}

func rangeOf(r *pb.PathRange) file.Range { return file.Range{Lower: r.GetLower(), Upper: r.GetUpper()} }

// DiffFile sends what two commits do not have alike at a path.
func (s *Server) DiffFile(req *pb.DiffFileRequest, stream pb.API_DiffFileServer) error {
	ctx, f, oldFile := stream.Context(), req.GetNewFile(), req.GetOldFile()
	v, err := s.edits.View(ctx, f.GetCommit(), access.RepoRead)
	if err != nil {
		return err
	}
	var old *file.View
	if oldFile != nil {
		if old, err = s.edits.View(ctx, oldFile.GetCommit(), access.RepoRead); err != nil {
			return err
		}
	}
	return sendDiff(stream, s.files.Diff(ctx, v, old, f.GetPath(), oldFile.GetPath(), req.GetShallow()))
}

func sendDiff(stream pb.API_DiffFileServer, all iter.Seq2[file.Change, error]) error {
	var made, before infos
	for c, err := range all {
		if err != nil {
			return err
		}
		out := &pb.DiffFileResponse{}
		if c.New != nil {
			out.NewFile = made.of(c.New)
		}
		if c.Old != nil {
			out.OldFile = before.of(c.Old)
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
	return nil
}

// GetFile sends the bytes of the one file that a pattern matches.
func (s *Server) GetFile(req *pb.GetFileRequest, stream pb.API_GetFileServer) error {
	ctx, f := stream.Context(), req.GetFile()
	v, err := s.edits.View(ctx, f.GetCommit(), access.RepoRead)
	if err != nil {
		return err
	}
	if req.GetURL() != "" {
		return errNoEgress()
	}
	i, err := v.One(ctx, f.GetPath(), f.GetDatum())
	if err != nil {
		return err
	}
	return sendBytes(ctx, v, i, req.GetOffset(), s.guarded(ctx, v, stream))
}

func errNoEgress() error {
	return fault.New(fault.Unimplemented, "writing to an object store is not part of this pachd yet").
		Next("leave the URL out, and get the files here")
}

// GetFileTAR sends a tar archive of what a pattern matches, with all below directories.
func (s *Server) GetFileTAR(req *pb.GetFileRequest, stream pb.API_GetFileTARServer) error {
	ctx, f := stream.Context(), req.GetFile()
	v, err := s.edits.View(ctx, f.GetCommit(), access.RepoRead)
	if err != nil {
		return err
	}
	if req.GetURL() != "" {
		return errNoEgress()
	}
	return archive.TAR(ctx, v, f.GetPath(), rangeOf(req.GetPathRange()), copied{s.guarded(ctx, v, stream)})
}

func sendBytes(ctx context.Context, v *file.View, i file.Info, offset int64, w io.Writer) error {
	r, err := v.Open(ctx, i, offset)
	if err != nil {
		return err
	}
	_, err = r.WriteTo(w)
	return errors.Join(err, r.Close())
}

// piece is how much a message carries, in bytes.
const piece = 2 << 20

// bytesSender is a stream of bytes.
type bytesSender interface {
	Send(bytes *wrapperspb.BytesValue) error
}

// guardedBytes sends bytes as long as the caller may read them. It keeps what it is given,
// which nobody may change any more.
type guardedBytes struct {
	to    bytesSender
	check func() error
}

// guarded is where the bytes of a commit go. Whoever loses the right to read in the
// middle gets no more of them.
func (s *Server) guarded(ctx context.Context, v *file.View, to bytesSender) *guardedBytes {
	return &guardedBytes{to, func() error {
		if v.Commit.Repo.Name == graph.FileSets {
			return s.again.StillCaller(ctx)
		}
		return s.again.Still(ctx, v.Commit.Repo, access.RepoRead)
	}}
}

// copied is for bytes whose memory is used again.
type copied struct{ to *guardedBytes }

// Write is io.Writer's.
func (c copied) Write(p []byte) (int, error) { return c.to.Write(bytes.Clone(p)) }

// Write writes what it may keep.
func (g *guardedBytes) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if err := g.check(); err != nil {
			return written, err
		}
		n := min(len(p), piece)
		if err := g.to.Send(&wrapperspb.BytesValue{Value: p[:n]}); err != nil {
			return written, err
		}
		written, p = written+n, p[n:]
	}
	return written, nil
}
