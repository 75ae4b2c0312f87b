package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"pachyderm/internal/fault"
)

// maxHops is how many redirects are followed to a file.
const maxHops = 10

var (
	errSilent    = errors.New("nothing came for too long")
	errDowngrade = errors.New("it redirects from https to something else")
)

// Streamer gets files of any length from addresses that somebody named. Its faults name
// addresses without what may be secret in them: the query, and who signs in there. It
// is safe for concurrent use.
type Streamer struct {
	http *http.Client
	// idle is after how long without a byte a file is given up.
	idle time.Duration
	max  int64
}

// Streamer makes one that connects no further, gives up after idle without a byte, and
// takes no more than so many bytes of a file.
func (r Reach) Streamer(idle time.Duration, maxBytes int64) *Streamer {
	return &Streamer{idle: idle, max: maxBytes, http: &http.Client{
		CheckRedirect: guardHop,
		Transport: &http.Transport{
			Proxy:                  nil, // a proxy from the environment would dial in our place, unguarded
			DialContext:            r.Dialer(idle / 2).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    idle / 2,
			MaxResponseHeaderBytes: 64 << 10,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
			DisableCompression:     true, // what is there is stored, and not what comes of it
		},
	}}
}

// guardHop follows redirects to other hosts, which the dialer guards too, and has none
// of them hear the address before it, whose query may be secret.
func guardHop(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer")
	switch from := via[len(via)-1].URL.Scheme; {
	case from == "https" && req.URL.Scheme != "https":
		return errDowngrade
	case len(via) > maxHops, req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return &redirectError{Bare(req.URL)}
	}
	return nil
}

// Bare is an address without its query and its user, fit to be shown.
func Bare(u *url.URL) string {
	return Clean((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
}

// Open asks for a file at an address of http or https. Close it. Faults: Invalid,
// Precondition, Unavailable, which reading it may give as well.
func (s *Streamer) Open(ctx context.Context, from *url.URL) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	b := &stream{s: s, ctx: ctx, cancel: cancel, from: from, left: s.max}
	b.watch = time.AfterFunc(s.idle, func() { cancel(errSilent) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		cancel(nil)
		return nil, fault.New(fault.Invalid, "%s is not the address of a file", Bare(from)) // the cause has all of it
	}
	res, err := s.http.Do(req) //nolint:bodyclose // Close closes it
	b.watch.Stop()
	if err != nil {
		defer cancel(nil)
		return nil, b.failed(err)
	}
	b.body = res.Body
	if res.StatusCode < 200 || res.StatusCode > 299 {
		_ = b.Close()
		return nil, b.refused(res.StatusCode)
	}
	if res.ContentLength > s.max {
		_ = b.Close()
		return nil, b.tooLong()
	}
	return b, nil
}

// stream is a file that is coming.
type stream struct {
	s      *Streamer
	ctx    context.Context //nolint:containedctx // of the request
	cancel context.CancelCauseFunc
	from   *url.URL
	watch  *time.Timer
	body   io.ReadCloser
	left   int64
}

// Read is io.Reader's. Whoever takes long to use what came is not waited for.
func (b *stream) Read(p []byte) (int, error) {
	b.watch.Reset(b.s.idle)
	n, err := b.body.Read(p)
	b.watch.Stop()
	if b.left -= int64(n); b.left < 0 {
		return 0, b.tooLong()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.failed(err)
	}
	return n, err
}

// Close is io.Closer's.
func (b *stream) Close() error {
	b.watch.Stop()
	b.cancel(nil)
	_ = b.body.Close()
	return nil
}

func (b *stream) tooLong() error {
	return fault.New(fault.Precondition, "%s is longer than %d bytes", Bare(b.from), b.s.max).
		Next("put a smaller file, or get it and put it in parts")
}

func (b *stream) refused(code int) error {
	kind := fault.Precondition
	if IsOutage(code) {
		kind = fault.Unavailable
	}
	return fault.New(kind, "%s was answered with HTTP status %d", Bare(b.from), code).
		Next("check the address, and whether it needs a sign-in")
}

// failed says what to look at of a file that did not come. What net/http says may have
// whole addresses in it, and so only what the network says is kept as the cause.
func (b *stream) failed(err error) error {
	if errors.Is(context.Cause(b.ctx), errSilent) {
		return fault.New(fault.Unavailable, "nothing came from %s for %s", Bare(b.from), b.s.idle).Next("try again later")
	}
	if b.ctx.Err() != nil {
		return b.ctx.Err()
	}
	var (
		in       *net.OpError
		cause    error
		address  *addressError
		redirect *redirectError
		name     *net.DNSError
		what     = Bare(b.from)
	)
	if errors.As(err, &in) {
		cause = in
	}
	switch {
	case errors.As(err, &address):
		return fault.New(fault.Precondition, "%s is at, or leads to, an address that this server does not connect to", what).
			Next("get the file where it can be reached, and put that").Because(cause)
	case errors.Is(err, errDowngrade):
		return fault.New(fault.Precondition, "%s redirects from https to something else, which is not followed", what).
			Next("use the address that it redirects to")
	case errors.As(err, &redirect):
		return fault.New(fault.Precondition, "%s redirects too often, or to %s, which is not followed", what, redirect.to).
			Next("use the address that it redirects to")
	case errors.As(err, &name) && name.IsNotFound:
		return fault.New(fault.Unavailable, "%s: there is no host of that name", what).Next("check the address").Because(cause)
	}
	if reason := Untrusted(err, "the roots of this server's system", "the address"); reason != "" {
		return fault.New(fault.Unavailable, "%s: the server's certificate was refused: %s", what, reason).Because(cause)
	}
	return fault.New(fault.Unavailable, "%s cannot be reached, or ended early", what).
		Next("try again, and check that this server can reach it").Because(cause)
}
