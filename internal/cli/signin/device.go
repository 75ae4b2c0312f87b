package signin

import (
	"context"
	"errors"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"pachyderm/api/auth"
	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

// deviceCode is the answer that begins a sign-in elsewhere (RFC 8628, 3.2).
type deviceCode struct {
	DeviceCode string `json:"device_code"`
	UserCode   string `json:"user_code"`
	URL        string `json:"verification_uri"`
	Complete   string `json:"verification_uri_complete"`
	ExpiresIn  int64  `json:"expires_in"`
	Interval   int64  `json:"interval"`
}

// byDevice is the sign-in with a browser on another machine.
func (s *signIn) byDevice(ctx context.Context) (who *auth.WhoAmIResponse, err error) {
	verifier := oauth2.GenerateVerifier()
	var d deviceCode
	err = s.post(ctx, s.info.GetDeviceAuthorizationEndpoint(), url.Values{
		"client_id": {s.info.GetDeviceClientId()}, "scope": {loginScopes}, "requester": {s.requester()},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}, &d)
	if err != nil {
		return nil, refused(err)
	}
	if !webaddr.IsOpenable(d.URL) || d.UserCode == "" || d.DeviceCode == "" {
		return nil, fault.New(fault.Unavailable, "the response of issuer %s does not match RFC 8628", s.info.GetIssuer()).
			Next("tell an administrator")
	}
	if d.ExpiresIn > 0 && d.ExpiresIn < int64(personLimit/time.Second) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, time.Duration(d.ExpiresIn)*time.Second, errCodeExpired())
		defer cancel()
	}
	s.kit.Printf("Open this address in a browser, on any machine, and type the code:\n\n%s\n\nCode: %s\n\n", d.URL, printable(d.UserCode))
	form := url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {d.DeviceCode},
		"client_id": {s.info.GetDeviceClientId()}, "code_verifier": {verifier},
	}
	wait := func(ctx context.Context, d time.Duration) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ended(ctx)
		}
	}
	err = poll(ctx, time.Duration(d.Interval)*time.Second, wait, func() (err error) {
		who, err = s.redeem(ctx, form, s.info.GetDeviceClientId(), "")
		return err
	})
	return who, err
}

func errCodeExpired() error {
	return fault.New(fault.Unauthenticated, "the code has expired before anybody signed in with it").
		Next("start again with: pachctl auth login --no-browser")
}

// poll asks until there is an answer (RFC 8628, 3.5).
func poll(ctx context.Context, interval time.Duration, wait func(context.Context, time.Duration) error, ask func() error) error {
	if interval <= 0 {
		interval = 5 * time.Second
	}
	for {
		if err := wait(ctx, interval); err != nil {
			return err
		}
		err := ask()
		var no *oauthError
		if !errors.As(err, &no) {
			return err
		}
		switch no.Code {
		case "authorization_pending":
		case "slow_down":
			interval += 5 * time.Second
		case "expired_token":
			return errCodeExpired()
		default:
			return refused(err)
		}
	}
}
