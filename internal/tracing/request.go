package tracing

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"pachyderm/internal/fault"
)

// maxSteps of one request are noted.
const maxSteps = 200

// request is one that is under way.
type request struct {
	t      *Tracer
	parent trace.SpanContext // the step of the login before, if it is one's
	trace  trace.TraceID
	span   trace.SpanID

	mu      sync.Mutex
	sampled bool
	steps   int
}

// step is something that a request did.
type step struct {
	name       string
	start, end time.Time
	failed     string
	attributes []attribute.KeyValue
	children   []*step
}

type key struct{}

// at is where in a request a context is.
type at struct {
	request *request
	step    *step
}

func from(ctx context.Context) (at, bool) {
	a, ok := ctx.Value(key{}).(at)
	return a, ok
}

// Request begins a request, or a step of the one that ctx is of. The function that it
// returns ends it.
func (t *Tracer) Request(ctx context.Context, name string) (context.Context, func(error)) {
	if t == nil {
		return ctx, func(error) {}
	}
	if _, known := from(ctx); known {
		return Step(ctx, name)
	}
	r := &request{t: t}
	_, _ = rand.Read(r.trace[:]) // which cannot fail (crypto/rand)
	_, _ = rand.Read(r.span[:])
	r.sampled = t.samples(r.trace)
	root := &step{name: name, start: t.now()}
	return context.WithValue(ctx, key{}, at{r, root}), func(err error) {
		root.finish(t.now(), err)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.sampled {
			r.send(ctx, root)
		}
	}
}

// Step notes a part of the request that ctx is of, with pairs of a name and a value
// that say more. The function that it returns ends it.
func Step(ctx context.Context, name string, pairs ...string) (context.Context, func(error)) {
	a, ok := from(ctx)
	if !ok {
		return ctx, func(error) {}
	}
	r := a.request
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.steps++; !r.sampled || r.steps > maxSteps {
		return ctx, func(error) {}
	}
	s := &step{name: name, start: r.t.now()}
	for n := 0; n+1 < len(pairs); n += 2 {
		s.attributes = append(s.attributes, attribute.String(pairs[n], pairs[n+1]))
	}
	a.step.children = append(a.step.children, s)
	return context.WithValue(ctx, key{}, at{r, s}), func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		s.finish(r.t.now(), err)
	}
}

func (t *Tracer) samples(id trace.TraceID) bool {
	return t.sampler.ShouldSample(sdk.SamplingParameters{TraceID: id}).Decision == sdk.RecordAndSample
}

func (s *step) finish(now time.Time, err error) {
	s.end = now
	if err != nil {
		s.failed = string(fault.KindOf(err))
	}
}

// On reports whether the request of ctx is traced.
func On(ctx context.Context) bool {
	_, ok := from(ctx)
	return ok
}

// Traceparent is what Continue needs in a later request of the same login (W3C Trace
// Context, 3.2); empty without a trace.
func Traceparent(ctx context.Context) string {
	a, ok := from(ctx)
	if !ok {
		return ""
	}
	r := a.request
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join([]string{"00", r.trace.String(), r.span.String(), "00"}, "-")
}

// Continue makes the request of ctx a part of the trace of an earlier one, of which it
// has the Traceparent. Whether that trace is sent follows from its id and not from its
// flags, which strangers can write.
func Continue(ctx context.Context, traceparent string) {
	a, ok := from(ctx)
	parts := strings.Split(traceparent, "-")
	if !ok || len(parts) != 4 {
		return
	}
	before, err := trace.TraceIDFromHex(parts[1])
	if err != nil {
		return
	}
	span, err := trace.SpanIDFromHex(parts[2])
	if err != nil {
		return
	}
	r := a.request
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace, r.sampled = before, r.t.samples(before)
	r.parent = trace.NewSpanContext(trace.SpanContextConfig{TraceID: before, SpanID: span, TraceFlags: trace.FlagsSampled, Remote: true})
}

// Signed is Traceparent with a MAC, for where a stranger could write another: whoever
// writes it decides whether the request is sent.
func Signed(ctx context.Context, key []byte) string {
	traceparent := Traceparent(ctx)
	return traceparent + "." + macOf(key, traceparent)
}

// ContinueSigned is Continue, if the MAC is right and there is a key.
func ContinueSigned(ctx context.Context, key []byte, signed string) {
	traceparent, mac, _ := strings.Cut(signed, ".")
	if len(key) > 0 && hmac.Equal([]byte(mac), []byte(macOf(key, traceparent))) {
		Continue(ctx, traceparent)
	}
}

func macOf(key []byte, traceparent string) string {
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, "traceparent "+traceparent) // which cannot fail
	return hex.EncodeToString(mac.Sum(nil))
}

// Method is that of a request to name it by: a stranger's may be any word.
func Method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// send makes spans of a request and its steps.
func (r *request) send(ctx context.Context, root *step) {
	ctx = trace.ContextWithSpanContext(context.WithoutCancel(ctx), r.parent)
	ctx = context.WithValue(ctx, idsKey{}, ids{r.trace, r.span})
	r.t.span(ctx, root, trace.SpanKindServer)
}

func (t *Tracer) span(ctx context.Context, s *step, kind trace.SpanKind) {
	if s.end.IsZero() { // and goes on without its request
		s.end = t.now()
	}
	ctx, span := t.tracer.Start(ctx, s.name, trace.WithTimestamp(s.start), trace.WithSpanKind(kind), trace.WithAttributes(s.attributes...))
	ctx = context.WithValue(ctx, idsKey{}, nil)
	for _, child := range s.children {
		t.span(ctx, child, trace.SpanKindInternal)
	}
	if s.failed != "" {
		span.SetStatus(codes.Error, s.failed)
	}
	span.End(trace.WithTimestamp(s.end))
}

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

// chosen gives a request's span the ids that were told to later requests already.
type chosen struct{}

// NewIDs is sdk.IDGenerator's.
func (c *chosen) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if known, ok := ctx.Value(idsKey{}).(ids); ok {
		return known.trace, known.span
	}
	var id trace.TraceID
	_, _ = rand.Read(id[:])
	return id, c.NewSpanID(ctx, id)
}

// NewSpanID is sdk.IDGenerator's.
func (*chosen) NewSpanID(ctx context.Context, _ trace.TraceID) (id trace.SpanID) {
	if known, ok := ctx.Value(idsKey{}).(ids); ok {
		return known.span
	}
	_, _ = rand.Read(id[:])
	return id
}
