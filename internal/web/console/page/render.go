package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/theme"
)

//go:embed templates assets
var files embed.FS

// view is what the layout shows around a page.
type view struct {
	Title, Name string
	Me          string
	Nav         []entry
	Done        string
	CSRF        string
	CSS, Script string
	Now         time.Time
	Data        any
}

// entry is a line of the menu.
type entry struct {
	Title, Path string
	Here        bool
}

// menu is what the console has, and the permission on the cluster without which it
// is not shown; 0 is for everybody.
func menu() []struct {
	title, path string
	need        auth.Permission
} {
	return []struct {
		title, path string
		need        auth.Permission
	}{
		{"You", "", 0},
		{"Overview", "overview", auth.Permission_CLUSTER_IDENTITY_UPDATE_IDP},
		{"Explain", "explain", 0},
		{"Data", "data", 0},
		{"Connectors", "connectors", auth.Permission_CLUSTER_IDENTITY_LIST_IDPS},
		{"Sign-ins", "sign-ins", auth.Permission_CLUSTER_IDENTITY_UPDATE_IDP},
		{"People", "people", auth.Permission_CLUSTER_AUTH_GET_GROUP_USERS},
		{"Groups", "groups", auth.Permission_CLUSTER_AUTH_GET_GROUPS},
		{"Access", "access", auth.Permission_CLUSTER_GET_BINDINGS},
		{"Applications", "applications", auth.Permission_CLUSTER_IDENTITY_LIST_OIDC_CLIENTS},
		{"Audit", "audit", auth.Permission_CLUSTER_GET_BINDINGS},
		{"Settings", "settings", auth.Permission_CLUSTER_IDENTITY_GET_CONFIG},
	}
}

func (c *Call) nav() (all []entry) {
	if c.Session == nil {
		return nil
	}
	here, _, _ := strings.Cut(strings.TrimPrefix(c.R.URL.Path, Root), "/")
	for _, m := range menu() {
		if m.need == 0 || c.May(m.need) {
			all = append(all, entry{m.title, Root + m.path, here == m.path})
		}
	}
	return all
}

// done are the sentences that a page may say of what was done before it. The address
// only chooses one: nobody can put words into the page's mouth.
func done(what string) string {
	return map[string]string{
		"session":      "The session has ended.",
		"connector":    "The connector is stored, and people can sign in with it.",
		"updated":      "The connector was updated. The next sign-in uses it.",
		"deleted":      "It was deleted.",
		"draft":        "The connector is stored as a draft. Test it, and enable it.",
		"link-deleted": "The link opens nothing any more, and what was prepared by it is forgotten.",
		"on":           "People can sign in with it again.",
		"off":          "Nobody can sign in with it from now on.",
		"applied":      "The change serves from the next sign-in on. It undoes itself unless it is confirmed below.",
		"confirmed":    "The change stays.",
		"back":         "The revision is stored again. The next sign-in uses it.",
		"approved":     "The connector was approved. What it says of people counts from now on.",
		"disabled":     "This person is kept out, from their next call on.",
		"enabled":      "This person may sign in again.",
		"ended":        "Everything that this person held has ended.",
		"renamed":      "This is the name from now on. What was there under the old one goes on.",
		"roles":        "The roles were changed. The next call is decided by them.",
		"max-age":      "How old the fact may be was changed. The next call is decided by it.",
		"linked":       "The identity was linked.",
		"unlinked":     "The identity was unlinked, and what it had signed in to has ended.",
		"settings":     "The settings were changed.",
		"client":       "The application was changed.",
		"signed-in":    "You are signed in.",
	}[what]
}

// Render writes a page; name is that of its template.
func (c *Call) Render(status int, name, title string, data any) error {
	v := c.view(title, data)
	if status == http.StatusOK {
		v.Done = done(c.R.URL.Query().Get("done"))
	}
	body, err := execute(name, "layout.html", v)
	if err != nil {
		return err
	}
	c.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	c.W.WriteHeader(status)
	_, err = c.W.Write(body)
	return err
}

// execute makes a page, or a part of it.
func execute(name, part string, v view) ([]byte, error) {
	all, err := templates()
	if err != nil {
		return nil, err
	}
	t := all[name]
	if t == nil {
		return nil, fmt.Errorf("there is no page %q", name)
	}
	var body bytes.Buffer
	if err := t.ExecuteTemplate(&body, part, v); err != nil {
		return nil, fmt.Errorf("page %s: %w", name, err)
	}
	return body.Bytes(), nil
}

func (c *Call) view(title string, data any) view {
	return view{
		Now: c.Now(), Title: title, Name: theme.Product, Me: c.Me(), Nav: c.nav(), CSRF: c.csrf(), Data: data,
		CSS: assetPath("console.css"), Script: assetPath("console.js"),
	}
}

// templates are parsed on first use: a page is rare, a start should be quick.
var templates = sync.OnceValues(func() (map[string]*template.Template, error) {
	base, err := template.New("base").Funcs(template.FuncMap{
		"ago":          ago,
		"soon":         func(now time.Time, when any) bool { return asTime(when).Sub(now) < Soon },
		"iso":          func(t any) string { return asTime(t).UTC().Format(time.RFC3339) },
		"day":          func(t any) string { return asTime(t).UTC().Format("2 Jan 2006 15:04 UTC") },
		"moment":       func(t any) string { return asTime(t).UTC().Format("2 Jan 2006 15:04:05 UTC") },
		"date":         func(t any) string { return asTime(t).UTC().Format(time.DateOnly) },
		"some":         func(t any) bool { return !asTime(t).IsZero() },
		"milliseconds": func(microseconds int64) string { return fmt.Sprintf("%.1f ms", float64(microseconds)/1000) },
		"name":         short, "seg": url.PathEscape, "join": strings.Join, "kind": kind, "row": row, "span": Span, "at": at,
		"sentence": sentence, "size": size,
	}).ParseFS(files, "templates/layout.html")
	if err != nil {
		return nil, err
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	all := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "templates/"), ".html")
		if name == "layout" {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, err
		}
		if all[name], err = t.ParseFS(files, file); err != nil {
			return nil, err
		}
	}
	return all, nil
})

// Soon is when what ends is warned of.
const Soon = 30 * 24 * time.Hour

// short is a principal without its kind, where that is plain.
func short(principal string) string {
	_, rest, ok := strings.Cut(principal, ":")
	if !ok {
		return principal
	}
	return rest
}

// sentence begins what is said of an error in capitals, unless it begins with a name or
// with what somebody wrote, which stay as they are.
func sentence(text string) string {
	first, _, _ := strings.Cut(text, " ")
	if strings.Trim(first, "abcdefghijklmnopqrstuvwxyz") != "" || first == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

func kind(principal string) string {
	kind, _, ok := strings.Cut(principal, ":")
	if !ok {
		return ""
	}
	return kind
}

func asTime(t any) time.Time {
	switch t := t.(type) {
	case time.Time:
		return t
	case *timestamppb.Timestamp:
		if t != nil {
			return t.AsTime()
		}
	}
	return time.Time{}
}

// ago says how far a moment is from now, in words.
func ago(now time.Time, when any) string {
	t := asTime(when)
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return "never"
	case d < 0:
		return "in " + about(-d)
	case d < time.Minute:
		return "just now"
	}
	return about(d) + " ago"
}

func about(d time.Duration) string {
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		n := int((d + unit.of/2) / unit.of)
		if d >= unit.of && n == 1 {
			return "1 " + unit.name
		}
		if d >= unit.of {
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "a minute"
}

// size is a number of bytes in binary units, with four digits: 1.5 KiB.
func size(bytes int64) string {
	n, unit := float64(bytes), 0
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	for n >= 1024 && unit < len(units)-1 {
		n, unit = n/1024, unit+1
	}
	return fmt.Sprintf("%.4g %s", n, units[unit])
}

// Span is how long something is, as people write it for the services: 30m, or 24h.
func Span(d *durationpb.Duration) string {
	text := d.AsDuration().String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// momentField is how fields for a moment have it, of type datetime-local: in UTC here,
// since a server does not know where a browser is.
const momentField = "2006-01-02T15:04:05"

// MomentField is what a field for a moment has for t.
func MomentField(t time.Time) string { return t.UTC().Format(momentField) }

// Moment is what was written into such a field, in UTC, or as the audit and pachctl
// write moments. Fault: Invalid.
func Moment(text string) (time.Time, error) {
	for _, layout := range []string{momentField, "2006-01-02T15:04", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "%q is no moment", fault.Clean(text, 40)).Next("write it as 2026-11-29T12:00, in UTC")
}

// asset is a file that pages load, under a name that changes with it: so it may be
// kept for ever.
type asset struct {
	path, kind string
	body       []byte
}

var assets = sync.OnceValue(func() map[string]asset {
	all := map[string]asset{}
	for name, kind := range map[string]string{"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8"} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			panic(err) // it is embedded
		}
		if name == "console.css" {
			body = append([]byte(theme.Colours()+"\n"), body...)
		}
		sum := sha256.Sum256(body)
		all[name] = asset{Root + "assets/" + base64.RawURLEncoding.EncodeToString(sum[:9]) + "/" + name, kind, body}
	}
	return all
})

func assetPath(name string) string { return assets()[name].path }

// ServeAsset serves the style sheet and the script, to anybody.
func ServeAsset(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	for _, a := range assets() {
		if a.path == r.URL.Path {
			w.Header().Set("Content-Type", a.kind)
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = w.Write(a.body)
			return
		}
	}
	http.NotFound(w, r)
}
