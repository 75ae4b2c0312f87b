package issuer

import (
	"context"
	"net/http"
	"net/url"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// serveDeviceVerify takes the code that a person typed, shows who asks, and
// only on their yes lets the login begin (RFC 8628, 5.4).
func (h *handler) serveDeviceVerify(w http.ResponseWriter, r *http.Request) error {
	if err := browser.ParseForm(w, r); err != nil {
		return err
	}
	userCode := device.NormalUserCode(r.PostForm.Get("user_code"))
	d, err := h.deviceRequest(r.Context(), userCode)
	guess.Judge(r.Context(), err == nil, err)
	if fault.Is(err, fault.NotFound) || err == nil && d.Refused != "" {
		http.Redirect(w, r, h.url.AbsPath("/device")+"?invalid=true", http.StatusSeeOther) //nolint:gosec // our own page
		return nil
	}
	if err != nil {
		return err
	}
	id := h.cookie.EnsureID(w, r)
	answer := r.PostForm.Get("answer")
	if !browser.CheckCSRF(r, id, userCode) {
		answer = ""
	}
	switch answer {
	case "yes":
		err := h.issuer.with.DB.Update(r.Context(), func(tx *db.Tx) error { return device.Confirm(r.Context(), tx, userCode, id) })
		if err != nil {
			return err
		}
		r.Form.Set("user_code", userCode)
		return h.serveDex(w, r)
	case "no":
		h.refuseDevice(r.Context(), userCode, "the person in the browser refused this sign-in")
		return web.Problem{
			Status: http.StatusOK, Title: "Refused", What: "Nobody was signed in.",
			Next: "You can close this window. If you did not expect the question, tell an administrator.",
		}
	}
	h.pages.Render(w, r, http.StatusOK, web.ConfirmDevice{
		Action: h.url.AbsPath("/device/auth/verify_code"), CSRF: browser.CSRF(id, userCode), UserCode: userCode,
		Client: d.ClientID, Requester: d.Name, Address: d.Address, When: d.Created,
	})
	return nil
}

// admitDevice lets a device's login begin only in the browser in which the
// person said yes, or a link alone could sign a stranger's device in. Others are
// sent to the page that asks.
func (h *handler) admitDevice(w http.ResponseWriter, r *http.Request) (moved bool, err error) {
	userCode := device.NormalUserCode(r.Form.Get("state"))
	d, err := h.deviceRequest(r.Context(), userCode)
	switch {
	case err == nil && d.Refused == "" && d.ClientID == r.Form.Get("client_id") && secret.Same(d.ConfirmedBy, h.cookie.ID(r)):
		return false, nil
	case err != nil && !fault.Is(err, fault.NotFound):
		return false, err
	}
	http.Redirect(w, r, h.url.AbsPath("/device")+"?user_code="+url.QueryEscape(userCode), http.StatusSeeOther) //nolint:gosec // our own page
	return true, nil
}

func (h *handler) deviceRequest(ctx context.Context, userCode string) (d device.Request, err error) {
	err = h.issuer.with.DB.View(ctx, func(tx *db.Tx) error {
		d, err = device.ByUserCode(ctx, tx, userCode, h.issuer.with.Now())
		return err
	})
	return d, err
}

func (h *handler) refuseDevice(ctx context.Context, userCode, why string) {
	err := h.issuer.with.DB.Update(ctx, func(tx *db.Tx) error { return device.Refuse(ctx, tx, userCode, why) })
	if err != nil {
		h.issuer.with.Log.ErrorContext(ctx, "cannot tell a waiting device that its sign-in failed", "error", err)
	}
}
