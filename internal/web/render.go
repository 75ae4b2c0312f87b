package web

import (
	"archive/zip"
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"reflect"
	"sync"

	"pachyderm/internal/web/theme"
)

//go:embed templates dex
var files embed.FS

// templates are parsed on first use: a page is rare, a start should be quick.
var templates = sync.OnceValues(func() (*template.Template, error) {
	layout, err := template.New("layout").Parse(theme.Layout())
	if err != nil {
		return nil, err
	}
	return layout.ParseFS(files, "templates/*.html")
})

// render writes a page with its security headers.
func render(w http.ResponseWriter, status int, page any) error {
	all, err := templates()
	if err != nil {
		return err
	}
	name := reflect.TypeOf(page).Name()
	var body bytes.Buffer
	if err := all.ExecuteTemplate(&body, name+".html", page); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return fmt.Errorf("page %s: %w", name, err)
	}
	theme.SetHeaders(w.Header())
	if p, ok := page.(PostResponse); ok {
		w.Header().Add("Content-Security-Policy", "form-action "+p.origin())
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err = w.Write(body.Bytes())
	return err
}

// DexFiles are the templates that Dex renders its pages with.
func DexFiles() fs.FS {
	all, err := dexFiles()
	if err != nil {
		panic(err) // made of nothing but what is embedded
	}
	return all
}

// dexFiles adds the layout to the embedded folder: Dex parses a folder and has
// no other way in. An archive in memory is the file system at hand that can be
// put together at run time.
var dexFiles = sync.OnceValues(func() (fs.FS, error) {
	embedded, err := fs.Sub(files, "dex")
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	if err := z.AddFS(embedded); err != nil {
		return nil, err
	}
	layout, err := z.Create("templates/layout.html")
	if err != nil {
		return nil, err
	}
	if _, err := layout.Write([]byte(theme.Layout())); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
})
