package requestid

import (
	"context"
	"crypto/rand"
	"log/slog"
)

// Header is the header of HTTP that answers have it in, and in lower case the
// metadata of gRPC. That of a request is not read: anybody can send one.
const Header = "X-Request-Id"

type key struct{}

// New gives a request an id of 40 random bits, in base32, unless it has one.
func New(ctx context.Context) (context.Context, string) {
	if id := Of(ctx); id != "" {
		return ctx, id
	}
	id := rand.Text()[:8]
	return context.WithValue(ctx, key{}, id), id
}

// Of is the id of the request that the context is of, or "".
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}

// Handler adds the id to what is logged in a request.
func Handler(h slog.Handler) slog.Handler { return handler{h} }

type handler struct{ slog.Handler }

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	if id := Of(ctx); id != "" {
		r = r.Clone()
		r.AddAttrs(slog.String("request", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(a []slog.Attr) slog.Handler { return handler{h.Handler.WithAttrs(a)} }
func (h handler) WithGroup(name string) slog.Handler   { return handler{h.Handler.WithGroup(name)} }
