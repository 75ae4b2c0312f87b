package webaddr

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"pachyderm/internal/fault"
)

// Parse reads an absolute http or https address. An empty fragment, of which
// url.Parse keeps nothing, is a fragment too. Fault: Invalid.
func Parse(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err == nil && strings.HasSuffix(raw, "#") {
		u.Fragment = "#"
	}
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Invalid, "%q is not a URL", raw).
			Next("write one such as https://pach.example.com/dex")
	}
	return u, nil
}

// IsOpenable reports whether something may be opened in a browser, or be sent a
// code.
func IsOpenable(raw string) bool {
	u, err := Parse(raw)
	return err == nil && u.User == nil
}

// IsBare reports whether an address has neither user nor fragment: the first is
// a secret or a disguise, the second never leaves the browser.
func IsBare(u *url.URL) bool { return u.User == nil && u.Fragment == "" }

// HasQuery reports whether a path cannot be put behind an address; an empty
// query is one too.
func HasQuery(u *url.URL) bool { return u.RawQuery != "" || u.ForceQuery }

// IsSafe reports whether secrets may be sent there: over https, or within this
// machine, or because plain http is allowed.
func IsSafe(u *url.URL, allowHTTP bool) bool {
	return u.Scheme == "https" || allowHTTP || IsLoopback(u.Hostname())
}

// IsLoopback reports whether a host, by name (RFC 6761, 6.3) or address, is
// this machine.
func IsLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// WithoutPort is the host of an address that a connection came from.
func WithoutPort(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// At is an address at another host, and by its scheme if that says one; the same where
// there is no other.
func At(address string, other *url.URL) string {
	u, err := url.Parse(address)
	if err != nil || other == nil {
		return address
	}
	u.Host = other.Host
	if other.Scheme != "" {
		u.Scheme = other.Scheme
	}
	return u.String()
}
