package pfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

func repo(name string) *pb.Repo { return &pb.Repo{Name: name} }

func branch(repoName, name string) *pb.Branch { return &pb.Branch{Repo: repo(repoName), Name: name} }

// at is a commit by "images@master".
func at(name string) *pb.Commit {
	r, b, _ := strings.Cut(name, "@")
	return &pb.Commit{Repo: repo(r), Branch: branch(r, b)}
}

// modify sends one stream of changes.
func modify(ctx context.Context, c pb.APIClient, to *pb.Commit, changes ...*pb.ModifyFileRequest) error {
	stream, err := c.ModifyFile(ctx)
	if err != nil {
		return err
	}
	for _, m := range append([]*pb.ModifyFileRequest{{Body: &pb.ModifyFileRequest_SetCommit{SetCommit: to}}}, changes...) {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

func add(path, text string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
		Path: path, Source: &pb.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text))},
	}}}
}

func del(path string) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_DeleteFile{DeleteFile: &pb.DeleteFile{Path: path}}}
}

// all reads a stream to its end.
func all[M any](stream grpc.ServerStreamingClient[M], err error) (out []*M, _ error) {
	if err != nil {
		return nil, err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, m)
	}
}

func paths(infos []*pb.FileInfo) (out []string) {
	for _, i := range infos {
		out = append(out, i.GetFile().GetPath())
	}
	return out
}

func get(ctx context.Context, c pb.APIClient, from *pb.Commit, path string) (string, error) {
	pieces, err := all(c.GetFile(ctx, &pb.GetFileRequest{File: &pb.File{Commit: from, Path: path}}))
	var text strings.Builder
	for _, p := range pieces {
		text.Write(p.GetValue())
	}
	return text.String(), err
}

func TestData_FromRepoToFileAndBack(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		ctx, c := s.Root(), s.API.PFS
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images"), Description: "of cats"}); err != nil {
			t.Fatal(err)
		}
		big := strings.Repeat("0123456789abcdef", 3<<20/16*2)
		err := modify(ctx, c, at("images@master"), del("/a.png"), add("/a.png", "first"), add("/dir/b.png", "second"),
			add("/dir/c.png", big[:2<<20]), add("/dir/c.png", big[2<<20:]), add("/empty", ""))
		if err != nil {
			t.Fatal(err)
		}
		files, err := all(c.ListFile(ctx, &pb.ListFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/"}}))
		if got := paths(files); err != nil || !slices.Equal(got, []string{"/a.png", "/dir/", "/empty"}) {
			t.Errorf("listed %q, %v", got, err)
		}
		if len(files) == 3 && (files[0].GetSizeBytes() != 5 || files[1].GetSizeBytes() != int64(len(big)+6) || files[1].GetFileType() != pb.FileType_DIR) {
			t.Errorf("listed %v", files)
		}
		for path, want := range map[string]string{"/a.png": "first", "dir/b.png": "second", "/dir/c.png": big, "/empty": "", "/d*/b.png": "second"} {
			if got, err := get(ctx, c, at("images@master"), path); err != nil || got != want {
				t.Errorf("%s has %d bytes, wanted %d: %v", path, len(got), len(want), err)
			}
		}
		commits, err := all(c.ListCommit(ctx, &pb.ListCommitRequest{Repo: repo("images")}))
		if err != nil || len(commits) != 1 || commits[0].GetFinished() == nil || commits[0].GetDetails().GetSizeBytes() != int64(len(big)+11) {
			t.Errorf("commits %v, %v", commits, err)
		}
		archive, err := all(c.GetFileTAR(ctx, &pb.GetFileRequest{File: &pb.File{Commit: at("images@master"), Path: "/dir"}}))
		if err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		for _, p := range archive {
			data.Write(p.GetValue())
		}
		var names []string
		for r := tar.NewReader(&data); ; {
			h, err := r.Next()
			if err != nil {
				break
			}
			names = append(names, h.Name)
		}
		if !slices.Equal(names, []string{"/dir/", "/dir/b.png", "/dir/c.png"}) {
			t.Errorf("the archive has %q", names)
		}

		// A second commit, of which the first stays as it was.
		if err := modify(ctx, c, at("images@master"), add("/a.png", ", more"), del("/dir/")); err != nil {
			t.Fatal(err)
		}
		if got, err := get(ctx, c, at("images@master"), "/a.png"); got != "first, more" {
			t.Errorf("it has %q, %v", got, err)
		}
		if got, err := get(ctx, c, at("images@master^"), "/a.png"); got != "first" {
			t.Errorf("before it had %q, %v", got, err)
		}
		changes, err := all(c.DiffFile(ctx, &pb.DiffFileRequest{NewFile: &pb.File{Commit: at("images@master"), Path: "/"}}))
		var changed []string
		for _, d := range changes {
			changed = append(changed, d.GetOldFile().GetFile().GetPath()+">"+d.GetNewFile().GetFile().GetPath())
		}
		if want := []string{"/>/", "/a.png>/a.png", "/dir/>", "/dir/b.png>", "/dir/c.png>"}; err != nil || !slices.Equal(changed, want) {
			t.Errorf("changed is %q, %v", changed, err)
		}
		_, err = get(ctx, c, at("images@master"), "/dir/b.png")
		pachdtest.Want(t, err, codes.NotFound, "file /dir/b.png not found in repo default/images at commit")
	})
}
