package test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/pfs"
)

// Data, as whoever reads it in a browser finds it: by its links, up to what is in a file.
func TestConsole_Data(t *testing.T) {
	d := newDaemon(t)
	d.start()
	c := pfs.NewAPIClient(d.dial())
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authn-token", d.rootToken())
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"images", "a-repository-with-a-name-that-is-as-long-as-nobody-would-make-one-by-hand"} {
		if _, err := c.CreateRepo(ctx, &pfs.CreateRepoRequest{Repo: &pfs.Repo{Name: name}, Description: "What the cameras saw"}); err != nil {
			t.Fatal(err)
		}
	}
	putFiles(ctx, t, c, map[string]string{
		"/" + strings.Repeat("deep/", 20) + "file.txt": strings.Repeat("a line of some words\n", 40) + strings.Repeat("x", 500), "/x.png": picture.String(),
		"/t.csv": strings.Repeat("name,", 30) + "\n" + strings.Repeat("value of a cell,", 30) + "\n", "/x.html": "<script>document.title = 'taken'</script>",
	})
	putFiles(ctx, t, c, map[string]string{"/x.html": "<script>document.title = 'taken over'</script>"})
	page := openPage(t, chromium(t), "http://"+d.http+"/console/root-token")
	fill(t, page, map[string]string{"token": d.rootToken()})
	click(t, page, `main button`)
	click(t, page, `nav a[href$="/data"]`)
	wantText(t, page, "What the cameras saw")
	lookAt(t, page, "data")
	click(t, page, `a[href$="/images"]`)
	wantText(t, page, "master")
	lookAt(t, page, "data-repo")
	click(t, page, `a[href*="/commit/"]`)
	wantText(t, page, "changed")
	lookAt(t, page, "data-commit")
	click(t, page, `a.button`)
	lookAt(t, page, "data-files")
	files := page.MustInfo().URL
	for _, f := range []struct{ path, says, name string }{
		{"x.png", "Preview", "data-image"}, {"t.csv", "value of a cell", "data-table"}, {"x.html", "document.title = 'taken over'", "data-html"},
	} {
		goTo(t, page, files)
		click(t, page, `a[href$="`+f.path+`"]`)
		wantText(t, page, f.says)
		lookAt(t, page, f.name)
		if f.path == "x.png" && page.MustEval(`() => document.querySelector("img.shown").naturalWidth`).Int() != 40 {
			t.Error("the image is not shown")
		}
	}
	goTo(t, page, strings.Replace(files, "/files/", "/file/", 1)+"?path=/"+strings.Repeat("deep/", 20)+"file.txt")
	wantText(t, page, "a line of some words")
	lookAt(t, page, "data-text")
}

func putFiles(ctx context.Context, t *testing.T, c pfs.APIClient, files map[string]string) {
	t.Helper()
	stream, err := c.ModifyFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	repo := &pfs.Repo{Name: "images"}
	requests := []*pfs.ModifyFileRequest{{Body: &pfs.ModifyFileRequest_SetCommit{
		SetCommit: &pfs.Commit{Repo: repo, Branch: &pfs.Branch{Repo: repo, Name: "master"}},
	}}}
	for path, text := range files {
		requests = append(requests, &pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_DeleteFile{DeleteFile: &pfs.DeleteFile{Path: path}}},
			&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_AddFile{AddFile: &pfs.AddFile{
				Path: path, Source: &pfs.AddFile_Raw{Raw: wrapperspb.Bytes([]byte(text))},
			}}})
	}
	for _, r := range requests {
		if err := stream.Send(r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Fatal(err)
	}
}
