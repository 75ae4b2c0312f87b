package pachd

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"

	"pachyderm/internal/config"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/limit/httplimit"
	"pachyderm/internal/people/login"
	"pachyderm/internal/rpc"
	"pachyderm/internal/web/console/page"
)

type listeners struct{ grpc, http, callback, metrics net.Listener }

func listen(ctx context.Context, c config.Listen) (l listeners, err error) {
	for _, one := range []struct {
		key, variable, address string
		into                   *net.Listener
	}{
		{"listen.grpc", "PACHD_LISTEN_GRPC", c.GRPC, &l.grpc},
		{"listen.http", "PACHD_LISTEN_HTTP", c.HTTP, &l.http},
		{"listen.callback", "PACHD_LISTEN_CALLBACK", c.Callback, &l.callback},
		{"listen.metrics", "PACHD_LISTEN_METRICS", c.Metrics, &l.metrics},
	} {
		if one.address == "" {
			continue
		}
		*one.into, err = (&net.ListenConfig{}).Listen(ctx, "tcp", one.address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return l, fault.New(fault.Precondition, "%s: the address %s is in use", one.key, one.address).
				Next("stop what listens there, or choose another (%s)", one.variable)
		}
		if err != nil {
			return l, fault.New(fault.Precondition, "%s: cannot listen on %s: %v (%s)", one.key, one.address, err, one.variable)
		}
	}
	return l, nil
}

func (l listeners) close() error {
	var err error
	for _, one := range []net.Listener{l.grpc, l.http, l.callback, l.metrics} {
		if one != nil {
			if e := one.Close(); !errors.Is(e, net.ErrClosed) {
				err = errors.Join(err, e)
			}
		}
	}
	return err
}

func address(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}

// How long a client may take for its header and for the request with its body,
// and be silent between two. How long it may not read what is written, the
// listener says (limit.WriteProgress).
const (
	headerFor  = 10 * time.Second
	requestFor = 30 * time.Second
	idleFor    = 2 * time.Minute
	maxHeader  = 64 << 10 // bytes
)

// bounded holds a listener to the limits of connections.
func (p *Pachd) bounded(l net.Listener) net.Listener {
	n := p.config.Limits.Connections
	return &limit.Listener{
		Listener: l, Total: n, Network: (n + 3) / 4, Proxies: p.Limits.Proxies, Progress: limit.WriteProgress,
		Refused: func(network string) { p.Limits.Note(limit.Connections, network) },
	}
}

// transportLog is where net/http says what goes wrong outside of a request.
// Strangers who break off handshakes should not be able to fill the log.
type transportLog struct{ log *slog.Logger }

func (t transportLog) Write(line []byte) (int, error) {
	level := slog.LevelError
	if bytes.HasPrefix(line, []byte("http: TLS handshake error")) {
		level = slog.LevelDebug
	}
	t.log.Log(context.Background(), level, "the HTTP server has trouble", "what", string(bytes.TrimSpace(line)))
	return len(line), nil
}

// serve starts an HTTP server on a listener, if there is one.
func (p *Pachd) serve(g *errgroup.Group, l net.Listener, t *tls.Config, h http.Handler) *http.Server {
	if l == nil {
		return nil
	}
	l = p.bounded(l)
	if t != nil {
		l = tls.NewListener(l, t)
	}
	s := &http.Server{
		Handler: h, ReadHeaderTimeout: headerFor, ReadTimeout: requestFor, IdleTimeout: idleFor, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(transportLog{p.log}, "", 0),
	}
	g.Go(func() error {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return s
}

// pages are everything that one host serves over HTTP: health, our callback,
// and the issuer for all the rest.
func (p *Pachd) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", p.ready)
	mux.Handle("/authorization-code/", p.Login.Handler())
	mux.Handle(rpc.RESTPath, p.rest)
	mux.Handle(page.Root, p.console)
	mux.Handle("GET /{$}", p.console)
	mux.Handle("/", p.Issuer)
	return p.measured(p.limited(mux))
}

func (p *Pachd) limited(next http.Handler) http.Handler {
	return httplimit.New(httplimit.Config{Limits: p.Limits, Guesses: p.guesses, Issuer: p.Issuer, Log: p.log, Now: p.now}, next)
}

// callbackPages are what upstream serves on its callback port.
func (p *Pachd) callbackPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", ok)
	mux.Handle(login.CallbackPath, p.Login.Handler())
	mux.Handle(login.ConfirmPath, p.Login.Handler())
	return p.measured(p.limited(mux))
}

func (p *Pachd) metricsPage() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics, promhttp.HandlerOpts{}))
	return mux
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("200 OK\n")) }

// ready tells a load balancer whether to send people here. Where the database is
// away it is for everybody: people meet that sentence here as well as elsewhere,
// and no connection that is refused. But a replica that alone does not hear of
// changes is better left alone, and so is one that is about to stop. Without the store
// of objects people can still sign in: that is said, and no reason to send them away.
func (p *Pachd) ready(w http.ResponseWriter, r *http.Request) {
	if p.stopping.Load() {
		http.Error(w, "pachd is stopping", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if !p.DB.Exact() && p.DB.Ping(ctx) == nil {
		http.Error(w, "changes of other replicas are not received", http.StatusServiceUnavailable)
		return
	}
	ok(w, r)
	if p.store.Away() {
		_, _ = w.Write([]byte("files can be neither written nor read: pachd's log says why\n"))
	}
}
