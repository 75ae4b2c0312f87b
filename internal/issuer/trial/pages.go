package trial

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/claimlog"
	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
)

// statePrefix tells trials from sign-ins where providers send people back to.
const statePrefix = "trial-"

// IsState reports whether a provider's answer belongs to a trial.
func IsState(state string) bool { return strings.HasPrefix(state, statePrefix) }

func idOf(state string) string { return strings.TrimPrefix(state, statePrefix) }

// Page serves trials under one set of the issuer's settings.
type Page struct {
	*Server
	Bind flow.Binding
	Back string // path that providers send people back to
	Path string // of the trials' own pages, with a slash at the end
}

// errStranger: whoever came is not the browser that began.
var errStranger = errors.New("another browser")

// Serve is the page that a trial begins at.
func (p *Page) Serve(w http.ResponseWriter, r *http.Request, id string) {
	browser := p.Bind.Ensure(w, r)
	b, err := p.change(r.Context(), id, func(b *body) error {
		if b.Browser == "" {
			b.Browser = browser
		}
		if !secret.Same(b.Browser, browser) {
			return errStranger
		}
		return nil
	})
	if err != nil || b.Result != nil {
		p.refuse(w, r, err)
		return
	}
	c, err := p.open(b.Draft)
	if err != nil {
		p.finish(w, r, id, b, outcome{err: err})
		return
	}
	switch inner := c.Connector.(type) {
	case dexconn.CallbackConnector:
		p.begin(w, r, id, b, inner, c.Callback())
	case dexconn.PasswordConnector:
		p.password(w, r, id, b, c, inner)
	}
}

// asked are the scopes that a trial asks for.
func asked() dexconn.Scopes { return dexconn.Scopes{Groups: true} }

func (p *Page) begin(w http.ResponseWriter, r *http.Request, id string, b body, c dexconn.CallbackConnector, callback string) {
	var pending []byte
	to, err := upstream.Within(r.Context(), func(context.Context) (to string, err error) {
		to, pending, err = c.LoginURL(asked(), callback, statePrefix+id)
		return to, err
	})
	if err != nil {
		p.finish(w, r, id, b, outcome{err: err})
		return
	}
	if _, err := p.change(r.Context(), id, func(b *body) error { b.Pending = pending; return nil }); err != nil {
		p.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (p *Page) password(w http.ResponseWriter, r *http.Request, id string, b body, c *connector.Provider, inner dexconn.PasswordConnector) {
	page := web.TrialPassword{Name: b.Draft.Name, Action: p.Path + id, CSRF: secret.Hash(b.Browser + id), Prompt: inner.Prompt()}
	if r.Method != http.MethodPost || !secret.Same(page.CSRF, r.PostForm.Get("csrf")) {
		p.render(w, r, http.StatusOK, page)
		return
	}
	seen := &claimlog.Log{}
	var valid bool
	who, err := upstream.Within(r.Context(), func(ctx context.Context) (who dexconn.Identity, err error) {
		who, valid, err = inner.Login(claimlog.In(ctx, seen), asked(), r.PostForm.Get("login"), r.PostForm.Get("password"))
		return who, err
	})
	if err == nil && !valid {
		page.Username, page.Invalid = r.PostForm.Get("login"), true
		p.render(w, r, http.StatusOK, page)
		return
	}
	p.finish(w, r, id, b, outcome{seen, who, c.Issuer(), err})
}

// KeepAnswer takes an answer that a provider has the browser post from its own
// site, without our cookie: the browser comes for it with a GET.
func (p *Page) KeepAnswer(w http.ResponseWriter, r *http.Request, state string, answer url.Values) {
	_, err := p.change(r.Context(), idOf(state), func(b *body) error { b.Answer = answer; return nil })
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	http.Redirect(w, r, p.Back+"?state="+url.QueryEscape(state), http.StatusSeeOther)
}

// mine finds the trial of a state in the browser that began it.
func (p *Page) mine(r *http.Request, state string) (id string, b body, err error) {
	id = idOf(state)
	if _, b, err = p.read(r.Context(), id); err != nil {
		return id, b, err
	}
	if !secret.Same(b.Browser, p.Bind.Browser(r)) {
		err = errStranger
	}
	return id, b, err
}

// Return is where a provider sends the browser back to.
func (p *Page) Return(w http.ResponseWriter, r *http.Request, state string) {
	id, b, err := p.mine(r, state)
	if err != nil || b.Result != nil {
		p.refuse(w, r, err)
		return
	}
	c, err := p.open(b.Draft)
	if err != nil {
		p.finish(w, r, id, b, outcome{err: err})
		return
	}
	inner, ok := c.Connector.(dexconn.CallbackConnector)
	if !ok {
		p.refuse(w, r, nil)
		return
	}
	if b.Answer != nil {
		r.PostForm = b.Answer
	}
	seen := &claimlog.Log{}
	who, err := upstream.Within(r.Context(), func(ctx context.Context) (dexconn.Identity, error) {
		ctx = context.WithValue(claimlog.In(ctx, seen), oauth2.HTTPClient, fetch.HTTPClient(upstream.AnswerWithin))
		return inner.HandleCallback(asked(), b.Pending, r.WithContext(ctx))
	})
	p.finish(w, r, id, b, outcome{seen, who, c.Issuer(), err})
}

// Form is the request of a trial whose provider takes it by POST only.
func (p *Page) Form(w http.ResponseWriter, r *http.Request, state string) {
	id, b, err := p.mine(r, state)
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	c, err := p.open(b.Draft)
	if err == nil {
		if inner, ok := c.Connector.(connector.FormPoster); ok {
			page := web.Onward{To: b.Draft.Name}
			if page.Action, page.Fields, err = inner.Form(b.Pending); err == nil {
				p.render(w, r, http.StatusOK, page)
				return
			}
		}
	}
	p.finish(w, r, id, b, outcome{err: err})
}

func (p *Page) finish(w http.ResponseWriter, r *http.Request, id string, b body, o outcome) {
	if o.err != nil {
		p.Log.InfoContext(r.Context(), "a connector's trial failed", "connector", b.Draft.ID, "type", b.Draft.Type, "error", o.err)
	}
	result := p.result(r.Context(), b, o)
	if _, err := p.change(r.Context(), id, func(b *body) error { b.Result, b.Pending, b.Answer = &result, nil, nil; return nil }); err != nil {
		p.refuse(w, r, err)
		return
	}
	p.render(w, r, http.StatusOK, web.Trial{Name: b.Draft.Name, User: string(result.User), Error: result.Error})
}

func (p *Page) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, page := http.StatusBadRequest, web.Problem{
		Title: "This test is over", What: "It was finished before, or it took too long.", Next: "Start another with: pachctl idp test-connector",
	}
	switch {
	case errors.Is(err, errStranger):
		page = web.Problem{
			Title: "This test began in another browser", What: "It can only be finished in the browser that it was begun in.",
			Next: "Start another with: pachctl idp test-connector",
		}
	case err != nil && !fault.Is(err, fault.NotFound):
		p.Log.ErrorContext(r.Context(), "a connector's trial cannot go on", "error", err)
		status, page = http.StatusInternalServerError, web.Problem{Title: "The test cannot go on", What: fault.Message(err), Next: "Try again."}
	}
	p.render(w, r, status, page)
}

func (p *Page) render(w http.ResponseWriter, r *http.Request, status int, page any) {
	if err := web.Render(w, status, page); err != nil {
		p.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
	}
}
