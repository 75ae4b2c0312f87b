package pfs_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/data/urlsource"
	"pachyderm/internal/fetch"
	"pachyderm/internal/pachd/pachdtest"
)

func addURL(path, from string, recursive bool) *pb.ModifyFileRequest {
	return &pb.ModifyFileRequest{Body: &pb.ModifyFileRequest_AddFile{AddFile: &pb.AddFile{
		Path: path, Source: &pb.AddFile_Url{Url: &pb.AddFile_URLSource{URL: from, Recursive: recursive, Concurrency: 50}},
	}}}
}

func serve(t *testing.T, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.URL
}

func TestAddFile_FromURL(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		*s.URLs = *urlsource.New(fetch.Anywhere) // where the test's server is
		ctx, c := s.Root(), s.API.PFS
		_, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")})
		must(t, err)
		var lines strings.Builder
		for n := range 5 << 16 {
			fmt.Fprintf(&lines, "%015d\n", n)
		}
		big := lines.String()
		from := serve(t, func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/big":
				_, _ = io.WriteString(w, big)
			case "/short":
				_, _ = io.WriteString(w, "short")
			case "/cut":
				w.Header().Set("Content-Length", "10")
				_, _ = io.WriteString(w, "cut")
			case "/empty":
			default:
				w.WriteHeader(http.StatusForbidden)
				_, _ = io.WriteString(w, "it needs body-secret")
			}
		})
		must(t, modify(ctx, c, at("images@master"), add("/b", "before"), del("/a"), addURL("/a", from+"/big", false), addURL("/b", from+"/short", false),
			addURL("/empty", from+"/empty", false)))
		for path, want := range map[string]string{"/a": big, "/b": "beforeshort", "/empty": ""} {
			if got, err := get(ctx, c, at("images@master"), path); got != want || err != nil {
				t.Errorf("%s has %d bytes, %v", path, len(got), err)
			}
		}
		id, err := fileSet(ctx, c, addURL("/a", from+"/short", false))
		must(t, err)
		if got, err := get(ctx, c, inSet(id), "/a"); got != "short" || err != nil {
			t.Errorf("a set has %q, %v", got, err)
		}
		// What goes wrong leaves nothing, and tells no secret, not the log either.
		secretly := strings.Replace(from, "http://", "http://me:user-secret@", 1)
		for query, text := range map[string]string{"/cut?query-secret": "ended early", "/gone?query-secret": "/gone was answered with HTTP status 403"} {
			err := modify(ctx, c, at("images@master"), add("/c", "x"), addURL("/d", secretly+query, false))
			if err == nil || !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "-secret") {
				t.Errorf("%s: %v", query, err)
			}
		}
		_, err = get(ctx, c, at("images@master"), "/c")
		pachdtest.Want(t, err, codes.NotFound)
		if log := s.Log.String(); strings.Contains(log, "-secret") {
			t.Errorf("the log says: %s", log)
		}
	})
}

func TestAddFile_URLsThatAreRefused(t *testing.T) {
	s := pachdtest.Start(t)
	ctx, c := s.Root(), s.API.PFS
	_, err := c.CreateRepo(ctx, &pb.CreateRepoRequest{Repo: repo("images")})
	must(t, err)
	inside := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("pachd connects to its own machine") })
	_, port, _ := strings.Cut(strings.TrimPrefix(inside, "http://"), ":")
	for from, want := range map[string]struct {
		code codes.Code
		text string
	}{
		inside + "/metrics":                  {codes.FailedPrecondition, "does not connect to"},
		"http://localhost:" + port:           {codes.FailedPrecondition, "does not connect to"},
		"http://[::1]:" + port:               {codes.FailedPrecondition, "does not connect to"},
		"http://169.254.169.254/latest/meta": {codes.FailedPrecondition, "does not connect to"},
		"http://10.1.2.3/":                   {codes.FailedPrecondition, "does not connect to"},
		"file:///etc/passwd":                 {codes.InvalidArgument, "would name a file of the server"},
		"FILE:///etc/passwd":                 {codes.InvalidArgument, "would name a file of the server"},
		"s3://bucket/key":                    {codes.Unimplemented, "s3:// sources are not part of this pachd yet"},
		"gs://bucket/key":                    {codes.Unimplemented, "gs:// sources"},
		"azblob://bucket/key":                {codes.Unimplemented, "azblob:// sources"},
		"wasb://bucket/key":                  {codes.Unimplemented, "wasb:// sources"},
		"minio://host/bucket/key":            {codes.Unimplemented, "minio:// sources"},
		"gopher://example.com/":              {codes.InvalidArgument, "the scheme gopher is not one"},
		"https:///path":                      {codes.InvalidArgument, "names no host"},
		"/etc/passwd":                        {codes.InvalidArgument, "a URL cannot be read"},
		"http://me:secret@[bad/":             {codes.InvalidArgument, "a URL cannot be read"},
	} {
		err := modify(ctx, c, at("images@master"), addURL("/a", from, false))
		pachdtest.Want(t, err, want.code, want.text)
		if t.Failed() {
			t.Fatal(from)
		}
		_, err = fileSet(ctx, c, addURL("/a", from, false))
		pachdtest.Want(t, err, want.code, want.text)
	}
	pachdtest.Want(t, modify(ctx, c, at("images@master"), addURL("/a", "https://example.com/", true)), codes.Unimplemented, "without -r")
	pachdtest.Want(t, modify(ctx, c, at("images@master"), addURL("/a/", inside, false)), codes.InvalidArgument, "cannot end with /")
}
