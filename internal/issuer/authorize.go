package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/chooser"
	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trial"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/webaddr"
)

// serveAuth is the authorization endpoint: the start of a login, where a
// connector is chosen, and its end, where Dex sends the code.
func (s *served) serveAuth(w http.ResponseWriter, r *http.Request) {
	if s.rehost(w, r) || !s.parsed(w, r) {
		return
	}
	if r.Form.Get("req") == "" {
		if client, ok := s.admit(w, r); ok {
			s.choose(w, r, client)
		}
		return
	}
	rec := flow.Record(s.dex, r)
	rec.AddIssuer(s.url.String())
	rec.Flush(w)
}

// choose sends a new login on to its connector, or asks the person which.
func (s *served) choose(w http.ResponseWriter, r *http.Request, client storage.Client) {
	rows, err := s.Rows(r.Context())
	if err != nil {
		s.refuse(w, r, nil, err)
		return
	}
	if len(rows) == 0 {
		s.refuse(w, r, requestOf(r), errNotConnected())
		return
	}
	q := chooser.Question{
		Form: r.Form, Rows: rows, Allowed: client.AllowedConnectors, Last: chooser.Last(r, s.url.Scheme == "https"), Path: s.url.AbsPath("/auth"),
		Down: func(c registry.Row) bool { return s.providers.Health(c).State == upstream.Failing },
	}
	id, page := q.Choose()
	switch {
	case id != "":
		r.Form.Del(chooser.ConnectorID)
		http.Redirect(w, r, q.Path+"/"+url.PathEscape(id)+"?"+r.Form.Encode(), http.StatusSeeOther) //nolint:gosec // our own page
	case len(page.Choices) == 0:
		s.refuse(w, r, requestOf(r), errNoneAllowed(client))
	default:
		if err := web.Render(w, http.StatusOK, page); err != nil {
			s.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
		}
	}
}

func errNoneAllowed(c storage.Client) error {
	return fault.New(fault.Denied, "none of the identity providers that %s may be used with is connected", c.Name).
		Next("an administrator can look with: pachctl idp get-client %s", c.ID)
}

func errNotConnected() error {
	return fault.New(fault.Precondition, "no identity provider is connected yet").
		Next("an administrator connects one with: pachctl idp create-connector --config FILE")
}

// serveStart begins the login at one connector.
func (s *served) serveStart(w http.ResponseWriter, r *http.Request, connectorID string) {
	if s.rehost(w, r) || !s.parsed(w, r) {
		return
	}
	client, ok := s.admit(w, r)
	if !ok {
		return
	}
	if _, err := s.ReadRevision(r.Context(), connectorID, ""); err != nil {
		if fault.Is(err, fault.NotFound) {
			err = fault.New(fault.NotFound, "the identity provider %q is not connected (any more)", connectorID).
				Next("start again and choose another")
		}
		s.refuse(w, r, requestOf(r), err)
		return
	}
	if !chooser.Allows(client.AllowedConnectors, connectorID) {
		s.refuse(w, r, requestOf(r), fault.New(fault.Denied, "%s may not be used with the identity provider %q", client.Name, connectorID).
			Next("start again and choose another"))
		return
	}
	chooser.Remember(w, connectorID, s.url.Scheme == "https")
	f := &flow.Flow{Browser: s.bind.Ensure(w, r), Params: r.Form}
	defer func() {
		if f.Request != nil {
			s.providers.Forget(f.Request.ID)
		}
	}()
	rec := flow.Record(s.dex, r.WithContext(f.In(r.Context())))
	if f.Err != nil {
		s.end(w, r, f.Request, f.Err)
		return
	}
	rec.AddIssuer(s.url.String())
	rec.Flush(w)
}

// serveStep is each later step of a login that an identity provider or a
// password form leads to: it must come from the browser that began.
func (s *served) serveStep(w http.ResponseWriter, r *http.Request) {
	if s.rehost(w, r) || !s.parsed(w, r) {
		return
	}
	if r.Method == http.MethodPost && r.PostForm.Has("SAMLResponse") {
		s.keepAnswer(w, r)
		return
	}
	state := r.URL.Query().Get("state")
	if trial.IsState(state) {
		s.trial.Return(w, r, state)
		return
	}
	request, e, ok := s.mine(w, r, state)
	if !ok {
		return
	}
	if e.Answer != nil {
		r.PostForm = e.Answer
	}
	f := &flow.Flow{Browser: e.Browser, Revision: e.Revision, Request: request}
	rec := flow.Record(s.dex, r.WithContext(f.In(r.Context())))
	if f.Err != nil {
		s.end(w, r, request, f.Err)
		return
	}
	rec.Flush(w)
}

// mine finds the login that has a state, if it began in this browser. If not it
// has answered, and whoever came is not the one who began, so it ends nothing.
func (s *served) mine(w http.ResponseWriter, r *http.Request, state string) (*storage.AuthRequest, flow.Envelope, bool) {
	request, err := s.store.GetAuthRequest(r.Context(), state)
	if errors.Is(err, storage.ErrNotFound) {
		s.over(w, r)
		return nil, flow.Envelope{}, false
	}
	if err != nil {
		s.refuse(w, r, nil, err)
		return nil, flow.Envelope{}, false
	}
	e, err := flow.OpenEnvelope(request.ConnectorData)
	if err != nil || !secret.Same(s.bind.Browser(r), e.Browser) {
		s.stranger(w, r)
		return nil, flow.Envelope{}, false
	}
	return &request, e, true
}

func (s *served) over(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusBadRequest, web.Problem{
		Title: "This sign-in is over", What: "It was finished or cancelled before, or it took longer than half an hour.", Next: "Start again where you came from, for example with: pachctl auth login",
	})
}

func (s *served) stranger(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusBadRequest, web.Problem{
		Title: "This sign-in began in another browser", What: "For your safety it can only be finished in the browser window that it was started in, with cookies allowed.", Next: "Start again in this browser, for example with: pachctl auth login",
	})
}

// parsed reads the form, so that parameters in body and query are one.
func (s *served) parsed(w http.ResponseWriter, r *http.Request) bool {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		s.problem(w, r, http.StatusBadRequest, web.Problem{Title: "This request cannot be read", What: "The browser sent something that is not a form.", Next: "Start again."})
		return false
	}
	r.Form.Del(flow.Hopped)
	return true
}

// admit holds a new authorization request to rules that Dex does not have:
// the redirect URI of our own clients, PKCE, and that a device was confirmed
// in this very browser. It returns the client, and whether the request may go on.
func (s *served) admit(w http.ResponseWriter, r *http.Request) (storage.Client, bool) {
	for name, values := range r.Form {
		if len(values) > 1 {
			s.problem(w, r, http.StatusBadRequest, web.Problem{Title: "This sign-in request is not valid", What: "It gives " + name + " more than once.", Next: "Tell whoever runs the application that sent you here."})
			return storage.Client{}, false
		}
	}
	client, err := s.store.GetClient(r.Context(), r.Form.Get("client_id"))
	if errors.Is(err, storage.ErrNotFound) {
		s.problem(w, r, http.StatusBadRequest, web.Problem{Title: "This application is not known here", What: "No OIDC client has the client ID that it sent.", Next: "An administrator can register it with: pachctl idp create-client"})
		return storage.Client{}, false
	}
	if err != nil {
		s.refuse(w, r, nil, err)
		return storage.Client{}, false
	}
	redirect := r.Form.Get("redirect_uri")
	if !s.redirectAllowed(client, redirect) {
		s.problem(w, r, http.StatusBadRequest, web.Problem{Title: "This application may not be answered there", What: "The redirect URI that it sent is not registered for it.", Next: "An administrator can add it to the client with: pachctl idp update-client"})
		return storage.Client{}, false
	}
	if isDeviceRedirect(redirect, s.url.Path) {
		return client, s.admitDevice(w, r)
	}
	if needsPKCE(client) && (r.Form.Get("code_challenge") == "" || r.Form.Get("code_challenge_method") != oauth2.PKCEMethodS256) {
		s.answer(w, r, requestOf(r), oauth2.InvalidRequest, "PKCE is required: send code_challenge with code_challenge_method=S256 (RFC 7636)")
		return storage.Client{}, false
	}
	return client, true
}

// needsPKCE: confidential clients made over upstream's API cannot say whether
// they know PKCE, so only for them it is their choice.
func needsPKCE(c storage.Client) bool { return c.Public || c.ID == LegacyClient }

// redirectAllowed is stricter than Dex for clients without registered URIs:
// only a loopback address of the caller's own machine (RFC 8252, 7.3).
func (s *served) redirectAllowed(c storage.Client, uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if !c.Public || len(c.RedirectURIs) > 0 {
		return false
	}
	u, err := webaddr.Parse(uri)
	return err == nil && u.Scheme == "http" && webaddr.IsBare(u) && webaddr.IsLoopback(u.Hostname())
}

// requestOf is the auth request that Dex would make of a form that admit has
// let through, as far as an answer needs it.
func requestOf(r *http.Request) *storage.AuthRequest {
	return &storage.AuthRequest{ClientID: r.Form.Get("client_id"), RedirectURI: r.Form.Get("redirect_uri"), State: r.Form.Get("state")}
}

// end finishes a login that failed: the auth request is gone, and whoever
// waits for it hears why at once.
func (s *served) end(w http.ResponseWriter, r *http.Request, request *storage.AuthRequest, why error) {
	if request == nil {
		s.refuse(w, r, nil, why)
		return
	}
	if err := s.store.DeleteAuthRequest(r.Context(), request.ID); err != nil && !errors.Is(err, storage.ErrNotFound) {
		s.Log.ErrorContext(r.Context(), "cannot delete a failed sign-in", "error", err)
	}
	s.refuse(w, r, request, why)
}

// refuse tells the client, or the person if no client can be told.
func (s *served) refuse(w http.ResponseWriter, r *http.Request, request *storage.AuthRequest, why error) {
	code := rand.Text()[:8]
	s.logRefusal(r.Context(), code, request, why)
	status, typ := http.StatusInternalServerError, oauth2.ServerError
	switch fault.KindOf(why) {
	case fault.Denied, fault.Unauthenticated:
		status, typ = http.StatusForbidden, oauth2.AccessDenied
	case fault.Unavailable, fault.Precondition:
		status, typ = http.StatusServiceUnavailable, oauth2.TemporarilyUnavailable
	case fault.Invalid, fault.NotFound:
		status = http.StatusBadRequest
	}
	message := fault.Message(why)
	if fault.KindOf(why) == fault.Internal {
		message = "something went wrong on our side: tell an administrator the code " + code
	}
	if request != nil && request.RedirectURI != "" && !isDeviceRedirect(request.RedirectURI, s.url.Path) {
		s.answer(w, r, request, typ, message)
		return
	}
	if request != nil {
		s.refuseDevice(r.Context(), request.State, message)
	}
	s.problem(w, r, status, web.Problem{Title: "You are not signed in", What: message, Next: "Try again, or give an administrator the code below: it finds the entry in pachd's log.", Code: code, When: s.Now()})
}

func (s *served) logRefusal(ctx context.Context, code string, request *storage.AuthRequest, why error) {
	client, conn := "", ""
	if request != nil {
		client, conn = request.ClientID, request.ConnectorID
	}
	s.Log.WarnContext(ctx, "sign-in refused", "code", code, "client", client, "connector", conn, "error", why)
}

// answer sends an error to the client (RFC 6749, 4.1.2.1). The redirect URI
// has been checked against the client's.
func (s *served) answer(w http.ResponseWriter, r *http.Request, request *storage.AuthRequest, typ, description string) {
	u, err := url.Parse(request.RedirectURI)
	if err != nil {
		s.problem(w, r, http.StatusBadRequest, web.Problem{Title: "You are not signed in", What: description})
		return
	}
	q := u.Query()
	q.Set("error", typ)
	q.Set("error_description", description)
	q.Set("iss", s.url.String())
	if request.State != "" {
		q.Set("state", request.State)
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther) //nolint:gosec // checked against the client
}
