package issuer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/view"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
)

// serveDeviceCode is the start of RFC 8628. Dex would take any client id.
func (s *served) serveDeviceCode(w http.ResponseWriter, r *http.Request) {
	if !s.parsed(w, r) {
		return
	}
	client, err := s.store.GetClient(r.Context(), r.Form.Get("client_id"))
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		s.oauthError(w, http.StatusServiceUnavailable, oauth2.TemporarilyUnavailable, fault.Message(err))
		return
	}
	if err != nil || !secret.Same(secret.Hash(client.Secret), secret.Hash(r.Form.Get("client_secret"))) {
		s.oauthError(w, http.StatusUnauthorized, oauth2.InvalidClient, "no such client, or a wrong secret")
		return
	}
	who := device.Asker{Name: device.CleanName(r.Form.Get("requester")), Address: remoteHost(r)}
	s.outsideDevice(w, r.WithContext(view.Asking(r.Context(), who)))
}

// remoteHost is the address that a request came from, without its port.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// serveDeviceVerify takes the code that a person typed, shows who asks, and
// only on their yes lets the login begin (RFC 8628, 5.4).
func (s *served) serveDeviceVerify(w http.ResponseWriter, r *http.Request) {
	if !s.parsed(w, r) {
		return
	}
	userCode := device.NormalUserCode(r.PostForm.Get("user_code"))
	d, err := s.deviceRequest(r.Context(), userCode)
	if fault.Is(err, fault.NotFound) || err == nil && d.Refused != "" {
		http.Redirect(w, r, s.url.AbsPath("/device")+"?invalid=true", http.StatusSeeOther) //nolint:gosec // our own page
		return
	}
	if err != nil {
		s.refuse(w, r, nil, err)
		return
	}
	browser := s.bind.Ensure(w, r)
	csrf := secret.Hash(browser + userCode)
	answer := r.PostForm.Get("answer")
	if answer != "" && !secret.Same(csrf, r.PostForm.Get("csrf")) {
		answer = ""
	}
	switch answer {
	case "yes":
		err = s.DB.Update(r.Context(), func(tx *db.Tx) error { return device.Confirm(r.Context(), tx, userCode, browser) })
		if err != nil {
			s.refuse(w, r, nil, err)
			return
		}
		r.Form.Set("user_code", userCode)
		s.dex.ServeHTTP(w, r)
	case "no":
		s.refuseDevice(r.Context(), userCode, "the person who was asked in the browser said that it was not they")
		s.problem(w, r, http.StatusOK, web.Problem{Title: "Refused", What: "Nobody was signed in.", Next: "You can close this window. If you did not expect the question, tell an administrator."})
	default:
		err = web.Render(w, http.StatusOK, web.ConfirmDevice{
			Action: s.url.AbsPath("/device/auth/verify_code"), CSRF: csrf, UserCode: userCode,
			Client: d.ClientID, Requester: d.Name, Address: d.Address, When: d.Created,
		})
		if err != nil {
			s.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
		}
	}
}

// admitDevice lets a device's login begin only in the browser in which the
// person said yes, or a link alone could sign a stranger's device in.
func (s *served) admitDevice(w http.ResponseWriter, r *http.Request) bool {
	userCode := device.NormalUserCode(r.Form.Get("state"))
	d, err := s.deviceRequest(r.Context(), userCode)
	if err == nil && d.Refused == "" && d.ClientID == r.Form.Get("client_id") && secret.Same(d.ConfirmedBy, s.bind.Browser(r)) {
		return true
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		s.refuse(w, r, nil, err)
		return false
	}
	http.Redirect(w, r, s.url.AbsPath("/device")+"?user_code="+url.QueryEscape(userCode), http.StatusSeeOther) //nolint:gosec // our own page
	return false
}

func (s *served) deviceRequest(ctx context.Context, userCode string) (d device.Request, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		d, err = device.ByUserCode(ctx, tx, userCode, s.Now())
		return err
	})
	return d, err
}

func (s *served) refuseDevice(ctx context.Context, userCode, why string) {
	err := s.DB.Update(ctx, func(tx *db.Tx) error { return device.Refuse(ctx, tx, userCode, why) })
	if err != nil {
		s.Log.ErrorContext(ctx, "cannot tell a waiting device that its sign-in failed", "error", err)
	}
}
