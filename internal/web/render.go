package web

import (
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
	return template.New("").Funcs(template.FuncMap{
		"css":     theme.CSS,
		"product": func() string { return Product },
	}).ParseFS(files, "templates/*.html")
})

// Render writes a page with its security headers.
func Render(w http.ResponseWriter, status int, page any) error {
	all, err := templates()
	if err != nil {
		return err
	}
	name := reflect.TypeOf(page).Name()
	var body bytes.Buffer
	if err := all.ExecuteTemplate(&body, name, page); err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return fmt.Errorf("page %s: %w", name, err)
	}
	SetHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, err = w.Write(body.Bytes())
	return err
}

// SetHeaders sets the security headers of a page.
func SetHeaders(h http.Header) { theme.SetHeaders(h) }

// DexFiles are the templates and static files that Dex renders its pages with.
func DexFiles() fs.FS {
	sub, err := fs.Sub(files, "dex")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}
