package grant

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/secret"
)

// ServeDevice is the device authorization endpoint (RFC 8628, 3.1).
func (s *Server) ServeDevice(w http.ResponseWriter, r *http.Request) error {
	form, c, err := s.request(w, r)
	if err != nil {
		return err
	}
	challenge := form.Get("code_challenge")
	switch {
	case challenge != "" && form.Get("code_challenge_method") != "S256":
		return endpoint.InvalidRequest("the code_challenge_method must be S256")
	case challenge == "" && c.NeedsPKCE && !c.Public:
		return endpoint.InvalidRequest("PKCE is required: send code_challenge with code_challenge_method=S256 (RFC 7636)")
	}
	now, code := s.Now(), rand.Text()+rand.Text()
	d := device.Request{
		Asker:      device.NewAsker(r.Context(), form.Get("requester")),
		DeviceHash: secret.Hash(code), ClientID: c.ID, Scopes: strings.Fields(form.Get("scope")), Challenge: challenge,
		Created: now, Expires: now.Add(s.DevicesLive),
	}
	if len(d.Scopes) == 0 {
		d.Scopes = []string{scopeOpenID}
	}
	if err := s.createDevice(r.Context(), &d); err != nil {
		return s.explain(r.Context(), err)
	}
	uri := s.VerificationURI(r.Context())
	endpoint.Answer(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": d.UserCode, "verification_uri": uri,
		"verification_uri_complete": uri + "?" + url.Values{"user_code": {d.UserCode}}.Encode(),
		"expires_in":                int64(s.DevicesLive / time.Second), "interval": int64(device.PollEvery / time.Second),
	})
	return nil
}

// createDevice stores a request under a user code that no other has.
func (s *Server) createDevice(ctx context.Context, d *device.Request) error {
	for n := 1; ; n++ {
		d.UserCode = storage.NewUserCode()
		err := s.DB.Update(ctx, func(tx *db.Tx) error { return device.Create(ctx, tx, *d) })
		if !fault.Is(err, fault.Exists) || n == attempts {
			return err
		}
	}
}

// Approve lets the device have tokens whose person has signed in: the code that
// Dex made for it becomes that of the device, in the browser that said yes only.
// Fault: Denied.
func (s *Server) Approve(ctx context.Context, code, userCode, browser string) (clientID string, err error) {
	return clientID, s.withCode(ctx, code, func(held heldCode) error {
		return s.DB.Update(ctx, func(tx *db.Tx) error {
			clientID, err = s.approve(ctx, tx, code, held, userCode, browser)
			return err
		})
	})
}

func (s *Server) approve(ctx context.Context, tx *db.Tx, code string, held heldCode, userCode, browser string) (string, error) {
	now := s.Now()
	d, err := device.ByUserCode(ctx, tx, userCode, now)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return "", err
	}
	g, errCode := s.byCode(ctx, tx, code, held)
	if errCode != nil && !fault.Is(errCode, fault.NotFound) {
		return "", errCode
	}
	if err != nil || errCode != nil || d.Refused != "" || !secret.Same(d.ConfirmedBy, browser) ||
		g.stage != issued || !now.Before(g.expires) || g.ClientID != d.ClientID || !s.IsDevice(g.RedirectURI) {
		return "", fault.New(fault.Denied, "this sign-in of a device is over, or belongs to another browser").
			Next("start again on the device")
	}
	g.stage, g.device, g.Challenge, g.expires = approved, d.DeviceHash, d.Challenge, d.Expires
	if err := s.put(ctx, tx, g); err != nil {
		return "", err
	}
	return d.ClientID, device.Delete(ctx, tx, userCode)
}

// redeemDevice exchanges a device code for tokens, once, when its person has
// signed in (RFC 8628, 3.4). A use after that ends what the first gave.
func (s *Server) redeemDevice(ctx context.Context, c Client, code, verifier string) (Tokens, error) {
	if code == "" {
		return Tokens{}, endpoint.InvalidRequest("device_code is missing")
	}
	var g Grant
	var who identity.Identity
	var refresh string
	if err := s.DB.View(ctx, func(tx *db.Tx) error { return s.knowsDevice(ctx, tx, code) }); err != nil {
		return Tokens{}, err
	}
	err := s.decide(ctx, func(tx *db.Tx) (err error) {
		g, err = s.byDevice(ctx, tx, code)
		if fault.Is(err, fault.NotFound) {
			return s.poll(ctx, tx, c, code)
		}
		switch {
		case err != nil:
			return err
		case g.ClientID != c.ID:
			return endpoint.InvalidGrant("the device code was made for another client")
		case g.stage != approved:
			return s.end(ctx, tx, g, "the device code was used again")
		case !s.Now().Before(g.expires):
			return endpoint.Refuse("expired_token", "the device code has expired")
		}
		needs := c.NeedsPKCE && !c.Public // RFC 8628 has none
		if err := endpoint.CheckVerifier(g.Challenge, verifier, needs); err != nil {
			return err
		}
		who, refresh, err = s.begin(ctx, tx, c, &g)
		return err
	})
	if err != nil {
		return Tokens{}, err
	}
	return s.issue(ctx, c, g, who, g.Scopes, refresh, "")
}

// knowsDevice refuses a device code that is made up, so that it keeps no writer
// waiting.
func (s *Server) knowsDevice(ctx context.Context, tx *db.Tx, code string) error {
	_, err := device.ByDeviceCode(ctx, tx, code)
	if fault.Is(err, fault.NotFound) {
		err = knowsApproved(ctx, tx, code)
	}
	return unknown(err, "the device code is not known, or not any more")
}

// poll answers a device whose person has not signed in.
func (s *Server) poll(ctx context.Context, tx *db.Tx, c Client, code string) error {
	d, err := device.ByDeviceCode(ctx, tx, code)
	now := s.Now()
	switch {
	case err != nil:
		return unknown(err, "the device code is not known, or not any more")
	case d.ClientID != c.ID:
		return endpoint.InvalidGrant("the device code was made for another client")
	case d.Refused != "":
		return endpoint.Refuse("access_denied", d.Refused)
	case !now.Before(d.Expires):
		return endpoint.Refuse("expired_token", "the device code has expired")
	}
	early := d.Poll(now)
	if err := device.StorePoll(ctx, tx, d); err != nil {
		return err
	}
	if early {
		return endpoint.Refuse("slow_down", "wait five seconds longer between two requests from now on")
	}
	return endpoint.Refuse("authorization_pending", "the person has not signed in yet")
}
