package issuer

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/loginctx"
)

// refusal is why a login failed that an application, or a device, waits for.
type refusal struct {
	request *storage.AuthRequest
	mode    string // in which the application wants to hear
	code    string // of RFC 6749, 4.1.2.1, or "" for that of the error's kind
	why     error
	traced  bool // an administrator finds out more by the request's id
}

// refused is the refusal of a request that admit has let through, or lets not.
func refused(r *http.Request, code string, why error) error {
	return &refusal{requestOf(r), r.Form.Get(endpoint.ResponseMode), code, why, false}
}

func (e *refusal) Error() string { return e.why.Error() }

// ended is the refusal of a login that has begun: its auth request is gone, and
// whoever waits for it hears why at once.
func (h *handler) ended(ctx context.Context, l *loginctx.Login) error {
	if l.Request == nil {
		return l.Err
	}
	if err := h.issuer.store.DeleteAuthRequest(ctx, l.Request.ID); err != nil && !errors.Is(err, storage.ErrNotFound) {
		h.issuer.with.Log.ErrorContext(ctx, "cannot delete a failed sign-in", "error", err)
	}
	return &refusal{l.Request, l.Mode, "", l.Err, h.issuer.Traces.On()}
}

// refuse tells the application; and if it cannot be told, the waiting device
// and the person.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, e *refusal) {
	page := h.pages.Explain(r.Context(), e.why)
	h.issuer.with.Log.WarnContext(r.Context(), "sign-in refused",
		"code", page.Code, "client", e.request.ClientID, "connector", e.request.ConnectorID, "error", e.why)
	message, hint := fault.Message(e.why), fault.NextOf(e.why)
	switch {
	case fault.KindOf(e.why) == fault.Internal:
		message = "something went wrong on our side: tell an administrator the code " + page.Code
	case e.traced:
		message += " (code " + page.Code + ")"
	}
	if !h.device.IsRedirect(e.request.RedirectURI) {
		h.redirectError(w, r, e, message, hint)
		return
	}
	h.device.Refuse(r.Context(), e.request.State, message)
	h.pages.Render(w, r, page.Status, page)
}

// errorType is the error code of RFC 6749, 4.1.2.1.
func errorType(why error) string {
	switch fault.KindOf(why) {
	case fault.Denied, fault.Unauthenticated:
		return oauth2.AccessDenied
	case fault.Unavailable, fault.Precondition:
		return oauth2.TemporarilyUnavailable
	case fault.Invalid:
		return oauth2.InvalidRequest
	}
	return oauth2.ServerError
}

// redirectError sends an error to the client (RFC 6749, 4.1.2.1). The redirect
// URI has been checked against the client's. What to do stands in the
// description, and by itself in error_hint for pachctl.
func (h *handler) redirectError(w http.ResponseWriter, r *http.Request, e *refusal, description, hint string) {
	u, err := url.Parse(e.request.RedirectURI)
	if err != nil {
		h.pages.Fail(w, r, err)
		return
	}
	q := u.Query()
	q.Set("error", cmp.Or(e.code, errorType(e.why)))
	q.Set("error_description", description)
	q.Set("iss", h.url.String())
	if hint != "" {
		q.Set("error_hint", hint)
	}
	if e.request.State != "" {
		q.Set("state", e.request.State)
	}
	if e.mode == endpoint.FormPost {
		h.post(w, r, e.request, q)
		return
	}
	u.RawQuery = q.Encode()
	http.Redirect(w, r, u.String(), http.StatusSeeOther)
}
