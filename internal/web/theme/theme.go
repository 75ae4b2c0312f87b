package theme

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Product is the name on the pages.
const Product = "Pachyderm"

//go:embed colours.css
var colours string

//go:embed pach.css
var source string

//go:embed layout.html
var layout string

var comments = regexp.MustCompile(`(?s)/\*.*?\*/`)

// css is the style sheet without comments and line breaks: html/template drops
// comments, and the hash must fit what is left.
var css = sync.OnceValue(func() string {
	return compact(colours + source)
})

func compact(sheet string) string {
	return strings.Join(strings.Fields(comments.ReplaceAllString(sheet, "")), " ")
}

// Colours are the custom properties that the pages are coloured with, in light and
// in dark, for the style sheets of others who are to look the same.
func Colours() string { return compact(colours) }

// policy allows the style sheet and the icon in the page itself, no more. Forms
// are not restricted to this host: a login form leads on to where the person
// came from, and browsers apply form-action to that redirect too.
var policy = sync.OnceValue(func() string {
	sum := sha256.Sum256([]byte(css()))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; base-uri 'none'; frame-ancestors 'none'"
})

// Layout is what pages are made of, as definitions to parse into a set of
// templates: "top" (given the page's title) and "bottom" around the content,
// "product", and the signs "done", "problem" and "question" above the heading.
// It calls no functions, so that it suits a set whose functions are not ours.
func Layout() string {
	return `{{define "css"}}` + css() + `{{end}}{{define "product"}}` + Product + `{{end}}` + layout
}

// SetHeaders sets the security headers of a page.
func SetHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy())
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}
