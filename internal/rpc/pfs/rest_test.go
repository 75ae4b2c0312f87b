package pfs_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

// Methods that answer with a stream answer with a line of JSON each over REST; those
// that take one say that they need gRPC.
func TestREST_StreamsAreLines(t *testing.T) {
	s := pachdtest.Start(t)
	c, ctx := s.API.PFS, s.Root()
	for _, name := range []string{"a", "b"} {
		if _, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo(name)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := modify(ctx, c, at("a@master"), add("/1", "x"), add("/2", "y"), add("/3", "z")); err != nil {
		t.Fatal(err)
	}
	call := func(method, token, body string) (int, []string) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.HTTP+"/api/pfs_v2.API/"+method, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authn-Token", token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	code, lines := call("ListRepo", s.RootToken, `{}`)
	var names []string
	for _, line := range lines {
		var one struct {
			Result struct{ Repo struct{ Name string } }
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		names = append(names, one.Result.Repo.Name)
	}
	if code != http.StatusOK || !slices.Equal(names, []string{"a", "b"}) {
		t.Errorf("%d, %q", code, lines)
	}
	const page = `{"file": {"commit": {"branch": {"repo": {"name": "a"}, "name": "master"}}, "path": "/"}, "number": 1, "paginationMarker": {"path": "/1"}}`
	if code, lines := call("ListFile", s.RootToken, page); code != http.StatusOK || len(lines) != 1 || !strings.Contains(lines[0], `"path":"/2"`) {
		t.Errorf("a page of files: %d, %q", code, lines)
	}
	if code, lines := call("ListRepo", "made-up", `{}`); code != http.StatusUnauthorized {
		t.Errorf("with no good token: %d, %q", code, lines)
	}
	if code, lines := call("ModifyFile", s.RootToken, `{"setCommit": {}}`); code != http.StatusNotImplemented || !strings.Contains(lines[0], "needs gRPC") {
		t.Errorf("a method that takes a stream: %d, %q", code, lines)
	}
	if code, lines := call("ListFile", s.RootToken, strings.Replace(page, `"a"`, `"nope"`, 1)); code != http.StatusNotFound || !strings.Contains(lines[0], "repo default/nope not found") {
		t.Errorf("of a repository that is not there: %d, %q", code, lines)
	}
}
