package connectortest

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	dexconn "github.com/dexidp/dex/connector"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// statePrefix tells tests from sign-ins where providers send people back to.
const statePrefix = "test-"

// IsState reports whether a provider's response belongs to a test.
func IsState(state string) bool { return strings.HasPrefix(state, statePrefix) }

func idOf(state string) string { return strings.TrimPrefix(state, statePrefix) }

// Handler serves tests under one set of the issuer's settings.
type Handler struct {
	Tests  *Service
	Cookie browser.Cookie // binds a test to the browser it began in
	Pages  web.Pages
	Back   string // path that providers send people back to
	Path   string // of the tests' own pages, with a slash at the end
}

// attempt is a sign-in of a test, as far as it got.
type attempt struct {
	id     string
	body   body
	issuer string // whom the connector vouches for, once it is open
	who    dexconn.Identity
	trace  *trace.Draft
}

// attempt begins what of a test is done in one request, and returns the context
// that its connector is to be asked with.
func (h *Handler) attempt(r *http.Request, id string) (attempt, context.Context) {
	ctx, t := trace.Begin(r.Context(), h.Tests.now, "", "", "")
	t.Test = true
	return attempt{id: id, trace: t}, ctx
}

func errOver() error {
	return web.Problem{
		Status: http.StatusBadRequest, Title: "This test is over", What: "It was finished before, or it took too long.",
		Next: "Start another with: pachctl idp test-connector",
	}
}

// errStranger: whoever came is not the browser that began.
func errStranger() error {
	return web.Problem{
		Status: http.StatusBadRequest, Title: "This test began in another browser",
		What: "It can only be finished in the browser that it was started in.", Next: "Start another with: pachctl idp test-connector",
	}
}

// open is whether a test goes on, for a body that was read or changed with err.
func (b body) open(err error) error {
	if fault.Is(err, fault.NotFound) || err == nil && b.Result != nil {
		return errOver()
	}
	return err
}

// Serve is the page that a test begins at.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, id string) error {
	own := h.Cookie.EnsureID(w, r)
	b, err := h.Tests.change(r.Context(), id, func(b *body) error {
		if b.Browser == "" {
			b.Browser = own
		}
		if !secret.Same(b.Browser, own) {
			return errStranger()
		}
		return nil
	})
	if err := b.open(err); err != nil {
		return err
	}
	a, ctx := h.attempt(r, id)
	a.body = b
	c, err := h.Tests.open(b)
	if err != nil {
		return h.finish(w, r, a, err)
	}
	a.issuer = c.Issuer()
	switch inner := c.Connector.(type) {
	case dexconn.CallbackConnector:
		return h.begin(w, r, a, inner, c.Callback())
	case dexconn.PasswordConnector:
		return h.password(w, r.WithContext(ctx), a, inner)
	}
	return errOver()
}

// asked are the scopes that a test asks for.
func asked() dexconn.Scopes { return dexconn.Scopes{Groups: true} }

func (h *Handler) begin(w http.ResponseWriter, r *http.Request, a attempt, c dexconn.CallbackConnector, callback string) error {
	var pending []byte
	to, err := upstream.Within(r.Context(), func(context.Context) (to string, err error) {
		to, pending, err = c.LoginURL(asked(), callback, statePrefix+a.id)
		return to, err
	})
	if err != nil {
		return h.finish(w, r, a, err)
	}
	b, err := h.Tests.change(r.Context(), a.id, func(b *body) error { b.Pending = pending; return nil })
	if err := b.open(err); err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (h *Handler) password(w http.ResponseWriter, r *http.Request, a attempt, c dexconn.PasswordConnector) error {
	page := web.ConnectorTestPassword{
		Name: a.body.Tested.Name, Action: h.Path + a.id, CSRF: browser.CSRF(a.body.Browser, a.id), Prompt: c.Prompt(),
	}
	if r.Method != http.MethodPost || !browser.CheckCSRF(r, a.body.Browser, a.id) {
		h.Pages.Render(w, r, http.StatusOK, page)
		return nil
	}
	var valid bool
	var err error
	a.who, err = upstream.Within(r.Context(), func(ctx context.Context) (who dexconn.Identity, err error) {
		who, valid, err = c.Login(ctx, asked(), r.PostForm.Get("login"), r.PostForm.Get("password"))
		return who, err
	})
	guess.Judge(r.Context(), valid, err)
	if err == nil && !valid {
		page.Username, page.Invalid = r.PostForm.Get("login"), true
		h.Pages.Render(w, r, http.StatusOK, page)
		return nil
	}
	return h.finish(w, r, a, err)
}

// KeepResponse takes a response that a provider has the browser post from its
// own site, without our cookie: the browser comes for it with a GET.
func (h *Handler) KeepResponse(w http.ResponseWriter, r *http.Request, state string, response url.Values) error {
	b, err := h.Tests.change(r.Context(), idOf(state), func(b *body) error { b.Answer = response; return nil })
	if err := b.open(err); err != nil {
		return err
	}
	http.Redirect(w, r, h.Back+"?state="+url.QueryEscape(state), http.StatusSeeOther)
	return nil
}

// resume finds the test of a state in the browser that began it, and goes on
// with the connector that it tests.
func (h *Handler) resume(
	w http.ResponseWriter, r *http.Request, state string, goOn func(context.Context, attempt, *connector.Provider) error,
) (err error) {
	a, ctx := h.attempt(r, idOf(state))
	_, a.body, err = h.Tests.read(r.Context(), a.id)
	if err := a.body.open(err); err != nil {
		return err
	}
	if !secret.Same(a.body.Browser, h.Cookie.ID(r)) {
		return errStranger()
	}
	c, err := h.Tests.open(a.body)
	if err != nil {
		return h.finish(w, r, a, err)
	}
	a.issuer = c.Issuer()
	return goOn(ctx, a, c)
}

// Return is where a provider sends the browser back to.
func (h *Handler) Return(w http.ResponseWriter, r *http.Request, state string) error {
	return h.resume(w, r, state, func(ctx context.Context, a attempt, c *connector.Provider) (err error) {
		inner, ok := c.Connector.(dexconn.CallbackConnector)
		if !ok {
			return errOver()
		}
		if a.body.Answer != nil {
			r.PostForm = a.body.Answer
		}
		a.trace.CameWith(r.Form)
		a.who, err = upstream.Within(ctx, func(ctx context.Context) (dexconn.Identity, error) {
			ctx = context.WithValue(ctx, oauth2.HTTPClient, a.body.Reach.HTTPClient(upstream.AnswerWithin))
			return inner.HandleCallback(asked(), a.body.Pending, r.WithContext(ctx))
		})
		return h.finish(w, r, a, err)
	})
}

// Form is the request of a test whose provider takes it by POST only.
func (h *Handler) Form(w http.ResponseWriter, r *http.Request, state string) error {
	return h.resume(w, r, state, func(_ context.Context, a attempt, c *connector.Provider) (err error) {
		inner, ok := c.Connector.(connector.FormPoster)
		if !ok {
			return errOver()
		}
		page := web.PostForm{To: a.body.Tested.Name}
		if page.Action, page.Fields, err = inner.Form(a.body.Pending); err != nil {
			return h.finish(w, r, a, err)
		}
		h.Pages.Render(w, r, http.StatusOK, page)
		return nil
	})
}

func (h *Handler) finish(w http.ResponseWriter, r *http.Request, a attempt, why error) error {
	tested := a.body.Tested
	if why != nil {
		h.Pages.Log.InfoContext(r.Context(), "connector test failed", "connector", tested.ID, "type", tested.Type, "error", why)
	}
	result := h.Tests.result(r.Context(), &a, why)
	_, err := h.Tests.change(r.Context(), a.id, func(b *body) error { b.Result, b.Pending, b.Answer = &result, nil, nil; return nil })
	if err := (body{}).open(err); err != nil {
		return err
	}
	if live := a.body.Live; why == nil && result.Error == "" && live != nil && len(result.Differences) == 0 {
		if err := h.Tests.registry.Verify(r.Context(), tested.ID, live.Revision); err != nil {
			return err
		}
	}
	h.Pages.Render(w, r, http.StatusOK, web.ConnectorTest{Name: tested.Name, User: string(result.User), Error: result.Error})
	return nil
}
