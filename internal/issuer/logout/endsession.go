package logout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// Handler is the end_session endpoint (RP-Initiated Logout, 2).
type Handler struct {
	JWS   jws.Issuer
	Pages web.Pages
	// Client finds a client. Error: storage.ErrNotFound.
	Client func(ctx context.Context, id string) (storage.Client, error)
	// End ends a grant. Fault: NotFound.
	End func(ctx context.Context, grantID string) error
}

// ServeHTTP ends the sign-in of an ID token, also of one that has expired, and
// sends the browser on to where its application has registered. Nobody is signed
// in at the issuer itself, so that without an ID token there is nothing to end.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	hint, clientID := r.Form.Get("id_token_hint"), r.Form.Get("client_id")
	if hint != "" {
		t, err := h.JWS.VerifyExpired(r.Context(), jws.ID, hint)
		var said struct {
			Grant string `json:"sid"`
		}
		if err == nil {
			err = t.Claims(&said)
		}
		if err != nil || clientID != "" && !slices.Contains(t.Audience, clientID) {
			return errHint()
		}
		if clientID == "" {
			clientID = party(t)
		}
		if err := h.End(r.Context(), said.Grant); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	to, err := h.back(r.Context(), clientID, r.Form.Get("post_logout_redirect_uri"), r.Form.Get("state"))
	switch {
	case err != nil:
		return err
	case to != "":
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // registered
	default:
		h.Pages.Render(w, r, http.StatusOK, web.SignedOut{Ended: hint != ""})
	}
	return nil
}

func errHint() error {
	return web.Problem{
		Status: http.StatusBadRequest, Title: "You may still be signed in",
		What: "The application that sent you here did not say which sign-in to end.",
		Next: "Sign out in the application itself, or end the sign-in with: pachctl auth revoke --session",
	}
}

// party is the client that an ID token was made for.
func party(t *oidc.IDToken) string {
	var said struct {
		Party string `json:"azp"`
	}
	if err := t.Claims(&said); err == nil && said.Party != "" {
		return said.Party
	}
	if len(t.Audience) == 1 {
		return t.Audience[0]
	}
	return ""
}

// back is where the browser goes on to, or "" for nowhere.
func (h *Handler) back(ctx context.Context, clientID, to, state string) (string, error) {
	if to == "" {
		return "", nil
	}
	c, err := h.Client(ctx, clientID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return "", err
	}
	if err != nil || !slices.Contains(c.PostLogoutRedirectURIs, to) {
		return "", web.Problem{
			Status: http.StatusBadRequest, Title: "The way back is not registered",
			What: "The application that sent you here named a post_logout_redirect_uri that is not registered for it.",
			Next: "An administrator can add it to the client with: pachctl idp update-client",
		}
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	if state != "" {
		q := u.Query()
		q.Set("state", state)
		u.RawQuery = q.Encode()
	}
	return u.String(), nil
}
