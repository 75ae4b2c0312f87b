package issuer

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/web"
	"pachyderm/internal/web/record"
)

// How an application wants to be answered (OAuth 2.0 Multiple Response Types,
// 2.1; OAuth 2.0 Form Post Response Mode).
const (
	responseMode = "response_mode"
	modeForm     = "form_post"
)

// checkProtocol refuses what would be refused later, or not be done, before the
// person chooses a connector and signs in for nothing.
func (h *handler) checkProtocol(r *http.Request, c grant.Client) error {
	form := r.Form
	method, kind := form.Get("code_challenge_method"), form.Get("response_type")
	switch {
	case form.Has("request"):
		return refused(r, "request_not_supported", fault.New(fault.Invalid, "request objects are not taken").
			Next("send the parameters by themselves"))
	case form.Has("request_uri"):
		return refused(r, "request_uri_not_supported", fault.New(fault.Invalid, "request objects are not taken").
			Next("send the parameters by themselves"))
	case kind != oauth2.ResponseTypeCode:
		return refused(r, oauth2.UnsupportedResponseType, fault.New(fault.Invalid, "the response type %q is not served", kind).
			Next("use the authorization code flow: response_type=code"))
	case form.Get(responseMode) != "" && form.Get(responseMode) != "query" && form.Get(responseMode) != modeForm:
		return refused(r, oauth2.InvalidRequest, fault.New(fault.Invalid, "the response mode %q is not served", form.Get(responseMode)).
			Next("use query or form_post"))
	case form.Get("code_challenge") != "" && method != oauth2.PKCEMethodS256:
		return refused(r, oauth2.InvalidRequest, fault.New(fault.Invalid, "the PKCE method %q is not served", method).
			Next("send code_challenge_method=S256 (RFC 7636)"))
	case c.NeedsPKCE && form.Get("code_challenge") == "":
		return refused(r, oauth2.InvalidRequest, fault.New(fault.Invalid, "PKCE is required").
			Next("send code_challenge with code_challenge_method=S256 (RFC 7636)"))
	}
	err := h.grants.CheckScopes(r.Context(), c, strings.Fields(form.Get("scope")))
	if no := (*grant.Error)(nil); errors.As(err, &no) {
		return refused(r, no.Code, fault.New(fault.Invalid, "%s", no.Description))
	}
	if err == nil && form.Get("prompt") == "none" {
		// Nobody is signed in at the issuer itself: each sign-in asks a connector.
		err = refused(r, "login_required", fault.New(fault.Unauthenticated, "the person has to be asked").Next("leave out prompt=none"))
	}
	return err
}

// deliver sends what Dex answers a browser with; an authorization response names
// its issuer (RFC 9207), which Dex leaves out, and goes the way that the
// application asked for.
func (h *handler) deliver(w http.ResponseWriter, r *http.Request, rec *record.Recorder, request *storage.AuthRequest, mode string) {
	u, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || !u.Query().Has("code") && !u.Query().Has("error") {
		rec.Flush(w)
		return
	}
	q := u.Query()
	q.Set("iss", h.url.String())
	if mode == modeForm && request.RedirectURI != "" {
		h.post(w, r, request, q)
		return
	}
	u.RawQuery = q.Encode()
	rec.Header().Set("Location", u.String())
	rec.Flush(w)
}

// post answers an application by a form that the person sends on: without script,
// which no page of ours has.
func (h *handler) post(w http.ResponseWriter, r *http.Request, request *storage.AuthRequest, response url.Values) {
	page := web.PostResponse{Action: request.RedirectURI, To: h.issuer.clientName(r.Context(), request.ClientID), Fields: map[string]string{}}
	for _, name := range []string{"code", "state", "iss", "error", "error_description", "error_hint"} {
		if response.Has(name) {
			page.Fields[name] = response.Get(name)
		}
	}
	h.pages.Render(w, r, http.StatusOK, page)
}
