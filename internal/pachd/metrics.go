package pachd

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"pachyderm/internal/limit/httplimit"
	"pachyderm/internal/requestid"
	"pachyderm/internal/tracing"
	"pachyderm/internal/version"
)

// docs/metrics.md explains each metric; a test compares.

// registerMetrics makes all metrics of this pachd known to its own registry.
func (p *Pachd) registerMetrics() {
	p.requests = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "pachd_http_duration_seconds", Help: "How long requests over HTTP took, by endpoint and status code.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
	}, []string{"endpoint", "code"})
	p.metrics.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		p.rpc.Calls, p.rpc.Durations, p.Limits.Refused, p.requests, p.Issuer.Providers, p.Issuer.Traces, state{p})
}

// endpoints are the paths below the issuer's that are counted by themselves.
// Whatever else strangers ask for counts as one.
var endpoints = []string{ //nolint:gochecknoglobals // constant
	"auth", "callback", "token", "userinfo", "keys", "revoke", "introspect", "logout", "device", "saml", "connector-test", "connector-keys",
	"approval", ".well-known", "api", "console", "healthz", "readyz", "authorization-code",
}

// endpoint is the label of a request.
func (p *Pachd) endpoint(r *http.Request) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(httplimit.Path(p.Issuer, r), "/"), "/")
	for _, known := range endpoints {
		if first == known {
			return first
		}
	}
	return "other"
}

// measured counts what next answers, and gives each request its id.
func (p *Pachd) measured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, id := requestid.New(r.Context())
		r = r.WithContext(ctx)
		w.Header().Set(requestid.Header, id)
		answer, endpoint := &answered{ResponseWriter: w, code: http.StatusOK}, p.endpoint(r)
		took := prometheus.NewTimer(prometheus.ObserverFunc(func(seconds float64) {
			p.requests.WithLabelValues(endpoint, strconv.Itoa(answer.code)).Observe(seconds)
		}))
		defer took.ObserveDuration()
		ctx, traced := p.tracer.Request(r.Context(), tracing.Method(r)+" "+endpoint)
		defer func() { traced(answer.failure()) }()
		next.ServeHTTP(answer, r.WithContext(ctx))
	})
}

// answered remembers a status code.
type answered struct {
	http.ResponseWriter
	code int
}

func (a *answered) WriteHeader(code int) {
	a.code = code
	a.ResponseWriter.WriteHeader(code)
}

// failure is nil unless it was pachd that failed.
func (a *answered) failure() error {
	if a.code < http.StatusInternalServerError {
		return nil
	}
	return fmt.Errorf("status %d", a.code)
}

// Unwrap is for http.ResponseController.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// state is what is read at the moment that somebody asks.
type state struct{ *Pachd }

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	buildDesc       = gauge("pachd_build_info", "1, with the version as a label.", "version")
	listeningDesc   = gauge("pachd_database_listening", "1 while changes of other replicas are received, so that memory is used; 0 while not.")
	storeDesc       = gauge("pachd_store_usable", "1 if files could be written and read when it was looked last, 0 if not.")
	connectionsDesc = gauge("pachd_database_connections", "Connections to the database, by what they are doing.", "state")
	connWaitsDesc   = gauge("pachd_database_connection_waits_total", "How often somebody waited for a connection to be free.")
	connWaitDesc    = gauge("pachd_database_connection_wait_seconds_total", "How long, in all.")
	sweptDesc       = gauge("pachd_sweep_last_success_timestamp_seconds", "When what has expired was last deleted, in seconds since 1970.")
	rotatesDesc     = gauge("pachd_signing_key_rotation_timestamp_seconds", "When the signing key is to be replaced, in seconds since 1970.")
	certificateDesc = gauge("pachd_tls_certificate_expiry_timestamp_seconds", "When pachd's certificate ends, in seconds since 1970.")
)

// Describe is prometheus.Collector's.
func (state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		buildDesc, listeningDesc, storeDesc, connectionsDesc, connWaitsDesc, connWaitDesc, sweptDesc, rotatesDesc, certificateDesc,
	} {
		ch <- d
	}
}

// Collect is prometheus.Collector's.
func (s state) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	send(buildDesc, prometheus.GaugeValue, 1, version.Short(version.Current()))
	listening := 0.0
	if s.DB.Exact() {
		listening = 1
	}
	send(listeningDesc, prometheus.GaugeValue, listening)
	usable := 1.0
	if s.store.Away() {
		usable = 0
	}
	send(storeDesc, prometheus.GaugeValue, usable)
	pool := s.DB.Stats()
	send(connectionsDesc, prometheus.GaugeValue, float64(pool.InUse), "in_use")
	send(connectionsDesc, prometheus.GaugeValue, float64(pool.Idle), "idle")
	send(connWaitsDesc, prometheus.CounterValue, float64(pool.WaitCount))
	send(connWaitDesc, prometheus.CounterValue, pool.WaitDuration.Seconds())
	if at := s.swept.Load(); at > 0 {
		send(sweptDesc, prometheus.GaugeValue, float64(at))
	}
	if at, err := s.Issuer.Keys.Rotates(context.Background()); err == nil && !at.IsZero() {
		send(rotatesDesc, prometheus.GaugeValue, float64(at.Unix()))
	}
	if s.tls == nil || len(s.tls.Certificates) == 0 {
		return
	}
	if c, err := x509.ParseCertificate(s.tls.Certificates[0].Certificate[0]); err == nil {
		send(certificateDesc, prometheus.GaugeValue, float64(c.NotAfter.Unix()))
	}
}
