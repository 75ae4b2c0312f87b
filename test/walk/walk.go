package walk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Person is somebody who signs in. Name is what is typed as the user name, and
// Groups are those that the person is directly in.
type Person struct {
	Name, Password, Email string
	Groups                []string
}

// WithPassword is the same person who types something else.
func (p Person) WithPassword(password string) Person {
	p.Password = password
	return p
}

// ErrRefused is in the error of SignIn where the provider asks for the password
// again, or does not know the person.
var ErrRefused = errors.New("refused")

// SignIn opens an address and goes through redirects and forms as a person in a
// browser would: types name and password, agrees to what is asked, and lets
// forms that send themselves do so. It ends before it would open an address for
// which stop is true, or at a page without a form, and returns that address and
// the page's text. The client needs a cookie jar.
func SignIn(ctx context.Context, client *http.Client, start string, p Person, stop func(*url.URL) bool) (*url.URL, string, error) {
	w := &walker{client: *client, person: p, stop: stop}
	// A redirect is a step like any other, because stop is asked about each.
	w.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	at, err := url.Parse(start)
	if err != nil {
		return nil, "", err
	}
	next := step{method: http.MethodGet, to: at}
	const enough = 40
	for range enough {
		if stop != nil && stop(next.to) {
			return next.to, "", nil
		}
		page, err := w.open(ctx, next)
		if err != nil {
			return next.to, "", fmt.Errorf("%s %s: %w", next.method, next.to, err)
		}
		following, err := w.follow(page)
		if err != nil {
			return page.at, page.text(), fmt.Errorf("%s: %w: %s", page.at, err, page.text())
		}
		if following == nil {
			return page.at, page.text(), nil
		}
		next = *following
	}
	return next.to, "", fmt.Errorf("%s: not signed in after %d pages", next.to, enough)
}

// step is what a browser asks for next.
type step struct {
	method string
	to     *url.URL
	form   url.Values
}

type walker struct {
	client http.Client
	person Person
	stop   func(*url.URL) bool
	// typed says that the password has been sent: who asks once more refuses it.
	typed bool
}

func (w *walker) open(ctx context.Context, s step) (*page, error) {
	var body io.Reader
	if s.method == http.MethodPost {
		body = strings.NewReader(s.form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, s.method, s.to.String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	p, err := parsePage(s.to, text)
	if err != nil {
		return nil, err
	}
	p.asked, p.status, p.location = s, res.StatusCode, res.Header.Get("Location")
	return p, nil
}

// follow says where a page leads; nil where it is the end.
func (w *walker) follow(p *page) (*step, error) {
	if p.status >= 300 && p.status < 400 && p.location != "" {
		to, err := p.at.Parse(p.location)
		if err != nil {
			return nil, err
		}
		if p.status == http.StatusTemporaryRedirect || p.status == http.StatusPermanentRedirect {
			return &step{p.asked.method, to, p.asked.form}, nil
		}
		return &step{method: http.MethodGet, to: to}, nil
	}
	f, err := w.choose(p)
	if f == nil || err != nil {
		return nil, err
	}
	if f.password != "" {
		if w.typed {
			return nil, fmt.Errorf("asks for the password again: %w", ErrRefused)
		}
		w.typed = true
		f.values.Set(f.password, w.person.Password)
	}
	switch {
	case f.name == "" || f.values.Get(f.name) != "" && f.password == "":
	case f.email:
		f.values.Set(f.name, w.person.Email)
	default:
		f.values.Set(f.name, w.person.Name)
	}
	if s := auth0Step(p, f); s != nil {
		return s, nil
	}
	to, err := p.at.Parse(f.action)
	if err != nil {
		return nil, err
	}
	if f.method == http.MethodGet {
		to.RawQuery = f.values.Encode()
		return &step{method: http.MethodGet, to: to}, nil
	}
	return &step{http.MethodPost, to, f.values}, nil
}

// choose picks the form that a person who wants to sign in would: the one for
// the password, or the one with the own name on it, or the first that agrees.
func (w *walker) choose(p *page) (*form, error) {
	var agrees *form
	others := false
	for _, f := range p.forms {
		if f.password != "" {
			return f, nil
		}
		switch who := f.account(); {
		case who == w.person.Name && who != "" || who == w.person.Email && who != "":
			return f, nil
		case who != "":
			others = true
		case agrees == nil && !f.refuses() && !f.lists:
			agrees = f
		}
	}
	if agrees == nil && others {
		return nil, fmt.Errorf("offers accounts, but not %s: %w", w.person.Name, ErrRefused)
	}
	return agrees, nil
}
