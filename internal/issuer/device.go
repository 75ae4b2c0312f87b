package issuer

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/dexidp/dex/server/oauth2"
	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/web"
)

// asker is who asks for a sign-in on a device without browser, for the person
// to recognise: a name the client claims, and the address it came from.
type asker struct{ name, address string }

type askerKey struct{}

type deviceRequest struct {
	asker
	userCode    string
	deviceHash  string
	clientID    string
	confirmedBy string // hash of the browser in which the person said yes
	refused     string // why it ended, in words for the device
	created     time.Time
}

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
	if err != nil || !same(hash(client.Secret), hash(r.Form.Get("client_secret"))) {
		s.oauthError(w, http.StatusUnauthorized, oauth2.InvalidClient, "no such client, or a wrong secret")
		return
	}
	who := asker{name: Requester(r.Form.Get("requester")), address: RemoteHost(r)}
	s.dex.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), askerKey{}, who)))
}

// Requester cleans the name that a client gives itself, for display.
func Requester(name string) string {
	name = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) {
			return -1
		}
		return c
	}, name)
	if runes := []rune(name); len(runes) > 100 {
		name = string(runes[:100])
	}
	return strings.TrimSpace(name)
}

// RemoteHost is the address that a request came from, without its port.
func RemoteHost(r *http.Request) string {
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
	userCode := normalUserCode(r.PostForm.Get("user_code"))
	d, err := s.device(r.Context(), userCode)
	if fault.Is(err, fault.NotFound) || err == nil && d.refused != "" {
		http.Redirect(w, r, s.url.AbsPath("/device")+"?invalid=true", http.StatusSeeOther)
		return
	}
	if err != nil {
		s.refuse(w, r, nil, err)
		return
	}
	browser := s.ensureBrowser(w, r)
	csrf := hash(browser + userCode)
	answer := r.PostForm.Get("answer")
	if answer != "" && !same(csrf, r.PostForm.Get("csrf")) {
		answer = ""
	}
	switch answer {
	case "yes":
		err = s.DB.Update(r.Context(), func(tx *db.Tx) error { return confirmDevice(r.Context(), tx, userCode, browser) })
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
			Client: d.clientID, Requester: d.name, Address: d.address, When: d.created,
		})
		if err != nil {
			s.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
		}
	}
}

// admitDevice lets a device's login begin only in the browser in which the
// person said yes, or a link alone could sign a stranger's device in.
func (s *served) admitDevice(w http.ResponseWriter, r *http.Request) bool {
	userCode := normalUserCode(r.Form.Get("state"))
	d, err := s.device(r.Context(), userCode)
	if err == nil && d.refused == "" && d.clientID == r.Form.Get("client_id") && same(d.confirmedBy, s.browser(r)) {
		return true
	}
	if err != nil && !fault.Is(err, fault.NotFound) {
		s.refuse(w, r, nil, err)
		return false
	}
	http.Redirect(w, r, s.url.AbsPath("/device")+"?user_code="+url.QueryEscape(userCode), http.StatusSeeOther)
	return false
}

func (s *served) device(ctx context.Context, userCode string) (d deviceRequest, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		d, err = deviceByUserCode(ctx, tx, userCode, s.Now())
		return err
	})
	return d, err
}

func (s *served) refuseDevice(ctx context.Context, userCode, why string) {
	err := s.DB.Update(ctx, func(tx *db.Tx) error { return refuseDevice(ctx, tx, userCode, why) })
	if err != nil {
		s.Log.ErrorContext(ctx, "cannot tell a waiting device that its sign-in failed", "error", err)
	}
}

// normalUserCode forgives lower case, spaces and a missing dash.
func normalUserCode(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '-' || unicode.IsSpace(c) {
			return -1
		}
		return unicode.ToUpper(c)
	}, s)
	if len(s) != 8 {
		return s
	}
	return s[:4] + "-" + s[4:]
}
