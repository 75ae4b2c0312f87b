package pfs_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/auth"
	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

// fileSet makes one of a stream of changes.
func fileSet(ctx context.Context, c pb.APIClient, changes ...*pb.ModifyFileRequest) (string, error) {
	stream, err := c.CreateFileSet(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range changes {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	res, err := stream.CloseAndRecv()
	return res.GetFileSetId(), err
}

// inSet is what upstream's clients name a file set by where a commit is asked for.
func inSet(id string) *pb.Commit { return &pb.Commit{Repo: repo("__filesets__"), Id: id} }

func cp(dst string, from *pb.Commit, src string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_CopyFile{CopyFile: &pb.CopyFile{
		Dst: dst, Src: &pb.File{Commit: from, Path: src},
	}}}
}

func addSet(ctx context.Context, c pb.APIClient, to *pb.Commit, id string) error {
	_, err := c.AddFileSet(ctx, &pb.AddFileSetRequest{Commit: to, FileSetId: id})
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reads are all the ways to read a file set, with what each gives as one text.
var reads = map[string]struct {
	want string
	call func(ctx context.Context, c pb.APIClient, id string) (string, error)
}{
	"InspectFile": {"/d/ 3", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		i, err := c.InspectFile(ctx, &pb.InspectFileRequest{File: &pb.File{Commit: inSet(id), Path: "/d"}})
		if err == nil && i.GetSizeBytes() != 3 {
			err = errors.New("not 3 bytes")
		}
		return i.GetFile().GetPath() + " 3", err
	}},
	"ListFile": {"/a /d/", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		all, err := all(c.ListFile(ctx, &pb.ListFileRequest{File: &pb.File{Commit: inSet(id), Path: "/"}}))
		return strings.Join(paths(all), " "), err
	}},
	"WalkFile": {"/ /a /d/ /d/b", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		all, err := all(c.WalkFile(ctx, &pb.WalkFileRequest{File: &pb.File{Commit: inSet(id), Path: "/"}}))
		return strings.Join(paths(all), " "), err
	}},
	"GlobFile": {"/d/b", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		all, err := all(c.GlobFile(ctx, &pb.GlobFileRequest{Commit: inSet(id), Pattern: "/d/*"}))
		return strings.Join(paths(all), " "), err
	}},
	"GetFile": {"two", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		return get(ctx, c, inSet(id), "/d/b")
	}},
	"GetFile as a branch": {"two", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		return get(ctx, c, &pb.Commit{Branch: branch("__filesets__", id)}, "/d/b")
	}},
	"GetFileTAR": {"/d/ /d/b", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		pieces, err := all(c.GetFileTAR(ctx, &pb.GetFileRequest{File: &pb.File{Commit: inSet(id), Path: "/d"}}))
		return strings.Join(tarNames(pieces), " "), err
	}},
	"DiffFile": {">/ >/a >/d/ >/d/b", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		changes, err := all(c.DiffFile(ctx, &pb.DiffFileRequest{NewFile: &pb.File{Commit: inSet(id), Path: "/"}}))
		var changed []string
		for _, d := range changes {
			changed = append(changed, strings.TrimPrefix(d.GetOldFile().GetFile().GetPath(), "/")+">"+d.GetNewFile().GetFile().GetPath())
		}
		return strings.Join(changed, " "), err
	}},
	"CopyFile": {"two", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		other, err := fileSet(ctx, c, cp("/copied", inSet(id), "/d/b"))
		if err != nil {
			return "", err
		}
		return get(ctx, c, inSet(other), "/copied")
	}},
	"ShardFileSet": {" /d/b  /d/b ", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		res, err := c.ShardFileSet(ctx, &pb.ShardFileSetRequest{FileSetId: id, NumFiles: 1})
		var ends []string
		for _, s := range res.GetShards() {
			ends = append(ends, s.GetLower()+" "+s.GetUpper())
		}
		return strings.Join(ends, "  "), err
	}},
	"ComposeFileSet": {"two", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		res, err := c.ComposeFileSet(ctx, &pb.ComposeFileSetRequest{FileSetIds: []string{id}, TtlSeconds: 60, Compact: true})
		if err != nil {
			return "", err
		}
		return get(ctx, c, inSet(res.GetFileSetId()), "/d/b")
	}},
	"RenewFileSet": {"", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		_, err := c.RenewFileSet(ctx, &pb.RenewFileSetRequest{FileSetId: id, TtlSeconds: 600})
		return "", err
	}},
	"AddFileSet": {"", func(ctx context.Context, c pb.APIClient, id string) (string, error) {
		return "", addSet(ctx, c, at("images@copies"), id)
	}},
}

func TestFileSet_FromAStreamToACommit(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		ctx, c := s.Root(), s.API.PFS
		_, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")})
		must(t, err)
		must(t, modify(ctx, c, at("images@master"), add("/a", "zero"), add("/gone", "x"), add("/d/c", "three"), add("/log", "1")))
		id, err := fileSet(ctx, c, del("/a"), add("/a", "o"), add("/a", "ne"), del("/gone"), add("/d/b", "two"))
		must(t, err)
		for name, r := range reads {
			if got, err := r.call(ctx, c, id); err != nil || got != r.want {
				t.Errorf("%s: %q, %v, wanted %q", name, got, err, r.want)
			}
		}
		i, err := c.InspectFile(ctx, &pb.InspectFileRequest{File: &pb.File{Commit: inSet(id), Path: "/a"}})
		if err != nil || i.GetCommitted() == nil || i.GetFile().GetCommit().GetRepo().GetName() != "__filesets__" || i.GetFile().GetCommit().GetId() != id {
			t.Errorf("a file of a set is %v, %v", i, err)
		}
		must(t, addSet(ctx, c, at("images@master"), id))
		files, err := all(c.WalkFile(ctx, &pb.WalkFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/"}}))
		if got := paths(files); err != nil || !slices.Equal(got, []string{"/", "/a", "/d/", "/d/b", "/d/c", "/log"}) {
			t.Errorf("the commit has %q, %v", got, err)
		}
		if got, err := get(ctx, c, at("images@master"), "/a"); got != "one" || err != nil {
			t.Errorf("it was to be replaced: %q, %v", got, err)
		}
		// What is not deleted goes on, also in a commit that is open, and by a later set.
		open, err := c.StartCommit(ctx, &pb.StartCommitRequest{Branch: branch("images", "master")})
		must(t, err)
		more, err := fileSet(ctx, c, add("/log", "2"))
		must(t, err)
		must(t, addSet(ctx, c, open, more))
		must(t, addSet(ctx, c, &pb.Commit{Repo: repo("images"), Id: open.GetId()}, more))
		if got, err := get(ctx, c, open, "/log"); got != "122" || err != nil {
			t.Errorf("it was to go on: %q, %v", got, err)
		}
		_, err = c.FinishCommit(ctx, &pb.FinishCommitRequest{Commit: open})
		must(t, err)
		pachdtest.Want(t, addSet(ctx, c, &pb.Commit{Repo: repo("images"), Id: open.GetId()}, more), codes.FailedPrecondition, "has already finished")

		diff, err := c.GetFileSet(ctx, &pb.GetFileSetRequest{Commit: open, Type: pb.GetFileSetRequest_DIFF})
		must(t, err)
		whole, err := c.GetFileSet(ctx, &pb.GetFileSetRequest{Commit: open})
		must(t, err)
		for of, want := range map[string][]string{diff.GetFileSetId(): {"/", "/log"}, whole.GetFileSetId(): paths(files)} {
			got, err := all(c.WalkFile(ctx, &pb.WalkFileRequest{File: &pb.File{Commit: inSet(of), Path: "/"}}))
			if err != nil || !slices.Equal(paths(got), want) {
				t.Errorf("the set has %q, %v, wanted %q", paths(got), err, want)
			}
		}
		_, err = c.RenewFileSet(ctx, &pb.RenewFileSetRequest{FileSetId: id})
		pachdtest.Want(t, err, codes.InvalidArgument, "must be at least one second")
		_, err = c.RenewFileSet(ctx, &pb.RenewFileSetRequest{FileSetId: id, TtlSeconds: 1801})
		pachdtest.Want(t, err, codes.InvalidArgument, "exceeds max ttl")
		_, err = fileSet(ctx, c, &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: open}})
		pachdtest.Want(t, err, codes.InvalidArgument, "cannot set commit")
	})
}

// An id that was stolen is of no use, whatever roles the thief has, and no answer tells
// of it; pachd's administrator can look. An id that has expired is answered alike.
func TestFileSet_IsItsMakersAlone(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	maker, _ := s.Robot("maker", 0)
	thief, _ := s.Robot("thief", 0)
	must(t, s.Bind(pachdtest.Cluster(), "robot:thief", "clusterAdmin"))
	_, err := c.CreateRepo(s.Root(), &pb.CreateRepoRequest{Repo: repo("images")})
	must(t, err)
	must(t, s.Bind(pachdtest.Repo("default/images"), "robot:maker", "repoWriter"))
	id, err := fileSet(maker, c, add("/a", "one"), add("/d/b", "two"))
	must(t, err)
	for name, r := range reads {
		_, stolen := r.call(thief, c, id)
		_, unknown := r.call(thief, c, strings.Repeat("0", 32))
		pachdtest.Want(t, stolen, codes.NotFound, "no fileset found")
		if unknown == nil || stolen == nil || unknown.Error() != stolen.Error() {
			t.Errorf("%s tells them apart: %v, %v", name, stolen, unknown)
		}
		if _, err := r.call(s.Root(), c, id); err != nil {
			t.Errorf("%s by root: %v", name, err)
		}
	}
	_, err = all(c.DiffFile(thief, &pb.DiffFileRequest{
		NewFile: &pb.File{Commit: at("images@copies"), Path: "/"}, OldFile: &pb.File{Commit: inSet(id), Path: "/"},
	}))
	pachdtest.Want(t, err, codes.NotFound, "no fileset found")
	for _, hidden := range []error{
		modify(s.Root(), c, &pb.Commit{Repo: repo("__filesets__"), Id: id}, add("/x", "y")),
		addSet(s.Root(), c, inSet(id), id),
	} {
		pachdtest.Want(t, hidden, codes.NotFound, "not found")
	}
	s.Ahead(time.Hour)
	for name, r := range reads {
		if _, err := r.call(maker, c, id); err == nil || !strings.Contains(err.Error(), "no fileset found") {
			t.Errorf("%s after it has ended: %v", name, err)
		}
	}
}

// Who may not read a repository copies nothing from it, and who may not write to one
// adds no set.
func TestFileSet_AsksTheRepository(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	_, err := c.CreateRepo(s.Root(), &pb.CreateRepoRequest{Repo: repo("images")})
	must(t, err)
	must(t, modify(s.Root(), c, at("images@master"), add("/a", "one")))
	stranger, _ := s.Robot("stranger", 0)
	reader, _ := s.Robot("reader", 0)
	must(t, s.Bind(pachdtest.Repo("default/images"), "robot:reader", "repoReader"))
	_, err = fileSet(stranger, c, cp("/b", at("images@master"), "/a"))
	pachdtest.Want(t, err, codes.PermissionDenied, "REPO_READ")
	_, err = c.GetFileSet(stranger, &pb.GetFileSetRequest{Commit: at("images@master")})
	pachdtest.Want(t, err, codes.PermissionDenied, "REPO_READ")
	id, err := fileSet(reader, c, cp("/b", at("images@master"), "/a"))
	must(t, err)
	pachdtest.Want(t, addSet(reader, c, at("images@master"), id), codes.PermissionDenied, "REPO_WRITE")
	own, err := fileSet(stranger, c, add("/a", "x"))
	must(t, err)
	head, err := c.InspectCommit(s.Root(), &pb.InspectCommitRequest{Commit: at("images@master")})
	must(t, err)
	// Who may not write hears of neither the commit nor the set.
	finished := &pb.Commit{Repo: repo("images"), Id: head.GetCommit().GetId()}
	pachdtest.Want(t, addSet(stranger, c, finished, strings.Repeat("0", 32)), codes.PermissionDenied, "REPO_WRITE")
	pachdtest.Want(t, addSet(stranger, c, at("images@master"), own), codes.PermissionDenied, "REPO_WRITE")
}

func TestCreateRepo_NotAsFileSetsAreNamed(t *testing.T) {
	s := pachdtest.Start(t)
	for _, r := range []*pb.Repo{repo("__filesets__"), {Name: "__filesets__", Type: "spec"}} {
		_, err := s.API.PFS.CreateRepo(s.Root(), &pb.CreateRepoRequest{Repo: r})
		pachdtest.Want(t, err, codes.InvalidArgument, "repo name (__filesets__) invalid: it is what file sets are named by")
	}
}

// The cache is that of pipelines; who else could put something there would make them
// take it for their own.
func TestCache_KeepsItsFileSets(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		ctx, c := s.Root(), s.API.PFS
		id, err := fileSet(ctx, c, add("/a", "one"))
		must(t, err)
		value, err := anypb.New(wrapperspb.String("result"))
		must(t, err)
		put := &pb.PutCacheRequest{Key: "k", Tag: "job-1", Value: value, FileSetIds: []string{id}}
		_, err = c.PutCache(ctx, put)
		must(t, err)
		s.Ahead(time.Hour)
		got, err := c.GetCache(ctx, &pb.GetCacheRequest{Key: "k"})
		if err != nil || !proto.Equal(got.GetValue(), value) {
			t.Errorf("%v, %v", got, err)
		}
		if text, err := get(ctx, c, inSet(id), "/a"); text != "one" || err != nil {
			t.Errorf("the set that it keeps: %q, %v", text, err)
		}
		robot, _ := s.Robot("somebody", 0)
		must(t, s.Bind(pachdtest.Cluster(), "robot:somebody", "clusterAdmin"))
		_, denied := c.PutCache(robot, put)
		pachdtest.Want(t, denied, codes.PermissionDenied, "the cache is that of pipelines")
		_, denied = c.GetCache(robot, &pb.GetCacheRequest{Key: "k"})
		pachdtest.Want(t, denied, codes.PermissionDenied, "the cache is that of pipelines")
		_, denied = c.ClearCache(robot, &pb.ClearCacheRequest{})
		pachdtest.Want(t, denied, codes.PermissionDenied, "the cache is that of pipelines")
		_, err = c.ClearCache(ctx, &pb.ClearCacheRequest{TagPrefix: "job"})
		must(t, err)
		_, err = c.GetCache(ctx, &pb.GetCacheRequest{Key: "k"})
		pachdtest.Want(t, err, codes.NotFound, "cache entry k not found")
		_, err = get(ctx, c, inSet(id), "/a")
		pachdtest.Want(t, err, codes.NotFound, "no fileset found")
	})
}

// While authentication is off, sets are everybody's.
func TestFileSet_WithoutAuthentication(t *testing.T) {
	s := pachdtest.Start(t)
	s.Deactivate(s.Root())
	ctx, c := t.Context(), s.API.PFS
	id, err := fileSet(ctx, c, add("/a", "one"))
	must(t, err)
	if text, err := get(ctx, c, inSet(id), "/a"); text != "one" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// Whoever has lost their token in the middle reads no more of a set, and makes none.
func TestFileSet_EndsWithTheToken(t *testing.T) {
	s := pachdtest.Start(t)
	c := s.API.PFS
	ctx, token := s.Robot("maker", 0)
	const pieces = 32
	id, err := fileSet(ctx, c, slices.Repeat([]*pb.ModifyFileRequest{add("/big", strings.Repeat("0123456789abcdef", 2<<20/16))}, pieces)...)
	must(t, err)
	down, err := c.GetFile(ctx, &pb.GetFileRequest{File: &pb.File{Commit: inSet(id), Path: "/big"}})
	must(t, err)
	first, err := down.Recv()
	must(t, err)
	up, err := c.CreateFileSet(ctx)
	must(t, err)
	must(t, up.Send(add("/late", "x")))
	_, err = s.API.Auth.RevokeAuthToken(s.Root(), &auth.RevokeAuthTokenRequest{Token: token})
	must(t, err)
	more, err := rest(down)
	if len(first.GetValue())+more == pieces*2<<20 || status.Code(err) != codes.Unauthenticated {
		t.Errorf("%d bytes came, and then %v", more, err)
	}
	if made, err := up.CloseAndRecv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("made %v, %v", made, err)
	}
}
