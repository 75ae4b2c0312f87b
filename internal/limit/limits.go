package limit

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"pachyderm/internal/fault"
)

// Kind is what a rate limit counts.
type Kind string

// The kinds; they are labels of a metric.
const (
	SignIns       Kind = "sign-ins"        // authorization requests, and calls of GetOIDCLogin
	Tokens        Kind = "token requests"  // at the token endpoint
	Authenticates Kind = "authentications" // calls of Authenticate, and others that prove something
	DeviceCodes   Kind = "device codes"    // device authorization requests (RFC 8628, 3.1)
	Uploads       Kind = "uploads"         // KiB of forms that are longer than anybody needs
	Passwords     Kind = "passwords"       // that were wrong
	UserCodes     Kind = "user codes"      // that were wrong (RFC 8628, 5.1)
	Delayed       Kind = "delayed"         // requests that wait because their account is being guessed at
	Waiters       Kind = "waiters"         // calls that wait for a person
	Calls         Kind = "calls"           // of gRPC, at the same time
	Connections   Kind = "connections"     // of a listener, at the same time
)

// crowdedEvery is after how much of it what is pending is counted again.
const crowdedEvery = 64

// Config is what Limits are made from.
type Config struct {
	// SignInsPerMinute is how many one network may begin; the other rates follow.
	SignInsPerMinute int
	Proxies          Proxies
	Log              *slog.Logger
	Now              func() time.Time
}

// Limits are the limits of one process. They are safe for concurrent use.
type Limits struct {
	Proxies Proxies
	// Refused counts what was refused, by kind.
	Refused *prometheus.CounterVec
	// Crowded is sent to when enough has begun that it should be counted.
	Crowded chan struct{}
	// Wait is for calls that wait for a person, Delay for requests that are
	// delayed, and Calls for all calls of gRPC.
	Wait, Delay, Calls *Places

	log    *slog.Logger
	said   map[Kind]*rate.Limiter // when the log was last told of a refusal
	now    func() time.Time
	began  atomic.Int64
	byKind map[Kind]*rates
}

// New makes limits with nothing counted yet.
func New(c Config) *Limits {
	l := &Limits{Proxies: c.Proxies, Crowded: make(chan struct{}, 1), now: c.Now, log: c.Log, said: map[Kind]*rate.Limiter{}}
	for _, k := range []Kind{
		SignIns, Tokens, Authenticates, DeviceCodes, Uploads, Passwords, UserCodes, Delayed, Waiters, Calls, Connections,
	} {
		l.said[k] = rate.NewLimiter(rate.Every(time.Minute), 1)
	}
	l.Refused = prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "pachd_limited_total", Help: "Requests that a limit refused, by what it counts."}, []string{"limit"})
	n := c.SignInsPerMinute
	l.byKind = map[Kind]*rates{
		SignIns: newRates(n), Tokens: newRates(4 * n), Authenticates: newRates(2 * n), DeviceCodes: newRates(n),
		Uploads: newRates(max(uploadLeast, uploadEach*n)),
	}
	l.Wait = &Places{Each: waitersEach, Network: waitersNetwork, Total: waiters, of: l, kind: Waiters}
	l.Delay = &Places{Each: delayed, Network: delayedNetwork, Total: delayed, of: l, kind: Delayed}
	l.Calls = &Places{Network: callsNetwork, Total: calls, of: l, kind: Calls}
	return l
}

// maxClient bounds what is kept of a client ID that a stranger has sent.
const maxClient = 64

const (
	// uploadEach are the KiB that each sign-in may post, a long SAML response;
	// uploadLeast lets the longest through whatever the rate.
	uploadEach, uploadLeast = 16, 1024
)

// Admit counts n of a kind against a network, and against one of its clients
// (an OIDC client ID, or "") half of what the network may. Fault: Exhausted.
func (l *Limits) Admit(k Kind, network, client string, n int) error {
	now, r := l.now(), l.byKind[k]
	wait := r.take(network, n, now)
	if client != "" && wait == 0 {
		wait = r.take(network+" "+client[:min(len(client), maxClient)], 2*n, now)
	}
	if wait > 0 {
		return l.Refuse(k, network, wait, "too many %s from this network", k)
	}
	switch k {
	case SignIns, DeviceCodes:
		l.Began(1)
	case Uploads: // of which a KiB is a sixteenth of what counts as one
		l.Began((n + 15) / 16)
	}
	return nil
}

// Began notes that n things are kept of a stranger's request.
func (l *Limits) Began(n int) {
	if now := l.began.Add(int64(n)); now/crowdedEvery == (now-int64(n))/crowdedEvery {
		return
	}
	select {
	case l.Crowded <- struct{}{}:
	default: // it has not been looked at since the last one
	}
}

// Note counts a refusal. The log has one a minute of each kind: whoever is
// refused should not be able to fill it.
func (l *Limits) Note(k Kind, network string) {
	l.Refused.WithLabelValues(string(k)).Inc()
	if l.said[k].AllowN(l.now(), 1) {
		l.log.Warn("a limit is reached; more within a minute are only counted, as pachd_limited_total", "of", k, "network", network)
	}
}

// Refuse counts a refusal and words it. Fault: Exhausted.
func (l *Limits) Refuse(k Kind, network string, wait time.Duration, format string, a ...any) error {
	l.Note(k, network)
	err := fault.New(fault.Exhausted, format, a...).After(wait)
	return err.Next("try again in %v", fault.RetryAfter(err))
}
