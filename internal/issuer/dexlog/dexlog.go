package dexlog

import (
	"context"
	"log/slog"
	"strings"

	"pachyderm/internal/fault"
)

// maxValue is how much of a value is logged, in characters.
const maxValue = 500

// New gives the log for Dex.
func New(log *slog.Logger) *slog.Logger { return slog.New(handler{log.Handler()}) }

type handler struct{ slog.Handler }

func (h handler) Enabled(ctx context.Context, l slog.Level) bool {
	return l > slog.LevelDebug && h.Handler.Enabled(ctx, l)
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	level := r.Level
	if level == slog.LevelError && isExpected(r) {
		level = slog.LevelWarn
	}
	out := slog.NewRecord(r.Time, level, fault.Clean(r.Message, maxValue), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if text := a.Value.String(); len(text) > maxValue {
			a.Value = slog.StringValue(fault.Clean(text, maxValue))
		}
		out.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// isExpected knows what people and applications do every day, all of which Dex
// calls an error: a wrong password, a request that it refuses, and whatever a
// connector answers with a fault of its own.
func isExpected(r slog.Record) (expected bool) {
	for _, begin := range []string{"failed login attempt", "failed to parse authorization request"} {
		if strings.HasPrefix(r.Message, begin) {
			return true
		}
	}
	r.Attrs(func(a slog.Attr) bool {
		err, ok := a.Value.Any().(error)
		expected = ok && fault.KindOf(err) != fault.Internal
		return !expected
	})
	return expected
}

func (h handler) WithAttrs(a []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(a)} }
func (h handler) WithGroup(name string) slog.Handler   { return handler{h.Handler.WithGroup(name)} }
