package issuer

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/secret"
	"pachyderm/internal/web/browser"
	"pachyderm/internal/web/record"
)

// oauthError is the answer of an endpoint that applications call (RFC 6749, 5.2).
type oauthError struct {
	status           int
	typ, description string
}

func (e *oauthError) Error() string { return e.typ + ": " + e.description }

// oauthUnavailable is for what is in the way at the moment, such as the database.
func oauthUnavailable(err error) error {
	return &oauthError{http.StatusServiceUnavailable, oauth2.TemporarilyUnavailable, fault.Message(err)}
}

// serveToken is the token endpoint: Dex's, but for a device whose person, or
// identity provider, said no, of which Dex has no notion.
func (h *handler) serveToken(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	if r.PostForm.Get("grant_type") == oauth2.GrantTypeDeviceCode {
		var d device.Request
		err := h.issuer.with.DB.View(r.Context(), func(tx *db.Tx) (err error) {
			d, err = device.ByDeviceCode(r.Context(), tx, r.PostForm.Get("device_code"))
			return err
		})
		switch {
		case err != nil && !fault.Is(err, fault.NotFound):
			return oauthUnavailable(err)
		case d.Refused != "":
			return &oauthError{http.StatusBadRequest, oauth2.AccessDenied, d.Refused}
		}
	}
	h.dex.ServeHTTP(w, r)
	return nil
}

// serveUserInfo answers with the claims about the person in the access token
// (OpenID Connect Core, 5.3). Dex's own verifies RS256 only.
func (h *handler) serveUserInfo(w http.ResponseWriter, r *http.Request) error {
	raw, ok := bearer(r)
	if !ok {
		w.Header().Set("WWW-Authenticate", "Bearer")
		return &oauthError{http.StatusUnauthorized, oauth2.AccessDenied, "send the access token as: Authorization: Bearer TOKEN"}
	}
	t, err := h.issuer.verify(r.Context(), raw)
	if err == nil {
		err = h.issuer.with.DB.View(r.Context(), func(tx *db.Tx) error {
			who, err := identity.ByTokenSub(r.Context(), tx, t.Subject)
			if err == nil {
				_, err = identity.Gate(r.Context(), tx, who.User, who.ID)
			}
			return err
		})
	}
	claims := map[string]any{}
	if err == nil {
		err = t.Claims(&claims)
	}
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		return &oauthError{http.StatusUnauthorized, "invalid_token", "the access token is not valid"}
	}
	told := []string{"sub", "email", "email_verified", "groups", "name", "preferred_username"}
	maps.DeleteFunc(claims, func(name string, _ any) bool { return !slices.Contains(told, name) })
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(claims) // the client may be gone
	return nil
}

func bearer(r *http.Request) (string, bool) {
	kind, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(kind, "bearer") && token != ""
}

// serveDeviceCode is the start of RFC 8628. Dex would take any client id.
func (h *handler) serveDeviceCode(w http.ResponseWriter, r *http.Request) error {
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	client, err := h.issuer.store.GetClient(r.Context(), r.Form.Get("client_id"))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return oauthUnavailable(err)
	}
	if err != nil || !secret.Same(secret.Hash(client.Secret), secret.Hash(r.Form.Get("client_secret"))) {
		return &oauthError{http.StatusUnauthorized, oauth2.InvalidClient, "no such client, or a wrong secret"}
	}
	who := device.NewAsker(r.Context(), r.Form.Get("requester"))
	h.answerDevice(w, r.WithContext(dexview.Asking(r.Context(), who)))
	return nil
}

// answerDevice has the answer to a device name pages that its person's browser
// reaches.
func (h *handler) answerDevice(w http.ResponseWriter, r *http.Request) {
	if h.issuer.outsideHost(r.Context()) == nil {
		h.dex.ServeHTTP(w, r)
		return
	}
	rec := record.Of(h.dex, r)
	answer := map[string]any{}
	if json.Unmarshal(rec.Bytes(), &answer) == nil {
		for _, name := range []string{"verification_uri", "verification_uri_complete"} {
			if address, ok := answer[name].(string); ok {
				answer[name] = h.issuer.Outside(r.Context(), address)
			}
		}
		rec.Reset()
		rec.Header().Del("Content-Length")
		_ = json.NewEncoder(rec).Encode(answer) // of JSON
	}
	rec.Flush(w)
}

// makeDiscovery corrects Dex's discovery document: what we add to the protocol,
// and what we do not serve.
func (h *handler) makeDiscovery() error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.url.AbsURL("/.well-known/openid-configuration"), nil)
	if err != nil {
		return err
	}
	doc := map[string]any{}
	if err := json.Unmarshal(record.Of(h.dex, r).Bytes(), &doc); err != nil {
		return err
	}
	delete(doc, "introspection_endpoint")
	doc["authorization_response_iss_parameter_supported"] = true
	h.discovery, err = json.MarshalIndent(doc, "", "  ")
	return err
}
