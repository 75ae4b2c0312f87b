package settings

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/webaddr"
)

const (
	// DefaultIDTokenExpiry is how long ID tokens are valid unless set, and the
	// most that can be set.
	DefaultIDTokenExpiry = 24 * time.Hour
	// DefaultOfUpstream is the issuer that upstream's "pachctl auth activate" sets
	// unless it is told another: the address of upstream's own service inside of a
	// cluster, which nobody reaches from outside.
	DefaultOfUpstream = "http://pachd:1658/"
)

// Settings are the identity server's settings as upstream names them.
type Settings struct {
	// Issuer is given back as it was set. DefaultOfUpstream names none.
	Issuer string `json:"issuer"`
	// IDTokenExpiry is how long ID tokens are valid; 24 hours when empty.
	IDTokenExpiry string `json:"id_token_expiry"`
	// RotationTokenExpiry is how long a refresh token can be renewed; without
	// limit when empty.
	RotationTokenExpiry string `json:"rotation_token_expiry"`
}

// Named is the issuer that the settings name, or empty.
func (s Settings) Named() string {
	if s.Issuer == DefaultOfUpstream {
		return ""
	}
	return s.Issuer
}

// Parsed is Settings ready for use.
type Parsed struct {
	Issuer   url.URL
	IDTokens time.Duration
	Refresh  time.Duration // 0: without limit
}

// Parse checks settings; publicURL is the issuer if they name none. Fault:
// Invalid for a value that could not work.
func (s Settings) Parse(publicURL string, insecure bool) (p Parsed, err error) {
	u, err := CheckURL(cmp.Or(s.Named(), publicURL), insecure)
	if err != nil {
		return p, fault.Prefix(err, "issuer").At("issuer")
	}
	p.Issuer = *u
	if p.IDTokens, err = duration("id_token_expiry", s.IDTokenExpiry, DefaultIDTokenExpiry); err != nil {
		return p, err
	}
	if p.IDTokens > DefaultIDTokenExpiry {
		// Old keys are kept to verify with for this long.
		return p, fault.New(fault.Invalid,
			"id_token_expiry %s is more than %v: ID tokens are for signing in; sessions have a lifetime of their own",
			s.IDTokenExpiry, DefaultIDTokenExpiry).At("id_token_expiry")
	}
	p.Refresh, err = duration("rotation_token_expiry", s.RotationTokenExpiry, 0)
	return p, err
}

func duration(name, text string, absent time.Duration) (time.Duration, error) {
	if text == "" {
		return absent, nil
	}
	d, err := time.ParseDuration(text)
	if err == nil && 0 < d && d < time.Second {
		return 0, fault.New(fault.Invalid, "%s %q is too short", name, text).
			Next("set 1s or more").At(name)
	}
	if err != nil || d <= 0 {
		return 0, fault.New(fault.Invalid, "%s %q is not a duration", name, text).
			Next("write one such as 24h or 90m").At(name)
	}
	return d, nil
}

// CheckURL checks an address that browsers and clients will be sent to: http
// or https, no user, query or fragment, and plain http only on this machine
// unless insecure.
func CheckURL(raw string, insecure bool) (*url.URL, error) {
	u, err := webaddr.Parse(raw)
	switch {
	case err != nil:
		return nil, err
	case !webaddr.IsBare(u) || webaddr.HasQuery(u):
		return nil, fault.New(fault.Invalid, "%q must have no user, query or fragment", raw)
	case !webaddr.IsSafe(u, insecure):
		return nil, fault.New(fault.Invalid, "%q would send passwords and tokens in plain text", raw).
			Next("use https, or for evaluation set insecure: true in pachd's configuration")
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}
