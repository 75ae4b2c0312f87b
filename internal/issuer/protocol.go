package issuer

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/web"
	"pachyderm/internal/web/record"
)

// checkProtocol refuses what would be refused later, or not be done, before the
// person chooses a connector and signs in for nothing.
func (h *handler) checkProtocol(r *http.Request, c grant.Client) error {
	if code, err := endpoint.CheckAuthorization(r.Form, c.NeedsPKCE); err != nil {
		return refused(r, code, err)
	}
	err := h.grants.CheckScopes(r.Context(), c, strings.Fields(r.Form.Get("scope")))
	if no := (*endpoint.Error)(nil); errors.As(err, &no) {
		return refused(r, no.Code, fault.New(fault.Invalid, "%s", no.Description))
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
	if mode == endpoint.FormPost && request.RedirectURI != "" {
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
