package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dexidp/dex/server/connectors"
	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/homerealm"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/requestid"
	"pachyderm/internal/secret"
	"pachyderm/internal/tracing"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
	"pachyderm/internal/web/record"
)

// serveAuth is the authorization endpoint: the start of a login, where a
// connector is chosen, and its end, where Dex sends the code.
func (h *handler) serveAuth(w http.ResponseWriter, r *http.Request) error {
	if h.rehost(w, r) {
		return nil
	}
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	if r.Form.Get("req") == "" {
		client, moved, err := h.admit(w, r)
		if err != nil || moved {
			return err
		}
		return h.choose(w, r, client)
	}
	return h.serveEnd(w, r)
}

// bound is the parameter that ties the end of a login to the browser that it was
// in: Dex's own only show that somebody has signed in.
const bound = "bound"

// traced is the parameter with which the end of a login, of which Dex has forgotten
// the beginning, is a part of the same trace.
const traced = "traceparent"

// serveEnd is where Dex makes the code, at /auth, or asks for consent before, at
// /approval. A link to it would sign whoever opens it in as whoever sent it.
func (h *handler) serveEnd(w http.ResponseWriter, r *http.Request) error {
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	id := h.cookie.ID(r)
	if id == "" || !secret.Same(browser.CSRF(id, r.Form.Get("req")), r.URL.Query().Get(bound)) {
		return errOtherBrowser()
	}
	r = r.WithContext(h.issuer.store.WithUnit(r.Context()))
	q := r.URL.Query()
	mode := q.Get(endpoint.ResponseMode)
	request := storage.AuthRequest{}
	if mode == endpoint.FormPost || q.Has(traced) && tracing.On(r.Context()) {
		var err error
		request, err = h.issuer.store.GetAuthRequest(r.Context(), r.Form.Get("req"))
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		tracing.ContinueSigned(r.Context(), request.HMACKey, q.Get(traced))
	}
	rec, err := dexview.Serve(r.Context(), h.issuer.store, h.dex, r, nil, nil)
	if err != nil {
		return err
	}
	h.bind(rec, r, mode)
	h.deliver(w, r, rec, &request, mode)
	return nil
}

// bind adds to the address of a next step what ties it to this browser, and how
// the application wants to be answered.
func (h *handler) bind(rec *record.Recorder, r *http.Request, mode string) {
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || !u.Query().Has("req") || u.Path != h.url.AbsPath("/auth") && u.Path != h.url.AbsPath("/approval") {
		return
	}
	q := u.Query()
	q.Set(bound, browser.CSRF(h.cookie.ID(r), q.Get("req")))
	if mode != "" {
		q.Set(endpoint.ResponseMode, mode)
	}
	if tracing.On(r.Context()) {
		if a, err := h.issuer.store.GetAuthRequest(r.Context(), q.Get("req")); err == nil {
			q.Set(traced, tracing.Signed(r.Context(), a.HMACKey))
		}
	}
	u.RawQuery = q.Encode()
	rec.Header().Set("Location", u.String())
}

// choose sends a new login on to its connector, or asks the person which.
func (h *handler) choose(w http.ResponseWriter, r *http.Request, client grant.Client) error {
	rows, err := h.issuer.Registry.Rows(r.Context())
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return refused(r, "", ErrNotConnected())
	}
	if id := r.Form.Get(homerealm.ConnectorID); id != "" {
		if err := h.checkConnector(r.Context(), client, id); err != nil {
			return refused(r, oauth2.InvalidRequest, err)
		}
	}
	q := homerealm.Question{
		Form: r.Form, Rows: rows, Allowed: client.AllowedConnectors, Last: h.last.Value(r), Path: h.url.AbsPath("/auth"),
		Down: func(c registry.Row) bool { return h.issuer.Providers.Health(c).State == upstream.Failing },
	}
	to, page := q.Choose()
	switch {
	case to != "":
		return h.begin(w, r, client, to)
	case len(page.Choices) == 0:
		return refused(r, "", errNoneAllowed(client))
	default:
		h.pages.Render(w, r, http.StatusOK, page)
	}
	return nil
}

func errNoneAllowed(c grant.Client) error {
	return fault.New(fault.Denied, "none of the identity providers that %s may be used with is connected", c.Name).
		Next("an administrator can see which they are with: pachctl idp get-client %s", c.ID)
}

// ErrNotConnected is for whoever would sign in before there is a connector.
func ErrNotConnected() error {
	return fault.New(fault.Precondition, "no identity provider is connected yet").
		Next("an administrator connects one with: pachctl idp create-connector --config FILE")
}

// begin serves the beginning of a login whose address is known: the browser need not be
// sent there first.
func (h *handler) begin(w http.ResponseWriter, r *http.Request, client grant.Client, to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	r = record.Follow(r, u)
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	return h.start(w, r, client, strings.TrimPrefix(u.Path, h.url.AbsPath("/auth")+"/"))
}

// serveStart begins the login at one connector.
func (h *handler) serveStart(w http.ResponseWriter, r *http.Request, connectorID string) error {
	if h.rehost(w, r) {
		return nil
	}
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	client, moved, err := h.admit(w, r)
	if err != nil || moved {
		return err
	}
	return h.start(w, r, client, connectorID)
}

// start begins a login that admit has let through. Where Dex sends the browser to the form for a password, that is the answer.
func (h *handler) start(w http.ResponseWriter, r *http.Request, client grant.Client, connectorID string) error {
	if err := h.checkConnector(r.Context(), client, connectorID); err != nil {
		return refused(r, "", err)
	}
	h.last.Set(w, connectorID)
	l := &loginctx.Login{
		Browser: h.cookie.EnsureID(w, r), Params: r.Form, Mode: r.Form.Get(endpoint.ResponseMode), Host: h.hostOf(r),
		MaxAge: authtime.MaxAge(r.Form),
	}
	_, l.Code = requestid.New(r.Context())
	defer func() {
		if l.Request != nil {
			h.issuer.Providers.Forget(l.Request.ID)
		}
	}()
	form := h.url.AbsPath("/auth", connectorID, "login")
	rec, err := dexview.Serve(r.Context(), h.issuer.store, h.dex, r, l, func(to *url.URL) bool {
		return r.Method == http.MethodGet && to.Host == "" && to.Path == form
	})
	if l.Err != nil {
		return h.ended(r.Context(), l)
	}
	if err != nil {
		return err
	}
	h.deliver(w, r, rec, requestOf(r), l.Mode)
	return nil
}

func (h *handler) checkConnector(ctx context.Context, client grant.Client, id string) error {
	shown := fault.Clean(id, 60) // refusals are logged, and anybody can send one
	_, err := h.issuer.Registry.ReadRevision(ctx, id, "")
	switch {
	case fault.Is(err, fault.NotFound):
		return fault.New(fault.NotFound, "the identity provider %q is not connected (any more)", shown).
			Next("start again and choose another")
	case err == nil && !connectors.ConnectorAllowed(client.AllowedConnectors, id):
		return fault.New(fault.Denied, "%s may not be used with the identity provider %q", client.Name, shown).
			Next("start again and choose another")
	}
	return err
}

// serveStep is each later step of a login that an identity provider or a
// password form leads to: it must come from the browser that began.
func (h *handler) serveStep(w http.ResponseWriter, r *http.Request) error {
	if h.rehost(w, r) {
		return nil
	}
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	if r.Method == http.MethodPost && r.PostForm.Has(browser.SAMLResponse) {
		return h.keepResponse(w, r)
	}
	state := r.URL.Query().Get("state")
	if connectortest.IsState(state) {
		return h.test.Return(w, r, state)
	}
	ctx := h.issuer.store.WithUnit(r.Context())
	l, err := h.sameBrowser(r.WithContext(ctx), state)
	if err != nil {
		return err
	}
	if l.Answer != nil {
		r.PostForm = l.Answer
	}
	rec, err := dexview.Serve(ctx, h.issuer.store, h.dex, r, l, func(to *url.URL) bool {
		return to.Host == "" && to.Path == h.url.AbsPath("/auth") // which is the end of what this very browser did
	})
	if l.Err != nil {
		return h.ended(r.Context(), l)
	}
	if err != nil {
		return err
	}
	h.bind(rec, r.WithContext(ctx), l.Mode)
	h.deliver(w, r, rec, l.Request, l.Mode)
	return nil
}

// sameBrowser finds the login that has a state, if it began in this browser.
// Whoever else came is not the one who began, so it ends nothing.
func (h *handler) sameBrowser(r *http.Request, state string) (*loginctx.Login, error) {
	l, err := h.underWay(r.Context(), state)
	if err == nil && !secret.Same(h.cookie.ID(r), l.Browser) {
		h.issuer.Traces.Strayed(l.Request.ConnectorID, h.hostOf(r))
		err = errOtherBrowser()
	}
	return l, err
}

func errOtherBrowser() error {
	return web.Problem{
		Status: http.StatusBadRequest, Title: "This sign-in began in another browser",
		What: "For your safety it can only be finished in the browser window that it was started in, with cookies allowed.",
		Next: "Start again in this browser, for example with: pachctl auth login",
	}
}

// underWay finds the login that has a state.
func (h *handler) underWay(ctx context.Context, state string) (*loginctx.Login, error) {
	request, err := h.issuer.store.GetAuthRequest(ctx, state)
	if errors.Is(err, storage.ErrNotFound) {
		err = dexview.ErrLoginOver()
	}
	if err != nil {
		return nil, err
	}
	l, err := loginctx.Open(request.ConnectorData)
	if err != nil {
		return nil, dexview.ErrLoginOver()
	}
	l.Request = &request
	tracing.Continue(ctx, l.Trace)
	return l, nil
}

// admit holds a new authorization request to rules that Dex does not have:
// the redirect URI of our own clients, PKCE, and that a device was confirmed
// in this very browser. It returns the client, unless it has sent the browser
// elsewhere.
func (h *handler) admit(w http.ResponseWriter, r *http.Request) (client grant.Client, moved bool, err error) {
	for name, values := range r.Form {
		if len(values) > 1 {
			return client, false, web.Problem{
				Status: http.StatusBadRequest, Title: "This sign-in request is not valid", What: "It has the parameter " + name + " more than once.",
				Next: "Tell whoever runs the application that sent you here.",
			}
		}
	}
	client, err = h.issuer.client(r.Context(), r.Form.Get("client_id"))
	if errors.Is(err, storage.ErrNotFound) {
		err = web.Problem{
			Status: http.StatusBadRequest, Title: "This application is not known here", What: "No OIDC client has the client ID that it sent.",
			Next: "An administrator can register it with: pachctl idp create-client",
		}
	}
	if err != nil {
		return client, false, err
	}
	redirect := r.Form.Get("redirect_uri")
	switch {
	case !oidcclient.MayRedirect(client.Client, redirect):
		return client, false, web.Problem{
			Status: http.StatusBadRequest, Title: "This redirect URI is not registered",
			What: "The application that sent you here named a redirect URI that is not registered for it.",
			Next: "An administrator can add it to the client with: pachctl idp update-client",
		}
	case h.device.IsRedirect(redirect):
		moved, err = h.device.Admit(w, r)
	default:
		err = h.checkProtocol(r, client)
	}
	return client, moved, err
}

// requestOf is the auth request that Dex would make of a form that admit has
// let through, as far as an answer needs it.
func requestOf(r *http.Request) *storage.AuthRequest {
	return &storage.AuthRequest{ClientID: r.Form.Get("client_id"), RedirectURI: r.Form.Get("redirect_uri"), State: r.Form.Get("state")}
}
