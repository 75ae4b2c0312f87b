package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/data/urlsource"
	"pachyderm/internal/fetch"
	"pachyderm/internal/pachd/pachdtest"
)

// pachd gets what URLs name, among files that pachctl sends, and a file has the last
// part of its URL's path as its name.
func TestPutFile_URLs(t *testing.T) {
	pachd := pachdtest.Start(t)
	*pachd.URLs = *urlsource.New(fetch.Anywhere) // where the test's server is
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.UserAgent(), "pachctl") || r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, r.URL.Path+" "+r.URL.RawQuery)
	}))
	t.Cleanup(web.Close)
	s := newSeat(t, pachd)
	for name, text := range map[string]string{"a.txt": "a", "list": web.URL + "/in/list?k=1\na.txt\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.must("", "create", "repo", "r")
	s.must("", "put", "file", "r@master", "-f", web.URL+"/dir/cat.png?key=1#f", "-f", "a.txt", "-f", web.URL+"/two%20words")
	s.must("", "put", "file", "r@master:/one", "-f", web.URL+"/dir/one.png")
	s.must("", "put", "file", "r@master:/one", "-a", "-f", web.URL+"/again")
	s.must("", "put", "file", "r@master:/listed", "-i", "list")
	s.must("", "put", "file", "r@master:/full/", "--full-path", "-f", web.URL+"/dir/cat.png")
	for path, want := range map[string]string{
		"/cat.png": "/dir/cat.png key=1", "/a.txt": "a", "/two words": "/two words ", "/one": "/dir/one.png /again ",
		"/listed/list": "/in/list k=1", "/listed/a.txt": "a", "/full/dir/cat.png": "/dir/cat.png ",
	} {
		if got := s.must("", "get", "file", "r@master:"+path); got != want {
			t.Errorf("%s has %q, wanted %q", path, got, want)
		}
	}
	out, err := s.command("put", "file", "r@master", "-f", web.URL+"/missing?key=secret", "-f", "a.txt").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "/missing was answered with HTTP status 404") || strings.Contains(string(out), "secret") {
		t.Errorf("%v: %s", err, out)
	}
}
