package console_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"html"
	"image"
	"image/png"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/pfs"
	"pachyderm/internal/pachd/pachdtest"
)

// shelf is a repository that tests put files into.
type shelf struct {
	t    *testing.T
	s    *pachdtest.Server
	repo *pfs.Repo
	ctx  context.Context //nolint:containedctx // that of root
}

func (s shelf) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func repository(t *testing.T, s *pachdtest.Server) shelf {
	t.Helper()
	return repositoryIn(t, s, "default")
}

func repositoryIn(t *testing.T, s *pachdtest.Server, project string) shelf {
	t.Helper()
	f := shelf{t, s, &pfs.Repo{Name: "images", Project: &pfs.Project{Name: project}}, s.Root()}
	_, err := s.API.PFS.CreateRepo(f.ctx, &pfs.CreateRepoRequest{Repo: f.repo, Description: "Cats & dogs"})
	f.must(err)
	return f
}

// put writes files in one commit, whose id it returns.
func (s shelf) put(to *pfs.Commit, files map[string]string) string {
	s.t.Helper()
	stream, err := s.s.API.PFS.ModifyFile(s.ctx)
	s.must(err)
	send := func(m *pfs.ModifyFileRequest) {
		s.t.Helper()
		s.must(stream.Send(m))
	}
	send(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_SetCommit{SetCommit: to}})
	for path, text := range files {
		send(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_DeleteFile{DeleteFile: &pfs.DeleteFile{Path: path}}})
		for text != "" || files[path] == "" {
			n := min(len(text), 1<<20)
			send(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_AddFile{AddFile: &pfs.AddFile{
				Path: path, Source: &pfs.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text[:n]))},
			}}})
			if text = text[n:]; text == "" {
				break
			}
		}
	}
	_, err = stream.CloseAndRecv()
	s.must(err)
	head, err := s.s.API.PFS.InspectCommit(s.ctx, &pfs.InspectCommitRequest{Commit: to, Wait: pfs.CommitState_STARTED})
	s.must(err)
	return head.GetCommit().GetId()
}

func (s shelf) master() *pfs.Commit {
	return &pfs.Commit{Repo: s.repo, Branch: &pfs.Branch{Repo: s.repo, Name: "master"}}
}

const images = "data/repo/default/images"

func about(what, commit, path string) string {
	return images + "/" + what + "/" + commit + "?path=" + url.QueryEscape(path)
}

func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 2, 2))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestData_FromProjectsToAFile(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	first := f.put(f.master(), map[string]string{"/a": "one", "/dir/b": "two"})
	second := f.put(f.master(), map[string]string{"/a": "three", "/dir/sub/c": "four\n", `/ #%&b\c`: "spaced"})
	v := open(t, s).asRoot()
	v.want(v.at("data"), http.StatusOK, "default", "images", "Cats & dogs", "19 bytes")
	v.want(v.at(images), http.StatusOK, "Cats & dogs", "master", first, second)
	v.want(v.at(images+"?branch=master"), http.StatusOK, "Commits of master", first, second)
	commit := v.at(images + "/commit/" + second)
	v.want(commit, http.StatusOK, first, "What changed since the parent", "/a changed 5 bytes", "/dir/sub/c added 5 bytes")
	if strings.Contains(commit.Text(), "/dir/b") {
		t.Errorf("what did not change is shown: %s", commit.Text())
	}
	v.want(v.at(images+"/commit/"+first), http.StatusOK, "Children", second)

	// Every link of a page leads on, whatever a file is called.
	seen, todo := map[string]bool{}, []string{"/console/" + images + "/files/" + second}
	for len(todo) > 0 {
		to := todo[0]
		todo = todo[1:]
		if seen[to] || !strings.HasPrefix(to, "/console/data") {
			continue
		}
		seen[to] = true
		p := v.Get(s.HTTP + to)
		v.want(p, http.StatusOK)
		for _, link := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(p.Body, -1) {
			todo = append(todo, html.UnescapeString(link[1]))
		}
	}
	for path, text := range map[string]string{"/a": "three", "/dir/sub/c": "four", `/ #%&b\c`: "spaced"} {
		file := v.at(about("file", second, path))
		v.want(file, http.StatusOK, text)
		if !seen["/console/"+about("file", second, path)] {
			t.Errorf("no page leads to %s: %v", path, seen)
		}
	}
	v.want(v.at(about("file", second, "/dir")), http.StatusNotFound, "This is a directory")
	v.want(v.at(about("file", second, "/*")), http.StatusNotFound)
	v.want(v.at(about("file", second, "/nothing")), http.StatusNotFound)
	v.want(v.at(about("file", "master", "/a")), http.StatusOK, "three")
}

// What a stranger put into a file runs nowhere.
func TestData_ContentsAreNoPage(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	const hostile = "<!doctype html><script>alert(1)</script><img src=x onerror=alert(1)>"
	const svg = `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	at := f.put(f.master(), map[string]string{
		"/x.html": hostile, "/x.csv": "a,<script>alert(1)</script>\n<script>alert(1)</script>,2\n", "/x.png": hostile, "/x.svg": svg,
		"/good.txt": picture(t), "/big.png": picture(t) + strings.Repeat("x", 5<<20), "/empty": "", "/a \"b;c.html": hostile,
	})
	v := open(t, s).asRoot()
	for _, path := range []string{"/x.html", "/x.csv", "/x.png", "/x.svg", `/a "b;c.html`} {
		p := v.at(about("file", at, path))
		v.want(p, http.StatusOK, "alert(1)")
		isText(t, path, p.Body)
		if strings.Contains(p.Body, "<svg xmlns") || strings.Contains(p.Body, "<img") {
			t.Errorf("%s is markup: %s", path, p.Body)
		}
		if p := v.at(about("image", at, path)); p.Status != http.StatusUnsupportedMediaType || strings.Contains(p.Body, "alert(1)") {
			t.Errorf("%s as an image: %d %s", path, p.Status, p.Body)
		}
	}
	for path, name := range map[string]string{"/x.html": "x.html", `/a "b;c.html`: `"a \"b;c.html"`, "/x.svg": "x.svg", "/empty": "empty"} {
		p := v.at(about("download", at, path))
		contained(t, path, p.Header, "application/octet-stream")
		if got := p.Header.Get("Content-Disposition"); got != "attachment; filename="+name {
			t.Errorf("%s comes as %q", path, got)
		}
	}
	if p := v.at(about("download", at, "/x.html")); p.Body != hostile {
		t.Errorf("the download is %q", p.Body)
	}
	good := v.at(about("image", at, "/good.txt"))
	contained(t, "an image", good.Header, "image/png")
	if good.Body != picture(t) {
		t.Errorf("the image is %q", good.Body)
	}
	if p := v.at(about("file", at, "/good.txt")); !strings.Contains(p.Body, `<img class="shown" src="/console/`+images+"/image/"+at) {
		t.Errorf("the image is not shown: %s", p.Body)
	}
	v.want(v.at(about("image", at, "/big.png")), http.StatusUnsupportedMediaType)
	big := v.at(about("file", at, "/big.png"))
	v.want(big, http.StatusOK, "more than 5 MiB")
	if strings.Contains(big.Body, "<img") {
		t.Error("a large image is shown")
	}
	v.want(v.at(about("file", at, "/empty")), http.StatusOK, "The file is empty")
}

// contained holds what is served of a file to what lets it run nothing.
func contained(t *testing.T, name string, h http.Header, kind string) {
	t.Helper()
	for header, want := range map[string]string{
		"Content-Type": kind, "Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store", "X-Frame-Options": "DENY",
	} {
		if got := h.Get(header); got != want {
			t.Errorf("%s: %s is %q, want %q", name, header, got, want)
		}
	}
}

func TestData_Previews(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	var table, wide strings.Builder
	for n := range 150 {
		fmt.Fprintf(&table, "row-%d,\"a, b\"\n", n)
		fmt.Fprintf(&wide, "col-%d,", n)
	}
	zeros := make([]byte, 100)
	at := f.put(f.master(), map[string]string{
		"/t.csv": table.String(), "/wide.csv": wide.String() + "\nx\n", "/tabs.tsv": "k\tv\nx y\tz\n",
		"/long": "x" + strings.Repeat("é", 40_000) + "END", "/binary": string(zeros), "/random": mustDecode(t, "//79/P8="),
	})
	v := open(t, s).asRoot()
	p := v.at(about("file", at, "/t.csv"))
	v.want(p, http.StatusOK, "row-0", "row-100", "a, b", "The file has more")
	if strings.Contains(p.Text(), "row-101") || strings.Count(p.Body, "<tr>") != 101 {
		t.Errorf("%d rows: %s", strings.Count(p.Body, "<tr>"), p.Text())
	}
	p = v.at(about("file", at, "/wide.csv"))
	v.want(p, http.StatusOK, "col-49", "more than 50 columns")
	if strings.Contains(p.Text(), "col-50") {
		t.Errorf("too many columns: %s", p.Text())
	}
	if p := v.at(about("file", at, "/tabs.tsv")); !strings.Contains(p.Body, `<td data-label="k">x y</td><td data-label="v">z</td>`) {
		t.Errorf("a table by tabs: %s", p.Body)
	}
	p = v.at(about("file", at, "/long"))
	v.want(p, http.StatusOK, "The file has more")
	if n := strings.Count(p.Body, "é"); n != 32_767 || strings.Contains(p.Body, "END") || strings.Contains(p.Body, "\uFFFD") {
		t.Errorf("%d of 64 KiB are shown", n)
	}
	for _, path := range []string{"/binary", "/random"} {
		v.want(v.at(about("file", at, path)), http.StatusOK, "This is no text")
	}
}

func mustDecode(t *testing.T, text string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestData_ListsHavePages(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	files := map[string]string{}
	for n := range 150 {
		files[fmt.Sprintf("/f%03d", n)] = "x"
	}
	ids := []string{f.put(f.master(), files)}
	for n := range 60 {
		ids = append(ids, f.put(f.master(), map[string]string{"/a": fmt.Sprint(n)}))
	}
	for n := range 55 {
		_, err := s.API.PFS.CreateRepo(f.ctx, &pfs.CreateRepoRequest{Repo: &pfs.Repo{Name: fmt.Sprintf("other%02d", n)}})
		f.must(err)
	}
	v := open(t, s).asRoot()
	more := func(p string) string {
		t.Helper()
		link := regexp.MustCompile(`href="/console/([^"]*)">More</a>`).FindStringSubmatch(p)
		if link == nil {
			t.Fatalf("no more: %s", p)
		}
		return html.UnescapeString(link[1])
	}
	for _, path := range []string{images, images + "?branch=master"} {
		p := v.at(path)
		next := v.at(more(p.Body))
		for n, id := range ids {
			newest := n > 10
			list := regexp.MustCompile(`(?s)<h2>Commits.*`)
			if has := strings.Contains(list.FindString(p.Body), "<code>"+id+"<"); has != newest {
				t.Errorf("%s: commit %d on the first page: %v", path, n, has)
			}
			if has := strings.Contains(list.FindString(next.Body), "<code>"+id+"<"); has == newest {
				t.Errorf("%s: commit %d on the second page: %v", path, n, has)
			}
		}
		if strings.Contains(next.Body, ">More</a>") {
			t.Errorf("%s: the last page has more", path)
		}
	}
	p := v.at(images + "/files/master")
	next := v.at(more(p.Body))
	for _, c := range []struct {
		page string
		has  bool
		path string
	}{{p.Body, true, "f098"}, {p.Body, false, "f099"}, {next.Body, false, "f098"}, {next.Body, true, "f099"}, {next.Body, true, "f149"}} {
		if got := strings.Contains(c.page, ">"+c.path+"<"); got != c.has {
			t.Errorf("%s is there: %v", c.path, got)
		}
	}
	v.want(v.at(images+"/commit/"+ids[0]), http.StatusOK, "f149")
	p = v.at("data")
	v.want(p, http.StatusOK, "other00")
	v.want(v.at(more(p.Body)), http.StatusOK, "other54")
}

// pagesOf is each kind of page of a repository with /a and the image /a.png.
func pagesOf(f shelf, commit string) (all []string) {
	in := "data/repo/" + f.repo.GetProject().GetName() + "/images"
	for _, path := range []string{
		images, images + "/commit/" + commit, images + "/files/" + commit, about("file", commit, "/a"), about("download", commit, "/a"),
		about("image", commit, "/a.png"),
	} {
		all = append(all, strings.Replace(path, images, in, 1))
	}
	return all
}

// What somebody may not see is not there, on no page and in no list.
func TestData_HiddenIsAbsent(t *testing.T) {
	s := pachdtest.Start(t)
	_, err := s.API.PFS.CreateProject(s.Root(), &pfs.CreateProjectRequest{Project: &pfs.Project{Name: "secret"}})
	if err != nil {
		t.Fatal(err)
	}
	f := repositoryIn(t, s, "secret")
	at := f.put(f.master(), map[string]string{"/a": "inside", "/a.png": picture(t)})
	_, token := s.Robot("nobody", 3600)
	v := open(t, s).as(token)
	code := regexp.MustCompile(`<dt>Code.*|<dt>When.*`)
	for _, path := range pagesOf(f, at) {
		hidden, absent := v.at(path), v.at(strings.Replace(path, "images", "absent", 1))
		v.want(hidden, http.StatusNotFound)
		v.want(absent, http.StatusNotFound)
		got := code.ReplaceAllString(strings.ReplaceAll(hidden.Body, "images", "absent"), "")
		if want := code.ReplaceAllString(absent.Body, ""); got != want {
			t.Errorf("%s tells what is hidden from what is not there: %s, %s", path, hidden.Text(), absent.Text())
		}
	}
	if p := v.at("data"); p.Status != http.StatusOK || strings.Contains(p.Body, "images") || strings.Contains(p.Body, "secret") {
		t.Errorf("%d: %s", p.Status, p.Text())
	}
}

// What the roles of whoever asks leave out of a page is left out, and the page says so.
func TestData_ByRole(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	at := f.put(f.master(), map[string]string{"/a": "inside", "/a.png": picture(t)})
	for _, role := range []string{"repoReader", "repoWriter", "repoOwner"} {
		name := strings.ToLower(role)
		if err := s.Bind(pachdtest.Repo("default/images"), "robot:"+name, role); err != nil {
			t.Fatal(err)
		}
		_, token := s.Robot(name, 3600)
		v := open(t, s).as(token)
		for _, path := range pagesOf(f, at) {
			v.want(v.at(path), http.StatusOK)
		}
		v.want(v.at("data"), http.StatusOK, "images", role)
	}
	// Whoever is known here may know which repositories the default project has.
	_, token := s.Robot("viewer", 3600)
	v := open(t, s).as(token)
	v.want(v.at(images), http.StatusOK, "do not let you see the branches", "do not let you see the commits")
	for _, path := range pagesOf(f, at)[1:] {
		if p := v.at(path); p.Status != http.StatusForbidden || strings.Contains(p.Body, "inside") {
			t.Errorf("%s answers %d: %s", path, p.Status, p.Text())
		}
	}
}

func TestData_OpenCommit(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	started, err := s.API.PFS.StartCommit(f.ctx, &pfs.StartCommitRequest{Branch: f.master().GetBranch(), Description: hostileName})
	f.must(err)
	f.put(started, map[string]string{"/a": "draft"})
	v := open(t, s).asRoot()
	for _, path := range []string{images, images + "/commit/" + started.GetId()} {
		p := v.at(path)
		v.want(p, http.StatusOK, "open")
		isText(t, path, p.Body)
	}
	v.want(v.at(about("file", started.GetId(), "/a")), http.StatusOK, "draft")
}

func TestData_WhatABranchIsMadeFrom(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	files := map[string]string{}
	for n := range 201 {
		files[fmt.Sprintf("/f%03d", n)] = "x"
	}
	at := f.put(f.master(), files)
	made := &pfs.Repo{Name: "made", Project: f.repo.GetProject()}
	_, err := s.API.PFS.CreateRepo(f.ctx, &pfs.CreateRepoRequest{Repo: made})
	f.must(err)
	_, err = s.API.PFS.CreateBranch(f.ctx, &pfs.CreateBranchRequest{
		Branch: &pfs.Branch{Repo: made, Name: "out"}, Provenance: []*pfs.Branch{f.master().GetBranch()},
	})
	f.must(err)
	_, err = s.API.PFS.CreateBranch(f.ctx, &pfs.CreateBranchRequest{
		Branch: &pfs.Branch{Repo: f.repo, Name: "nightly"}, Trigger: &pfs.Trigger{Branch: "master", Commits: 7},
	})
	f.must(err)
	head, err := s.API.PFS.InspectBranch(f.ctx, &pfs.InspectBranchRequest{Branch: &pfs.Branch{Repo: made, Name: "out"}})
	f.must(err)
	v := open(t, s).asRoot()
	v.want(v.at(images), http.StatusOK, "nightly", "by master, after 7 commits")
	if p := v.at("data/repo/default/made"); !strings.Contains(p.Body, `<a href="/console/`+images+`?branch=master">default/images@master</a>`) {
		t.Errorf("the page of the branch leads to none that it is made from: %s", p.Body)
	}
	v.want(v.at("data/repo/default/made/commit/"+head.GetHead().GetId()), http.StatusOK, "Made from default/images@"+at)
	p := v.at(images + "/commit/" + at)
	v.want(p, http.StatusOK, "Made of it default/made@"+head.GetHead().GetId(), "pachctl diff file images@"+at)
	if n := strings.Count(p.Body, ">added<"); n != 200 {
		t.Errorf("%d changes are shown", n)
	}
}

// A download is whole, however many pieces it comes in, and says how long it is.
func TestData_DownloadIsWhole(t *testing.T) {
	s := pachdtest.Start(t)
	f := repository(t, s)
	whole := strings.Repeat("0123456789abcde\n", 5<<16)
	at := f.put(f.master(), map[string]string{"/large": whole})
	v := open(t, s).asRoot()
	p := v.at(about("download", at, "/large"))
	if p.Body != whole || p.Header.Get("Content-Length") != fmt.Sprint(5<<20) {
		t.Errorf("%d bytes came, and %s were said", len(p.Body), p.Header.Get("Content-Length"))
	}
}
