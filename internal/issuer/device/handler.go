package device

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/server/templates"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// Handler serves the pages of the person whose device asks.
type Handler struct {
	DB        *db.DB
	Log       *slog.Logger
	Now       func() time.Time
	URL       oauth2.IssuerURL
	Cookie    browser.Cookie // tells the browser that said yes from others
	Pages     web.Pages
	Templates *templates.Templates // of Dex's pages
	// Approve lets the device have its tokens, in the browser that said yes.
	Approve func(ctx context.Context, code, userCode, browser string) (clientID string, err error)
	// ClientName is a client as people know it.
	ClientName func(ctx context.Context, id string) string
}

// IsRedirect reports whether a login with this redirect URI is that of a device.
func (h *Handler) IsRedirect(uri string) bool {
	return uri == oauth2.DeviceCallbackURI || uri == h.URL.AbsPath(oauth2.DeviceCallbackURI)
}

// ServePage is where a person types a user code.
func (h *Handler) ServePage(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return errMethod()
	}
	q := r.URL.Query()
	return h.Templates.Device(r, w, h.URL.AbsPath("/device/auth/verify_code"), q.Get("user_code"), q.Get("invalid") == "true")
}

func errMethod() error {
	return web.Problem{
		Status: http.StatusMethodNotAllowed, Title: "This is not a page to send to", What: "It is only there to be opened.", Next: "Start again.",
	}
}

// ServeVerify takes the code that a person typed, shows who asks, and only on
// their yes lets the login begin (RFC 8628, 5.4).
func (h *Handler) ServeVerify(w http.ResponseWriter, r *http.Request) error {
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	userCode := NormalUserCode(r.PostForm.Get("user_code"))
	d, err := h.find(r.Context(), userCode)
	guess.Judge(r.Context(), err == nil, err)
	if fault.Is(err, fault.NotFound) || err == nil && d.Refused != "" {
		http.Redirect(w, r, h.URL.AbsPath("/device")+"?invalid=true", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	id := h.Cookie.EnsureID(w, r)
	answer := r.PostForm.Get("answer")
	if !browser.CheckCSRF(r, id, userCode) {
		answer = ""
	}
	switch answer {
	case "yes":
		err := h.DB.Update(r.Context(), func(tx *db.Tx) error { return Confirm(r.Context(), tx, userCode, id) })
		if err == nil {
			http.Redirect(w, r, h.login(d), http.StatusSeeOther)
		}
		return err
	case "no":
		h.Refuse(r.Context(), userCode, "the person in the browser refused this sign-in")
		return web.Problem{
			Status: http.StatusOK, Title: "Refused", What: "Nobody was signed in.",
			Next: "You can close this window. If you did not expect the question, tell an administrator.",
		}
	}
	h.Pages.Render(w, r, http.StatusOK, web.ConfirmDevice{
		Action: h.URL.AbsPath("/device/auth/verify_code"), CSRF: browser.CSRF(id, userCode), UserCode: userCode,
		Client: d.ClientID, Requester: d.Name, Address: d.Address, When: d.Created,
	})
	return nil
}

// login is where the login of a device begins.
func (h *Handler) login(d Request) string {
	return h.URL.AbsPath("/auth") + "?" + url.Values{
		"client_id": {d.ClientID}, "state": {d.UserCode}, "response_type": {"code"},
		"redirect_uri": {h.URL.AbsPath(oauth2.DeviceCallbackURI)}, "scope": {strings.Join(d.Scopes, " ")},
	}.Encode()
}

// Admit lets a device's login begin only in the browser in which the person said
// yes, or a link alone could sign a stranger's device in. Others are sent to the
// page that asks.
func (h *Handler) Admit(w http.ResponseWriter, r *http.Request) (moved bool, err error) {
	userCode := NormalUserCode(r.Form.Get("state"))
	d, err := h.find(r.Context(), userCode)
	switch {
	case err == nil && d.Refused == "" && d.ClientID == r.Form.Get("client_id") && secret.Same(d.ConfirmedBy, h.Cookie.ID(r)):
		return false, nil
	case err != nil && !fault.Is(err, fault.NotFound):
		return false, err
	}
	http.Redirect(w, r, h.URL.AbsPath("/device")+"?user_code="+url.QueryEscape(userCode), http.StatusSeeOther)
	return true, nil
}

// ServeCallback is where the login of a device ends, with its code or with what
// Dex had against the request.
func (h *Handler) ServeCallback(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return errMethod()
	}
	q := r.URL.Query()
	userCode, id := NormalUserCode(q.Get("state")), h.Cookie.ID(r)
	if q.Get("error") != "" {
		why := fault.New(fault.Invalid, "this sign-in request is not valid: %s", CleanReason(q.Get("error_description"))).
			Next("start again on the device")
		if d, err := h.find(r.Context(), userCode); err == nil && secret.Same(d.ConfirmedBy, id) {
			h.Refuse(r.Context(), userCode, fault.Message(why))
		}
		return why
	}
	clientID, err := h.Approve(r.Context(), q.Get("code"), userCode, id)
	if err != nil {
		return err
	}
	return h.Templates.DeviceSuccess(r, w, h.ClientName(r.Context(), clientID))
}

func (h *Handler) find(ctx context.Context, userCode string) (d Request, err error) {
	err = h.DB.View(ctx, func(tx *db.Tx) error {
		d, err = ByUserCode(ctx, tx, userCode, h.Now())
		return err
	})
	return d, err
}

// Refuse tells a waiting device why its sign-in failed.
func (h *Handler) Refuse(ctx context.Context, userCode, why string) {
	err := h.DB.Update(ctx, func(tx *db.Tx) error { return Refuse(ctx, tx, userCode, why) })
	if err != nil {
		h.Log.ErrorContext(ctx, "cannot tell a waiting device that its sign-in failed", "error", err)
	}
}
