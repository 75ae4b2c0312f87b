package theme

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"net/http"
)

//go:embed pach.css
var css string

// CSS is the style sheet, to stand in a page's style element as it is: its
// hash is in the Content-Security-Policy.
func CSS() template.CSS { return template.CSS(css) } //nolint:gosec // our own file

// SetHeaders sets the security headers of a page. Forms are not restricted to
// this host: a login form leads on to where the person came from, and browsers
// apply form-action to that redirect too.
func SetHeaders(h http.Header) {
	sum := sha256.Sum256([]byte(css))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}
