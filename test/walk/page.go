package walk

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// page is what a browser shows, or where it was sent on from.
type page struct {
	asked    step
	at       *url.URL
	status   int
	location string
	body     string
	root     *html.Node
	forms    []*form
}

// form is one of a page, filled as it came, with its main button pressed.
type form struct {
	method, action string
	values         url.Values
	name, password string // of the fields for them
	email          bool   // the name is an e-mail address
	lists          bool   // only a choice, as of the language
	pressed        bool
}

func parsePage(at *url.URL, body []byte) (*page, error) {
	root, err := html.Parse(bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	p := &page{at: at, body: string(body), root: root}
	for n := range root.Descendants() {
		if n.DataAtom == atom.Form {
			p.forms = append(p.forms, parseForm(n))
		}
	}
	return p, nil
}

// text is the page without its markup.
func (p *page) text() string {
	var words []string
	for n := range p.root.Descendants() {
		if n.Type == html.TextNode && n.Parent.DataAtom != atom.Script && n.Parent.DataAtom != atom.Style && n.Parent.DataAtom != atom.Noscript {
			words = append(words, strings.Fields(n.Data)...)
		}
	}
	return strings.Join(words, " ")
}

func parseForm(n *html.Node) *form {
	f := &form{method: http.MethodGet, action: attr(n, "action"), values: url.Values{}}
	if strings.EqualFold(attr(n, "method"), http.MethodPost) {
		f.method = http.MethodPost
	}
	fields, selects := 0, 0
	for c := range n.Descendants() {
		if attr(c, "name") != "" && !has(c, "disabled") {
			fields++
		}
		switch c.DataAtom {
		case atom.Input:
			f.input(c)
		case atom.Button:
			if t := attr(c, "type"); t == "" || t == "submit" {
				f.press(c)
			}
		case atom.Textarea:
			f.values.Set(attr(c, "name"), "")
		case atom.Select:
			selects++
			f.values.Set(attr(c, "name"), selected(c))
		}
	}
	f.values.Del("")
	f.lists = selects > 0 && fields == selects
	return f
}

func (f *form) input(n *html.Node) {
	name, value := attr(n, "name"), attr(n, "value")
	if has(n, "disabled") {
		return
	}
	switch strings.ToLower(attr(n, "type")) {
	case "submit", "image":
		f.press(n)
	case "button", "reset", "file":
	case "checkbox", "radio":
		if has(n, "checked") {
			f.values.Add(name, value)
		}
	case "password":
		f.password = name
		f.values.Set(name, value)
	case "hidden":
		f.values.Add(name, value)
	case "email":
		f.name, f.email = name, true
		f.values.Set(name, value)
	default:
		if f.name == "" {
			f.name, f.email = name, name == "email"
		}
		f.values.Set(name, value)
	}
}

// press is for the first button that does not take it all back.
func (f *form) press(n *html.Node) {
	name, value := attr(n, "name"), attr(n, "value")
	if f.pressed || refuses(value) || refuses(name) {
		return
	}
	f.pressed = true
	if name != "" {
		f.values.Set(name, value)
	}
}

// account is whose button this is, on a page that offers accounts.
func (f *form) account() string {
	for _, name := range []string{"login", "username", "email"} {
		if f.name == "" && f.values.Get(name) != "" {
			return f.values.Get(name)
		}
	}
	return ""
}

func (f *form) refuses() bool {
	for _, values := range f.values {
		if slices.ContainsFunc(values, refuses) {
			return true
		}
	}
	return false
}

func refuses(word string) bool {
	return slices.Contains([]string{"no", "cancel", "abort", "deny", "reject", "rejected", "logout"}, strings.ToLower(word))
}

func selected(n *html.Node) string {
	var options []*html.Node
	for c := range n.Descendants() {
		if c.DataAtom == atom.Option {
			options = append(options, c)
		}
	}
	for _, o := range options {
		if has(o, "selected") {
			return attr(o, "value")
		}
	}
	if len(options) == 0 {
		return ""
	}
	return attr(options[0], "value")
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == name })
}
