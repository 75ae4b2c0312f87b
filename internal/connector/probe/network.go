package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/webaddr"
)

const (
	// stepWithin bounds one step on the network.
	stepWithin = 5 * time.Second
	// expiresSoon is when a certificate is worth a warning, clocksApart when two
	// clocks are, and clocksTooFar when tokens stop being accepted.
	expiresSoon  = 21 * 24 * time.Hour
	clocksApart  = 30 * time.Second
	clocksTooFar = 2 * time.Minute
)

// The names of the steps.
const (
	dns         = "dns"
	tcp         = "tcp"
	handshake   = "tls"
	clock       = "clock"
	Discovery   = "discovery"
	Issuer      = "issuer"
	Keys        = "keys"
	Support     = "support"
	Credentials = "credentials"
	Callback    = "callback"
)

// Target is a server to be reached.
type Target struct {
	Host, Port string
	// TLS is nil for plain text. Begin, if given, begins TLS in the way of the
	// protocol, and its faults say what is wrong.
	TLS   *tls.Config
	Begin func(ctx context.Context) (tls.ConnectionState, error)
	// Roots is the key that authorities are added to, Setting what names the host.
	Roots, Setting string
	// HTTP is an address whose answer tells the time; "" for other protocols.
	HTTP string
}

// OfURL is the target of an http or https address.
func OfURL(raw string, roots *x509.CertPool, rootsKey, setting string) Target {
	u, err := url.Parse(raw)
	if err != nil {
		return Target{Setting: setting}
	}
	t := Target{Host: u.Hostname(), Port: u.Port(), Roots: rootsKey, Setting: setting, HTTP: raw}
	if u.Scheme == "https" {
		t.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: t.Host}
	}
	switch {
	case t.Port != "":
	case u.Scheme == "https":
		t.Port = "443"
	default:
		t.Port = "80"
	}
	return t
}

// Reach takes the steps of the network and reports whether the server answered.
func (r *Report) Reach(ctx context.Context, t Target) bool {
	if !r.Do(dns, func() (string, error) { return r.lookUp(ctx, t) }) {
		r.Skip(tcp, handshake)
		return false
	}
	if !r.Do(tcp, func() (string, error) { return r.connect(ctx, t) }) {
		r.Skip(handshake)
		return false
	}
	if !r.Do(handshake, func() (string, error) { return r.handshake(ctx, t) }) {
		return false
	}
	if t.HTTP != "" {
		return r.Do(clock, func() (string, error) { return r.askTime(ctx, t) })
	}
	return true
}

func (r *Report) lookUp(ctx context.Context, t Target) (string, error) {
	if net.ParseIP(t.Host) != nil {
		return t.Host + " is an address", nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	found, err := net.DefaultResolver.LookupHost(ctx, t.Host)
	if err != nil {
		return "", fault.New(fault.Unavailable, "there is no host %s", t.Host).
			Next("check %s, and the name server of the machine that pachd runs on", t.Setting).Because(err)
	}
	for _, text := range found {
		if ip, err := netip.ParseAddr(text); err != nil || !r.Limit.Allows(ip) {
			return t.Host + " is known here", nil // not as what, to whoever may not connect to it
		}
	}
	return t.Host + " is " + strings.Join(found, ", "), nil
}

func (r *Report) connect(ctx context.Context, t Target) (string, error) {
	address := net.JoinHostPort(t.Host, t.Port)
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	c, err := r.Limit.Dialer(stepWithin).DialContext(ctx, "tcp", address)
	if err != nil {
		return "", fault.New(fault.Unavailable, "nothing answers at %s", address).
			Next("check %s, firewalls, and that the provider runs", t.Setting).Because(err)
	}
	defer func() { _ = c.Close() }()
	return "connected to " + c.RemoteAddr().String(), nil
}

func (r *Report) handshake(ctx context.Context, t Target) (string, error) {
	if t.TLS == nil && webaddr.IsLoopback(t.Host) {
		return "plain text, on this machine", nil
	}
	if t.TLS == nil {
		return "", Warn("use TLS", "plain text: what is sent can be read on the way")
	}
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	state, err := r.begin(ctx, t)
	if err != nil {
		if why := fetch.Untrusted(err, t.Roots, t.Setting); why != "" {
			return "", fault.New(fault.Unavailable, "the certificate of %s was refused: %s", t.Host, why).Because(err)
		}
		if fault.KindOf(err) != fault.Internal {
			return "", err
		}
		return "", fault.New(fault.Unavailable, "%s does not speak TLS 1.2 or later on port %s", t.Host, t.Port).
			Next("check the port and %s", t.Setting).Because(err)
	}
	return r.judge(t, state)
}

func (r *Report) begin(ctx context.Context, t Target) (tls.ConnectionState, error) {
	if t.Begin != nil {
		return t.Begin(ctx)
	}
	d := tls.Dialer{NetDialer: r.Limit.Dialer(stepWithin), Config: t.TLS.Clone()}
	c, err := d.DialContext(ctx, "tcp", net.JoinHostPort(t.Host, t.Port))
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = c.Close() }()
	return c.(*tls.Conn).ConnectionState(), nil
}

func (r *Report) judge(t Target, state tls.ConnectionState) (string, error) {
	if len(state.PeerCertificates) == 0 {
		return "the certificate cannot be seen from here", nil
	}
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(r.now())
	text := fmt.Sprintf(
		"%s, signed by %s, valid until %s (%d days)", tls.VersionName(state.Version), fetch.Clean(leaf.Issuer.String()),
		leaf.NotAfter.UTC().Format("2006-01-02"), int(left.Hours()/24),
	)
	switch {
	case t.TLS.InsecureSkipVerify:
		return "", Warn("add the CA's certificate to "+t.Roots+" and remove the key that skips the check", "%s; it is not verified", text)
	case left < expiresSoon:
		return "", Warn("have the provider's certificate renewed", "%s", text)
	}
	return text, nil
}

func (r *Report) askTime(ctx context.Context, t Target) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.HTTP, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{
		Transport:     &http.Transport{DialContext: r.Limit.Dialer(stepWithin).DialContext, TLSClientConfig: t.TLS, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := client.Do(req)
	if err != nil {
		return "", fault.New(fault.Unavailable, "%s does not answer over HTTP", t.Host).
			Next("check the port and %s", t.Setting).Because(err)
	}
	_ = res.Body.Close()
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return "", Skip("%s does not send the time (Date header)", t.Host)
	}
	return compare(r.now(), theirs)
}

// compare knows that the Date header tells whole seconds.
func compare(ours, theirs time.Time) (string, error) {
	offset := theirs.Sub(ours).Round(time.Second)
	text := fmt.Sprintf("the provider's clock is %d s ahead of pachd's", int(offset.Seconds()))
	if offset == 0 {
		text = "the provider's clock agrees with pachd's"
	} else if offset < 0 {
		text = fmt.Sprintf("the provider's clock is %d s behind pachd's", int(-offset.Seconds()))
	}
	switch apart := offset.Abs(); {
	case apart > clocksTooFar:
		return "", fault.New(fault.Precondition, "%s", text).
			Next("have both machines set their clocks from the network (NTP), or tokens are refused")
	case apart > clocksApart:
		return "", Warn("have both machines set their clocks from the network (NTP)", "%s", text)
	}
	return text, nil
}
