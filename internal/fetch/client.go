package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/fault"
	"pachyderm/internal/tracing"
)

// maxAnswer is far more than any discovery document, key set or token has.
const maxAnswer = 1 << 20

// Client goes to addresses that a document named. It is safe for concurrent use.
type Client struct {
	http *http.Client
	// setting is what an administrator should check when something is amiss, and
	// roots where authorities are added.
	setting, roots string
}

// New makes a client that spends at most timeout on a request, the answer
// included. Nil roots are the system's.
func New(roots *x509.CertPool, timeout time.Duration) *Client { return Anywhere.New(roots, timeout) }

func newClient(roots *x509.CertPool, timeout time.Duration, d *net.Dialer) *Client {
	return &Client{setting: "the connector's issuer", roots: "config.rootCAs", http: &http.Client{
		Timeout:       timeout,
		CheckRedirect: guardRedirect,
		Transport: watched{certificates: &certificates{ends: map[string]time.Time{}}, Transport: &http.Transport{
			Proxy:                  nil, // a proxy from the environment would dial in our place, unguarded
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    timeout / 2,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		}},
	}}
}

// WithSetting is c with faults that say to check setting, for connectors whose
// addresses do not come from an issuer.
func (c *Client) WithSetting(setting string) *Client { return &Client{c.http, setting, c.roots} }

// WithRoots is c with faults that say that authorities are added to roots.
func (c *Client) WithRoots(roots string) *Client { return &Client{c.http, c.setting, roots} }

// Dialer connects to the same addresses only, for protocols other than HTTP.
func Dialer(timeout time.Duration) *net.Dialer { return Anywhere.Dialer(timeout) }

// HTTPClient is a client with the same rules, for libraries that want one.
func HTTPClient(timeout time.Duration) *http.Client { return Anywhere.HTTPClient(timeout) }

// watched tells the watches in a request's context what came of it, and notes until
// when the certificates of servers are good.
type watched struct {
	*http.Transport

	certificates *certificates
}

// certificates are those of the servers that a client has spoken to.
type certificates struct {
	mu   sync.Mutex
	ends map[string]time.Time // by host
}

// maxHosts is more than a connector has servers.
const maxHosts = 16

func (c *certificates) note(res *http.Response) {
	if res.TLS == nil || len(res.TLS.PeerCertificates) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	host := res.Request.URL.Host
	if _, known := c.ends[host]; known || len(c.ends) < maxHosts {
		c.ends[host] = res.TLS.PeerCertificates[0].NotAfter
	}
}

// CertificatesEnd is until when the certificates of the servers are good that the
// client has spoken to, by host.
func (c *Client) CertificatesEnd() map[string]time.Time {
	w, ok := c.http.Transport.(watched)
	if !ok {
		return nil
	}
	w.certificates.mu.Lock()
	defer w.certificates.mu.Unlock()
	return maps.Clone(w.certificates.ends)
}

type (
	privateKey struct{}
	outageKey  struct{}
)

// WatchPrivate reports, at any time, whether an answer to a request with the
// context that it returns has come from this machine or from a private network.
func WatchPrivate(ctx context.Context) (_ context.Context, private func() bool) {
	seen := &atomic.Bool{}
	return context.WithValue(ctx, privateKey{}, seen), seen.Load
}

// WatchOutage reports, at any time, whether a request with the context that it
// returns got no answer, or one that says to come back later (status 429, 5xx).
// It is for libraries whose errors do not tell.
func WatchOutage(ctx context.Context) (_ context.Context, outage func() bool) {
	seen := &atomic.Bool{}
	return context.WithValue(ctx, outageKey{}, seen), seen.Load
}

// RoundTrip is http.Transport's.
func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	outage, _ := r.Context().Value(outageKey{}).(*atomic.Bool)
	if seen, ok := r.Context().Value(privateKey{}).(*atomic.Bool); ok {
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GotConn: func(c httptrace.GotConnInfo) {
				at, err := netip.ParseAddrPort(c.Conn.RemoteAddr().String())
				if err != nil || isPrivate(at.Addr().Unmap()) {
					seen.Store(true)
				}
			},
		}))
	}
	ctx, traced := tracing.Step(r.Context(), "provider request", "server.address", r.URL.Hostname())
	seen := claimlog.Begin(ctx, "request to the provider")
	res, err := w.Transport.RoundTrip(r.WithContext(ctx))
	traced(err)
	// No query: it may have secrets. Neither has the path of any that we send.
	switch to := r.Method + " " + r.URL.Scheme + "://" + r.URL.Host + r.URL.EscapedPath(); err {
	case nil:
		seen(nil, "%s: %s, %s", to, res.Status, res.Header.Get("Content-Type"))
	default:
		seen(err, "%s", to)
	}
	if err == nil {
		w.certificates.note(res)
	}
	if outage != nil && (err != nil || res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests) {
		outage.Store(true)
	}
	return res, err
}

// addressError is a connection that was refused to an address, of which private ones
// are not named.
type addressError struct{ to string }

func (e *addressError) Error() string { return "refused to connect to " + e.to }

func isForbidden(ip netip.Addr) bool {
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return true
	}
	for _, forbidden := range []string{
		"0.0.0.0/8", "255.255.255.255/32", // this network, broadcast
		"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", // IPv4 in disguise: NAT64, 6to4
		"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::/32", // metadata services beyond 169.254
	} {
		if netip.MustParsePrefix(forbidden).Contains(ip) {
			return true
		}
	}
	return false
}

type redirectError struct{ to string }

func (e *redirectError) Error() string { return "refused to follow the redirect to " + e.to }

func guardRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 3 || first.Method != http.MethodGet || req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host {
		return &redirectError{(&url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}).String()}
	}
	return nil
}

// errTooLarge is a sentinel; it is compared, never changed.
var errTooLarge = errors.New("the answer is larger than 1 MiB")

// Do sends req and returns status and body of the answer. Its errors are faults
// that call what was asked for by the name in what, and carry neither the
// request's header nor its body.
func (c *Client) Do(req *http.Request, what string) (int, []byte, error) {
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil, c.unreachable(req.URL.Host, what, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLarge
	}
	if err != nil {
		return 0, nil, c.unreachable(req.URL.Host, what, err)
	}
	return res.StatusCode, body, nil
}

// Close lets go of connections that are kept for the next request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Visit sends req as a browser would that follows no redirect, and returns
// where it would be sent.
func (c *Client) Visit(req *http.Request, what string) (status int, location string, body []byte, err error) {
	req.Header.Set("Accept", "text/html")
	visitor := *c.http
	visitor.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := visitor.Do(req) //nolint:gosec // the address is the provider's, and the client guards where it leads
	if err != nil {
		return 0, "", nil, c.unreachable(req.URL.Host, what, err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return 0, "", nil, c.unreachable(req.URL.Host, what, err)
	}
	return res.StatusCode, res.Header.Get("Location"), body, nil
}

// JSON decodes what is found at from. A bearer token is sent if it is not empty.
func (c *Client) JSON(ctx context.Context, from, what, bearer string, into any) error {
	header := http.Header{}
	if bearer != "" {
		header.Set("Authorization", "Bearer "+bearer)
	}
	body, err := c.Get(ctx, from, what, header)
	if err != nil {
		return err
	}
	if err := Decode(body, into); err != nil {
		return fault.New(fault.Unauthenticated, "the provider's %s at %s is not valid JSON or does not match the specification", what, from).
			Next("check %s", c.setting).Because(err)
	}
	return nil
}

// Get is what is found at from; any status but 200 is a fault.
func (c *Client) Get(ctx context.Context, from, what string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	status, body, err := c.Do(req, what)
	switch {
	case err != nil:
		return nil, err
	case IsOutage(status):
		return nil, fault.New(fault.Unavailable, "the provider at %s has a problem (HTTP status %d for its %s)", req.URL.Host, status, what).
			Next("try again later")
	case status != http.StatusOK:
		return nil, fault.New(fault.Precondition,
			"the provider at %s did not return its %s (HTTP status %d for %s)", req.URL.Host, what, status, from).
			Next("check %s", c.setting)
	}
	return body, nil
}

// ErrJOSE says that what should be JSON is a signed or encrypted token (RFC 7519).
var ErrJOSE = errors.New("a signed or encrypted token, not JSON")

// isJOSE knows the compact form (RFC 7515, 3.1; RFC 7516, 3.1), whose header
// begins with {" in base64url.
func isJOSE(body []byte) bool {
	dots := bytes.Count(body, []byte("."))
	return bytes.HasPrefix(body, []byte("eyJ")) && (dots == 2 || dots == 4)
}

// Decode keeps numbers as they are written and accepts nothing after the value.
func Decode(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		if isJOSE(body) {
			return ErrJOSE
		}
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// IsOutage says whether a status is a problem of the provider, not a mistake of ours.
func IsOutage(status int) bool { return status >= 500 || status == http.StatusTooManyRequests }

// unreachable says of a failed request what to look at first.
func (c *Client) unreachable(host, what string, err error) error {
	var (
		address  *addressError
		redirect *redirectError
		name     *net.DNSError
		timeout  net.Error
	)
	switch {
	case errors.Is(err, errTooLarge):
		return fault.New(fault.Unauthenticated, "the provider's %s is larger than 1 MiB and was not read", what).
			Next("check %s", c.setting).Because(err)
	case errors.As(err, &address) && address.to == private:
		return fault.New(fault.Precondition, "%s is on this machine or in a private network, where this document may not lead", host).
			Next("check %s, or ask a clusterAdmin", c.setting).Because(err)
	case errors.As(err, &address):
		return fault.New(fault.Precondition, "%s leads to %s, an address that this server does not connect to", host, address.to).
			Next("check %s", c.setting).Because(err)
	case errors.As(err, &redirect):
		return fault.New(fault.Precondition, "the provider redirects from its %s to %s, which is not followed", what, Clean(redirect.to)).
			Next("put the address that it redirects to into %s", c.setting).Because(err)
	case errors.As(err, &name) && name.IsNotFound:
		return fault.New(fault.Unavailable, "there is no host %s", host).
			Next("check %s, and the name server of this machine", c.setting).Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fault.New(fault.Unavailable, "the provider at %s did not send its %s within %s", host, what, c.http.Timeout).
			Next("try again, and check that this server can reach it").Because(err)
	}
	if reason := Untrusted(err, c.roots, c.setting); reason != "" {
		return fault.New(fault.Unavailable, "the certificate of the provider at %s was refused: %s", host, reason).Because(err)
	}
	return fault.New(fault.Unavailable, "the provider at %s cannot be reached (%s)", host, what).
		Next("try again, and check that this server can reach it").Because(err)
}

// Clean makes what a provider says fit to be shown.
func Clean(text string) string { return fault.Clean(text, 200) }

// Quote is the end of a sentence with what a provider says for itself, or "" if
// it says nothing.
func Quote(text string) string {
	if text = Clean(text); text != "" {
		return fmt.Sprintf(", saying %q", text)
	}
	return ""
}
