package grant_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
)

const browser = "the hash of a browser's cookie"

type started struct {
	Code     string `json:"device_code"`
	UserCode string `json:"user_code"`
	URI      string `json:"verification_uri"`
	Complete string `json:"verification_uri_complete"`
	Expires  int64  `json:"expires_in"`
	Interval int64  `json:"interval"`
}

// startDevice is a device that asks, and whose person says yes in a browser.
func (h *env) startDevice(client string, form url.Values) (d started) {
	h.Helper()
	all := url.Values{"client_id": {client}, "scope": {"openid offline_access"}, "requester": {"alice@laptop"}}
	if s := h.clients[client].Secret; s != "" {
		all.Set("client_secret", s)
	}
	maps.Copy(all, form)
	w := h.send(h.ServeDevice, h.request(http.MethodPost, "/device/code", all))
	if err := json.Unmarshal(w.Body.Bytes(), &d); err != nil || w.Code != http.StatusOK {
		h.Fatalf("%d: %s", w.Code, w.Body)
	}
	h.update(func(tx *db.Tx) error { return device.Confirm(h.Context(), tx, d.UserCode, browser) })
	return d
}

func (h *env) deviceCode(client string) string {
	h.Helper()
	return h.code(func(c *storage.AuthCode) { c.ClientID, c.RedirectURI, c.PKCE = client, deviceURI, storage.PKCE{} })
}

// approve is the login of a device that has come to its end.
func (h *env) approve(d started, client string) {
	h.Helper()
	id, err := h.Approve(h.Context(), h.deviceCode(client), d.UserCode, browser)
	if err != nil || id != client {
		h.Fatalf("%q, %v", id, err)
	}
}

func (h *env) poll(client string, d started, form url.Values) tokens {
	h.Helper()
	all := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.Code}}
	maps.Copy(all, form)
	return h.post(client, all)
}

func TestDevice_Answer(t *testing.T) {
	each(t, func(h *env) {
		d := h.startDevice("terminal", nil)
		if len(d.Code) < 50 || d.URI != issuerURL+"/device" || d.Complete != d.URI+"?user_code="+d.UserCode || d.Expires != 600 || d.Interval != 5 {
			h.Errorf("got %+v", d)
		}
		h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
			r, err := device.ByUserCode(h.Context(), tx, d.UserCode, h.clock)
			if r.Name != "alice@laptop" || r.Address != "192.0.2.7" || r.ClientID != "terminal" || strings.Contains(r.DeviceHash, d.Code) {
				h.Errorf("kept %+v", r)
			}
			return err
		}))
	})
}

// A device code is good for once; a poll after that ends what the first gave.
func TestDevice_SecondUseEndsAllThatTheFirstGave(t *testing.T) {
	each(t, func(h *env) {
		d := h.startDevice("terminal", nil)
		h.approve(d, "terminal")
		first := h.good("the first poll", h.poll("terminal", d, nil))
		held := h.session(first.ID)
		h.over("before", first, held, false)
		h.later(time.Minute)
		h.refused("the second poll", h.poll("terminal", d, nil))
		h.over("afterwards", first, held, true)
		h.refused("its refresh token", h.post("terminal", refreshForm(first.Refresh)))
		h.refused("a third poll", h.poll("terminal", d, nil))
	})
}

// The code in the browser's address is not another way to the device's tokens.
func TestDevice_CodeIsTheDevicesOnly(t *testing.T) {
	each(t, func(h *env) {
		form := func(code string) url.Values {
			f := codeForm(code)
			f.Set("redirect_uri", deviceURI)
			f.Del("code_verifier")
			return f
		}
		h.refused("before the callback", h.post("terminal", form(h.deviceCode("terminal"))))

		d, code := h.startDevice("terminal", nil), h.deviceCode("terminal")
		if _, err := h.Approve(h.Context(), code, d.UserCode, browser); err != nil {
			h.Fatal(err)
		}
		h.refused("after the callback", h.post("terminal", form(code)))
		h.refused("which ends the device's", h.poll("terminal", d, nil))
	})
}

func TestDevice_Bound(t *testing.T) {
	each(t, func(h *env) {
		d := h.startDevice("app", nil)
		h.refused("another client, while it waits", h.poll("other", d, nil))
		h.approve(d, "app")
		h.refused("another client", h.poll("other", d, nil))
		h.bad("none", h.poll("app", started{}, nil), http.StatusBadRequest, "invalid_request")
		h.refused("made up", h.poll("app", started{Code: "made-up"}, nil))
		h.refused("a verifier without challenge", h.poll("app", d, url.Values{"code_verifier": {verifier}}))
		h.good("its own", h.poll("app", d, nil))

		d = h.startDevice("terminal", url.Values{"code_challenge": {challenge()}, "code_challenge_method": {"S256"}})
		h.approve(d, "terminal")
		h.refused("no verifier", h.poll("terminal", d, nil))
		h.refused("another verifier", h.poll("terminal", d, url.Values{"code_verifier": {"x"}}))
		h.good("the verifier", h.poll("terminal", d, url.Values{"code_verifier": {verifier}}))

		for name, form := range map[string]url.Values{
			"plain":     {"code_challenge": {verifier}, "code_challenge_method": {"plain"}},
			"no method": {"code_challenge": {verifier}},
		} {
			form.Set("client_id", "terminal")
			if w := h.send(h.ServeDevice, h.request(http.MethodPost, "/device/code", form)); w.Code != http.StatusBadRequest {
				h.Errorf("%s: %d", name, w.Code)
			}
		}
	})
}

// Whoever lures a browser to the callback, or sends another code there, signs no
// device in.
func TestApprove_Refused(t *testing.T) {
	each(t, func(h *env) {
		d := h.startDevice("terminal", nil)
		refused := h.startDevice("terminal", nil)
		h.update(func(tx *db.Tx) error { return device.Refuse(h.Context(), tx, refused.UserCode, "no") })
		for name, c := range map[string]struct{ code, userCode, browser string }{
			"another browser":        {h.deviceCode("terminal"), d.UserCode, "another"},
			"no browser":             {h.deviceCode("terminal"), d.UserCode, ""},
			"no such device":         {h.deviceCode("terminal"), "BCDF-GHJK", browser},
			"a device that was told": {h.deviceCode("terminal"), refused.UserCode, browser},
			"made up":                {"made-up", d.UserCode, browser},
			"of another client":      {h.deviceCode("app"), d.UserCode, browser},
			"of an application":      {h.code(func(c *storage.AuthCode) { c.ClientID = "terminal" }), d.UserCode, browser},
		} {
			if _, err := h.Approve(h.Context(), c.code, c.userCode, c.browser); !fault.Is(err, fault.Denied) {
				h.Errorf("%s: %v", name, err)
			}
		}
		old := h.deviceCode("terminal")
		h.later(time.Minute)
		if _, err := h.Approve(h.Context(), old, d.UserCode, browser); !fault.Is(err, fault.Denied) {
			h.Errorf("a code that has expired: %v", err)
		}
		once := h.deviceCode("terminal")
		if _, err := h.Approve(h.Context(), once, d.UserCode, browser); err != nil {
			h.Error(err)
		}
		again := h.startDevice("terminal", nil)
		if _, err := h.Approve(h.Context(), once, again.UserCode, browser); !fault.Is(err, fault.Denied) {
			h.Errorf("a code for two devices: %v", err)
		}
		h.good("the device", h.poll("terminal", d, nil)) // a page that is loaded again ends nothing
	})
}

func TestDevice_PollsWhileItWaits(t *testing.T) {
	each(t, func(h *env) {
		d := h.startDevice("terminal", nil)
		for n, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, "authorization_pending"},
			{4 * time.Second, "slow_down"}, // from now on ten seconds
			{9 * time.Second, "slow_down"}, // fifteen
			{15 * time.Second, "authorization_pending"},
			{14 * time.Second, "slow_down"},
		} {
			h.later(step.after)
			if got := h.poll("terminal", d, nil); got.Status != http.StatusBadRequest || got.Error != step.want {
				h.Errorf("poll %d: %d %s, want %s", n, got.Status, got.Error, step.want)
			}
		}
		h.later(10 * time.Minute)
		h.bad("too late", h.poll("terminal", d, nil), http.StatusBadRequest, "expired_token")

		d = h.startDevice("terminal", nil)
		h.later(9 * time.Minute)
		h.approve(d, "terminal")
		h.later(time.Minute)
		h.bad("signed in, and fetched too late", h.poll("terminal", d, nil), http.StatusBadRequest, "expired_token")

		d = h.startDevice("terminal", nil)
		h.update(func(tx *db.Tx) error { return device.Refuse(h.Context(), tx, d.UserCode, "cancelled") })
		if got := h.poll("terminal", d, nil); got.Error != "access_denied" || got.Description != "cancelled" {
			h.Errorf("refused: %+v", got)
		}
	})
}
