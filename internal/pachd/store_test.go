package pachd_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/auth"
	"pachyderm/api/pfs"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

// putFile puts one small file into images.
func putFile(t *testing.T, s *pachdtest.Server, path, text string) error {
	t.Helper()
	stream, err := s.API.PFS.ModifyFile(s.Root())
	if err != nil {
		t.Fatal(err)
	}
	r := &pfs.Repo{Name: "images"}
	for _, m := range []*pfs.ModifyFileRequest{
		{Body: &pfs.ModifyFileRequest_SetCommit{SetCommit: &pfs.Commit{Repo: r, Branch: &pfs.Branch{Repo: r, Name: "master"}}}},
		{Body: &pfs.ModifyFileRequest_AddFile{AddFile: &pfs.AddFile{Path: path, Source: &pfs.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text))}}}},
	} {
		if stream.Send(m) != nil {
			break // CloseAndRecv says why
		}
	}
	_, err = stream.CloseAndRecv()
	return err
}

func ready(t *testing.T, s *pachdtest.Server) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// People sign in while the store is away; what needs it says so, and works once it is there.
func TestStore_AwayAtTheStart(t *testing.T) {
	in := filepath.Join(t.TempDir(), "mounted")
	if err := os.WriteFile(in, nil, 0o600); err != nil { // no directory can be made in it
		t.Fatal(err)
	}
	s := pachdtest.Start(t, func(c *config.Config) { c.Storage.Dir = filepath.Join(in, "objects") })
	if who, err := s.API.Auth.WhoAmI(s.Root(), &auth.WhoAmIRequest{}); err != nil || who.GetUsername() != "pach:root" {
		t.Errorf("root is %v, %v", who, err)
	}
	if _, err := s.API.PFS.CreateRepo(s.Root(), &pfs.CreateRepoRequest{Repo: &pfs.Repo{Name: "images"}}); err != nil {
		t.Fatal(err)
	}
	pachdtest.Want(t, putFile(t, s, "/a", "text"), codes.Unavailable, "cannot hold data", "name one that pachd may write")
	for said := false; !said && t.Context().Err() == nil; { // looked at after the start
		status, text := ready(t, s)
		if status != http.StatusOK {
			t.Fatalf("not ready: %s", text)
		}
		said = strings.Contains(text, "files can be neither written nor read")
	}
	if err := os.Remove(in); err != nil {
		t.Fatal(err)
	}
	if err := putFile(t, s, "/a", "text"); err != nil {
		t.Error(err)
	}
}

// A disk that is not mounted, and a store of another installation, are not written to.
func TestStore_AnothersOrNotMounted(t *testing.T) {
	data, objects := t.TempDir(), filepath.Join(t.TempDir(), "objects")
	in := func(c *config.Config) { c.Storage.Dir = objects }
	s := pachdtest.StartIn(t, data, in)
	if _, err := s.API.PFS.CreateRepo(s.Root(), &pfs.CreateRepoRequest{Repo: &pfs.Repo{Name: "images"}}); err != nil {
		t.Fatal(err)
	}
	if err := putFile(t, s, "/a", "text"); err != nil {
		t.Fatal(err)
	}
	s.Stop()

	another := pachdtest.Start(t, in)
	if _, err := another.API.PFS.CreateRepo(another.Root(), &pfs.CreateRepoRequest{Repo: &pfs.Repo{Name: "images"}}); err != nil {
		t.Fatal(err)
	}
	pachdtest.Want(t, putFile(t, another, "/a", "text"), codes.Unavailable, "is that of another installation", "name another directory")
	another.Stop()

	if err := os.Rename(objects, objects+".elsewhere"); err != nil {
		t.Fatal(err)
	}
	s = pachdtest.StartIn(t, data, in)
	pachdtest.Want(t, putFile(t, s, "/b", "more"), codes.Unavailable, "has nothing of what was stored", "see that its disk is mounted")
	if err := os.RemoveAll(objects); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(objects+".elsewhere", objects); err != nil {
		t.Fatal(err)
	}
	if err := putFile(t, s, "/b", "more"); err != nil {
		t.Error(err)
	}
	// A store that was written to before there was such a mark is known by what is in it.
	s.Stop()
	marks, err := filepath.Glob(filepath.Join(objects, "*", "installation"))
	if err != nil || len(marks) != 1 {
		t.Fatalf("marks: %q, %v", marks, err)
	}
	if err := os.Remove(marks[0]); err != nil {
		t.Fatal(err)
	}
	s = pachdtest.StartIn(t, data, in)
	if err := putFile(t, s, "/c", "more"); err != nil {
		t.Error(err)
	}
}
