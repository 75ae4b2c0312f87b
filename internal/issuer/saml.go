package issuer

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/flow"
	"pachyderm/internal/issuer/trial"
	"pachyderm/internal/web"
)

// maxAnswer is more than a connector reads, in base64.
const maxAnswer = 512 << 10

// keepAnswer takes an answer that an identity provider has the browser post to
// us. A post from another site brings no cookie of ours (SameSite=Lax), so the
// answer is kept, and the browser comes for it with a GET, which does.
func (s *served) keepAnswer(w http.ResponseWriter, r *http.Request) {
	state := r.PostForm.Get("RelayState")
	if len(r.PostForm.Get("SAMLResponse")) > maxAnswer {
		s.problem(w, r, http.StatusRequestEntityTooLarge, web.Problem{
			Title: "This answer is too large", What: "The identity provider sent more than is read.",
			Next: "Tell an administrator: it should send fewer attributes.",
		})
		return
	}
	answer := url.Values{"SAMLResponse": r.PostForm["SAMLResponse"], "RelayState": {state}}
	if trial.IsState(state) {
		s.trial.KeepAnswer(w, r, state, answer)
		return
	}
	err := s.store.UpdateAuthRequest(r.Context(), state, func(a storage.AuthRequest) (storage.AuthRequest, error) {
		e, err := flow.OpenEnvelope(a.ConnectorData)
		if err != nil {
			return a, err
		}
		e.Answer = answer
		a.ConnectorData, err = e.Bytes()
		return a, err
	})
	switch {
	case errors.Is(err, storage.ErrNotFound):
		s.over(w, r)
	case err != nil:
		s.refuse(w, r, nil, err)
	default:
		http.Redirect(w, r, s.url.AbsPath("/callback")+"?state="+url.QueryEscape(state), http.StatusSeeOther) //nolint:gosec // our own page
	}
}

// serveSAMLRequest leads on to a provider that takes requests by POST only.
func (s *served) serveSAMLRequest(w http.ResponseWriter, r *http.Request) {
	state := r.URL.Query().Get("state")
	if trial.IsState(state) {
		s.trial.Form(w, r, state)
		return
	}
	request, e, ok := s.mine(w, r, state)
	if !ok {
		return
	}
	row, err := s.ReadRevision(r.Context(), request.ConnectorID, e.Revision)
	if err != nil {
		s.refuse(w, r, request, err)
		return
	}
	p, err := s.providers.Provider(row)
	if err != nil {
		s.refuse(w, r, request, err)
		return
	}
	c, ok := p.Connector.(connector.FormPoster)
	if !ok {
		s.notFound(w, r)
		return
	}
	action, fields, err := c.Form(e.Inner)
	if err != nil {
		s.refuse(w, r, request, err)
		return
	}
	if err := web.Render(w, http.StatusOK, web.Onward{Action: action, To: row.Name, Fields: fields}); err != nil {
		s.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
	}
}

// serveSAMLMetadata is what an identity provider is told of us (SAML metadata,
// 2.4.4), at /saml/{connector}/metadata. It is public, as all metadata is.
func (s *served) serveSAMLMetadata(w http.ResponseWriter, r *http.Request, rest string) {
	id, isMetadata := strings.CutSuffix(rest, "/metadata")
	row, err := s.ReadRevision(r.Context(), id, "")
	if !isMetadata || fault.Is(err, fault.NotFound) {
		s.notFound(w, r)
		return
	}
	if err != nil {
		s.refuse(w, r, nil, err)
		return
	}
	p, err := s.providers.Provider(row)
	if err != nil {
		s.notFound(w, r)
		return
	}
	c, ok := p.Connector.(connector.Describer)
	if !ok {
		s.notFound(w, r)
		return
	}
	body, err := c.SPMetadata()
	if err != nil {
		s.refuse(w, r, nil, err)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(body) //nolint:gosec // XML that we made
}
