package tracing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Config is what a Tracer is made from.
type Config struct {
	// Endpoint is the collector's, such as http://otel-collector:4318, to which traces
	// go by OTLP over HTTP. Empty is for no traces.
	Endpoint string
	// Ratio is how many of all traces are sent, from 0 to 1.
	Ratio   float64
	Version string // of this pachd
	Replica string
	Log     *slog.Logger
	Now     func() time.Time
}

// Tracer makes traces; nil makes none. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	ids      sdk.IDGenerator
	sampler  sdk.Sampler
	now      func() time.Time
}

// New makes the tracer, or none. A collector that does not answer delays nobody: what
// it does not take in time is dropped.
func New(ctx context.Context, c Config) (*Tracer, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // nil traces nothing
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(c.Endpoint+"/v1/traces"))
	if err != nil {
		return nil, err
	}
	about := resource.NewWithAttributes(semconv.SchemaURL,
		semconv.ServiceName("pachd"), semconv.ServiceVersion(c.Version), semconv.ServiceInstanceID(c.Replica))
	ids := &chosen{}
	t := &Tracer{sampler: sdk.TraceIDRatioBased(c.Ratio), ids: ids, now: c.Now}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(&quiet{SpanExporter: exporter, log: c.Log, now: c.Now}), sdk.WithResource(about), sdk.WithIDGenerator(ids),
		sdk.WithSampler(sdk.AlwaysSample()), // what is not to be sent makes no spans
	)
	t.tracer = t.provider.Tracer("pachd")
	return t, nil
}

// Close sends what is left, if the collector takes it within ctx.
func (t *Tracer) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// quiet says once a minute that the collector does not take traces.
type quiet struct {
	sdk.SpanExporter
	log  *slog.Logger
	now  func() time.Time
	said time.Time // the exporter is called by one goroutine
}

// ExportSpans is sdk.SpanExporter's.
func (q *quiet) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := q.SpanExporter.ExportSpans(ctx, spans)
	if now := q.now(); err != nil && !errors.Is(err, context.Canceled) && now.Sub(q.said) >= time.Minute {
		q.said = now
		q.log.WarnContext(ctx, "the collector does not take traces: see that tracing.endpoint is right, and that it runs", "error", err)
	}
	return nil
}
