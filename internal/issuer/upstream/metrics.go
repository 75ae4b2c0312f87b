package upstream

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/trace"
)

// The steps of a sign-in that ask a provider.
const (
	stepStart    = "start"    // where to send the browser
	stepCallback = "callback" // what it brings back
	stepPassword = "password"
	stepRefresh  = "refresh"
)

// metrics count what comes of connectors. Labels are ids of connectors that have
// been opened, and never what strangers send.
type metrics struct {
	signIns *prometheus.CounterVec   // connector, result
	asked   *prometheus.HistogramVec // connector, step
}

func newMetrics() metrics {
	return metrics{
		signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pachd_sign_ins_total", Help: "Sign-ins that came back from the provider, by connector and result.",
		}, []string{"connector", "result"}),
		asked: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pachd_connector_duration_seconds", Help: "How long connectors took, by connector and step.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"connector", "step"}),
	}
}

// errWrongPassword is counted where Dex hears of no error.
var errWrongPassword = fault.New(fault.Unauthenticated, "wrong password")

// count notes how a sign-in ended.
func (m metrics) count(connector string, err error) {
	m.signIns.WithLabelValues(connector, string(trace.ResultOf(err))).Inc()
}

// Describe is prometheus.Collector's.
func (u *Upstream) Describe(ch chan<- *prometheus.Desc) {
	u.metrics.signIns.Describe(ch)
	u.metrics.asked.Describe(ch)
	ch <- upDesc
	ch <- lastGoodDesc
	ch <- expiryDesc
}

var (
	upDesc       = prometheus.NewDesc("pachd_connector_up", "1 while the provider answers, 0 while it does not.", []string{"connector"}, nil)
	lastGoodDesc = prometheus.NewDesc("pachd_connector_last_success_timestamp_seconds",
		"When the provider last answered, in seconds since 1970.", []string{"connector"}, nil)
	expiryDesc = prometheus.NewDesc("pachd_connector_expiry_timestamp_seconds",
		"When something ends that a connector cannot work without, in seconds since 1970.", []string{"connector", "what"}, nil)
)

// Collect is prometheus.Collector's.
func (u *Upstream) Collect(ch chan<- prometheus.Metric) {
	u.metrics.signIns.Collect(ch)
	u.metrics.asked.Collect(ch)
	u.collectExpiries(ch)
	u.health.mu.Lock()
	defer u.health.mu.Unlock()
	for id, h := range u.health.by {
		up := 0.0
		switch h.State {
		case unknown:
			continue
		case Ready:
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(upDesc, prometheus.GaugeValue, up, id)
		if !h.LastGood.IsZero() {
			ch <- prometheus.MustNewConstMetric(lastGoodDesc, prometheus.GaugeValue, float64(h.LastGood.Unix()), id)
		}
	}
}

func (u *Upstream) collectExpiries(ch chan<- prometheus.Metric) {
	rows, err := u.registry.Rows(context.Background())
	if err != nil {
		return // the database does not answer
	}
	for _, r := range rows {
		for _, e := range u.Expiries(r) {
			ch <- prometheus.MustNewConstMetric(expiryDesc, prometheus.GaugeValue, float64(e.Ends.Unix()), r.ID, e.What)
		}
	}
}
