package issuer

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// keepResponse takes a response that an identity provider has the browser post
// to us. A post from another site brings no cookie of ours (SameSite=Lax), so
// the response is kept, and the browser comes for it with a GET, which does.
func (h *handler) keepResponse(w http.ResponseWriter, r *http.Request) error {
	if err := browser.CheckRelayState(r.PostForm); err != nil {
		return err
	}
	state := r.PostForm.Get("RelayState")
	response := url.Values{browser.SAMLResponse: r.PostForm[browser.SAMLResponse][:1], "RelayState": {state}}
	if connectortest.IsState(state) {
		return h.test.KeepResponse(w, r, state, response)
	}
	l, err := h.underWay(r.Context(), state)
	if err != nil {
		return err
	}
	if _, _, err := capable[connector.Describer](r.Context(), h.issuer, l.Request.ConnectorID, l.Revision); err != nil {
		return dexview.ErrLoginOver() // whose provider sends no such responses
	}
	err = h.issuer.store.UpdateAuthRequest(r.Context(), state, func(a storage.AuthRequest) (storage.AuthRequest, error) {
		l.Answer = response
		a.ConnectorData, err = l.Data()
		return a, err
	})
	if errors.Is(err, storage.ErrNotFound) {
		err = dexview.ErrLoginOver()
	}
	if err == nil {
		http.Redirect(w, r, h.url.AbsPath("/callback")+"?state="+url.QueryEscape(state), http.StatusSeeOther) //nolint:gosec // our own page
	}
	return err
}

// serveSAMLRequest leads on to a provider that takes requests by POST only.
func (h *handler) serveSAMLRequest(w http.ResponseWriter, r *http.Request) error {
	state := r.URL.Query().Get("state")
	if connectortest.IsState(state) {
		return h.test.Form(w, r, state)
	}
	l, err := h.sameBrowser(r, state)
	if err != nil {
		return err
	}
	page, err := h.postForm(r.Context(), l)
	if err != nil {
		return &refusal{l.Request, l.Mode, "", err, false}
	}
	h.pages.Render(w, r, http.StatusOK, page)
	return nil
}

func (h *handler) postForm(ctx context.Context, l *loginctx.Login) (page web.PostForm, err error) {
	row, c, err := capable[connector.FormPoster](ctx, h.issuer, l.Request.ConnectorID, l.Revision)
	if err != nil {
		return page, err
	}
	page.To = row.Name
	page.Action, page.Fields, err = c.Form(l.Inner)
	return page, err
}

// capable finds a connector that can do what C says. Fault: NotFound.
func capable[C any](ctx context.Context, i *Issuer, id, revision string) (row registry.Row, c C, err error) {
	if row, err = i.Registry.ReadRevision(ctx, id, revision); err != nil {
		return row, c, err
	}
	p, err := i.Providers.Provider(row)
	if err != nil {
		return row, c, err
	}
	c, ok := p.Connector.(C)
	if !ok {
		err = fault.New(fault.NotFound, "connector %s of type %s has no such page", row.ID, row.Type)
	}
	return row, c, err
}

// serveSAMLMetadata is what an identity provider is told of us (SAML metadata,
// 2.4.4), at /saml/{connector}/metadata. It is public, as all metadata is, and
// so whatever has none answers alike.
func (h *handler) serveSAMLMetadata(w http.ResponseWriter, r *http.Request, rest string) error {
	id, isMetadata := strings.CutSuffix(rest, "/metadata")
	if !isMetadata {
		return web.NothingHere()
	}
	_, c, err := capable[connector.Describer](r.Context(), h.issuer, id, "")
	if err != nil && !fault.Is(err, fault.Internal) && !fault.Is(err, fault.Unavailable) {
		return web.NothingHere() // what is wrong with a connector is not for everybody
	}
	if err != nil {
		return err
	}
	body, err := c.SPMetadata()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(body) //nolint:gosec // XML that we made
	return nil
}
