package data_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "pachyderm/api/data"
	pfspb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

func on(repoName, branch string) *pfspb.Commit {
	return &pfspb.Commit{Repo: repo(repoName), Branch: &pfspb.Branch{Repo: repo(repoName), Name: branch}}
}

func to(c *pfspb.Commit) *pfspb.ModifyFileRequest {
	return &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_SetCommit{SetCommit: c}}
}

func add(path, datum, text string) *pfspb.ModifyFileRequest {
	return &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_AddFile{AddFile: &pfspb.AddFile{
		Path: path, Datum: datum, Source: &pfspb.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text))},
	}}}
}

func del(path, datum string) *pfspb.ModifyFileRequest {
	return &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_DeleteFile{DeleteFile: &pfspb.DeleteFile{Path: path, Datum: datum}}}
}

func cp(dst string, from *pfspb.Commit, path string) *pfspb.ModifyFileRequest {
	return &pfspb.ModifyFileRequest{Body: &pfspb.ModifyFileRequest_CopyFile{CopyFile: &pfspb.CopyFile{
		Dst: dst, Src: &pfspb.File{Commit: from, Path: path},
	}}}
}

// together sends messages of several changes each.
func (r rig) together(ctx context.Context, messages ...[]*pfspb.ModifyFileRequest) error {
	stream, err := r.API.Data.ModifyFiles(ctx)
	if err != nil {
		return err
	}
	for _, m := range messages {
		if stream.Send(&pb.ModifyFilesRequest{Changes: m}) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

func (r rig) alone(ctx context.Context, changes ...*pfspb.ModifyFileRequest) error {
	stream, err := r.API.PFS.ModifyFile(ctx)
	if err != nil {
		return err
	}
	for _, m := range changes {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

// files are the paths, datums and hashes of all that a commit holds.
func (r rig) files(c *pfspb.Commit) (all []string) {
	r.t.Helper()
	stream, err := r.API.PFS.WalkFile(r.Root(), &pfspb.WalkFileRequest{File: &pfspb.File{Commit: c, Path: "/"}})
	r.must(err)
	for {
		i, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		r.must(err)
		all = append(all, fmt.Sprintf("%s %s %d %x", i.GetFile().GetPath(), i.GetFile().GetDatum(), i.GetSizeBytes(), i.GetHash()))
	}
}

// However changes are divided into messages, they end as one in each message would.
func TestModifyFiles_EndAsOneByOne(t *testing.T) {
	r := start(t)
	r.must(r.alone(r.Root(), to(on("images", "before")), add("/a", "", "old"), add("/dir/x", "", "x"), add("/dir/y", "", "y")))
	source := on("images", "before")
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 40 {
		names := [2]string{fmt.Sprintf("one-%d", round), fmt.Sprintf("many-%d", round)}
		var changes []*pfspb.ModifyFileRequest
		for n := range 1 + random.IntN(60) {
			path := fmt.Sprintf("/%c/file-%d", 'a'+rune(random.IntN(3)), random.IntN(6))
			datum := []string{"", "", "d"}[random.IntN(3)]
			length := []int{0, 1, 10, 5000, 24<<10 + 1, 300_000}[random.IntN(6)]
			switch random.IntN(8) {
			case 0:
				changes = append(changes, del(path, datum))
			case 1:
				changes = append(changes, cp(path, source, []string{"/a", "/dir"}[random.IntN(2)]))
			case 2:
				changes = append(changes, del(fmt.Sprintf("/%c/", 'a'+rune(random.IntN(3))), ""))
			case 3:
				changes = append(changes, del("/plain", datum), add("/plain", datum, strings.Repeat("p", length)))
			default:
				changes = append(changes, add(path, datum, strings.Repeat(string(rune('a'+n%26)), length)))
			}
		}
		r.must(r.alone(r.Root(), append([]*pfspb.ModifyFileRequest{to(on("images", names[0]))}, changes...)...))
		changes = append([]*pfspb.ModifyFileRequest{to(on("images", names[1]))}, changes...)
		var messages [][]*pfspb.ModifyFileRequest
		for len(changes) > 0 {
			n := 1 + random.IntN(len(changes))
			messages, changes = append(messages, changes[:n], nil), changes[n:]
		}
		r.must(r.together(r.Root(), messages...))
		if one, many := r.files(on("images", names[0])), r.files(on("images", names[1])); !slices.Equal(one, many) {
			t.Fatalf("round %d: one by one\n%q\nand together\n%q", round, one, many)
		}
	}
}

// The memory that a message was received in is others' as soon as its changes are made.
func TestModifyFiles_ManyAtOnceEndWithTheirOwn(t *testing.T) {
	r := start(t)
	text := func(n int) string { return strings.Repeat(fmt.Sprintf("%08d", n), 250) }
	const streams, messages, each = 16, 10, 3
	var busy sync.WaitGroup
	for n := range streams {
		busy.Go(func() {
			all := [][]*pfspb.ModifyFileRequest{{to(on("images", "master"))}}
			for m := range messages {
				var some []*pfspb.ModifyFileRequest
				for k := range each {
					n := (n*messages+m)*each + k
					some = append(some, del(fmt.Sprintf("/%d", n), ""), add(fmt.Sprintf("/%d", n), "", text(n)))
				}
				all = append(all, some)
			}
			if err := r.together(r.Root(), all...); err != nil {
				t.Error(err)
			}
		})
	}
	busy.Wait()
	for n := range streams * messages * each {
		stream, err := r.API.PFS.GetFile(r.Root(), &pfspb.GetFileRequest{File: &pfspb.File{Commit: on("images", "master"), Path: fmt.Sprintf("/%d", n)}})
		r.must(err)
		if m, err := stream.Recv(); err != nil || string(m.GetValue()) != text(n) {
			t.Errorf("file %d is %.16q..., %v", n, m.GetValue(), err)
		}
	}
}

func TestModifyFiles_Roles(t *testing.T) {
	r := start(t)
	r.must(r.alone(r.Root(), to(on("edges", "side")), add("/secret", "", "x")))
	images := pachdtest.Repo("default/images")
	nobody, _ := r.Robot("nobody", 0)
	reader, _ := r.Robot("reader", 0)
	writer, _ := r.Robot("writer", 0)
	r.must(r.Bind(pachdtest.Project("default"), "allClusterUsers"))
	r.must(r.Bind(images, "robot:reader", "repoReader"))
	r.must(r.Bind(images, "robot:writer", "repoWriter"))
	for name, c := range map[string]struct {
		ctx  context.Context
		code codes.Code
	}{
		"a stranger": {t.Context(), codes.Unauthenticated}, "nobody": {nobody, codes.NotFound},
		"reader": {reader, codes.PermissionDenied}, "writer": {writer, codes.OK},
	} {
		err := r.together(c.ctx, []*pfspb.ModifyFileRequest{to(on("images", "mine")), add("/a", "", "x")})
		if status.Code(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	err := r.together(writer, []*pfspb.ModifyFileRequest{to(on("images", "mine")), cp("/b", on("edges", "side"), "/secret")})
	if status.Code(err) != codes.NotFound {
		t.Errorf("the writer copies what they do not see: %v", err)
	}
	stream, err := r.API.Data.ModifyFiles(writer)
	r.must(err)
	r.must(stream.Send(&pb.ModifyFilesRequest{Changes: []*pfspb.ModifyFileRequest{to(on("images", "mine")), add("/late", "", "x")}}))
	r.must(r.Bind(images, "robot:writer"))
	if _, err := stream.CloseAndRecv(); status.Code(err) != codes.NotFound {
		t.Errorf("the writer, who is none any more: %v", err)
	}
	if got := r.files(on("images", "mine")); slices.ContainsFunc(got, func(f string) bool { return strings.HasPrefix(f, "/late") }) {
		t.Errorf("it was written: %q", got)
	}
}

func TestModifyFiles_WhatCannotBe(t *testing.T) {
	r := start(t)
	commit := to(on("images", "master"))
	for name, messages := range map[string][][]*pfspb.ModifyFileRequest{
		"no commit":      {{add("/a", "", "x")}},
		"nothing at all": {{}},
		"two commits":    {{commit, add("/a", "", "x")}, {commit}},
		"a bad path":     {{commit, add("/a", "", "x"), add("/a/../b", "", "x")}},
		"no change":      {{commit, add("/a", "", "x"), {}}},
	} {
		if err := r.together(r.Root(), messages...); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := r.files(on("images", "master")); len(got) > 1 {
		t.Errorf("something was written: %q", got)
	}
	r.must(r.together(r.Root(), []*pfspb.ModifyFileRequest{commit}, nil, []*pfspb.ModifyFileRequest{add("/a", "", "x")}, nil))
	if got := r.files(on("images", "master")); len(got) != 2 {
		t.Errorf("messages without changes: %q", got)
	}
}

// Whoever puts a file where there is a directory hears that nothing will be made of it.
func TestModifyFiles_SayWhatIsWrongWithTheCommit(t *testing.T) {
	r := start(t)
	send := func(c *pfspb.Commit, changes ...*pfspb.ModifyFileRequest) *pb.ModifyFilesResponse {
		t.Helper()
		stream, err := r.API.Data.ModifyFiles(r.Root())
		r.must(err)
		r.must(stream.Send(&pb.ModifyFilesRequest{Changes: append([]*pfspb.ModifyFileRequest{to(c)}, changes...)}))
		made, err := stream.CloseAndRecv()
		r.must(err)
		head, err := r.API.PFS.InspectCommit(r.Root(), &pfspb.InspectCommitRequest{Commit: c})
		r.must(err)
		if made.GetCommit().GetId() != head.GetCommit().GetId() || made.GetCommit().GetRepo().GetName() != "images" || made.GetError() != head.GetError() {
			t.Errorf("%v was written, and the head is %v with the error %q", made, head.GetCommit(), head.GetError())
		}
		return made
	}
	branch := on("images", "master")
	if made := send(branch, add("/h", "", "a file")); made.GetError() != "" {
		t.Errorf("a file: %q", made.GetError())
	}
	if made := send(branch, add("/h/a", "", "below it")); !strings.Contains(made.GetError(), "collision (/h)") {
		t.Errorf("a file below a file: %q", made.GetError())
	}
	if made := send(branch, del("/h", ""), add("/h/a", "", "in its place")); made.GetError() != "" {
		t.Errorf("in place of the file: %q", made.GetError())
	}
	// In an open commit there is time to mend it.
	_, err := r.API.PFS.StartCommit(r.Root(), &pfspb.StartCommitRequest{Branch: branch.GetBranch()})
	r.must(err)
	if made := send(branch, add("/h", "", "a file")); made.GetError() != "" {
		t.Errorf("in an open commit: %q", made.GetError())
	}
}
