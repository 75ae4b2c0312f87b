package authtime

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/connector/refuse"
)

// Skew is how far two clocks may be apart.
const Skew = 2 * time.Minute

// MaxAge is how old the proof may be that a login request asks for, in seconds: 0 has
// the provider ask again, whatever it remembers. Nil is for a request that says nothing
// of it.
func MaxAge(request url.Values) *int64 {
	if slices.Contains(strings.Fields(request.Get("prompt")), "login") {
		return new(int64)
	}
	n, err := strconv.ParseInt(request.Get("max_age"), 10, 64)
	if err != nil || n < 0 {
		return nil
	}
	return &n
}

// Forced reports whether the provider has to ask again.
func Forced(maxAge *int64) bool { return maxAge != nil && *maxAge == 0 }

// Check refuses a proof that is older than the sign-in for which the provider had to
// ask again. Fault: Unauthenticated.
func Check(proved, asked time.Time) error {
	if proved.Before(asked.Add(-Skew)) {
		return refuse.Response("the provider did not ask who you are, as it was told to: it remembers an earlier sign-in").
			Next("sign out at the provider, and sign in again")
	}
	return nil
}

type key struct{}

// Watch gives a context in which a connector notes when the person proved who they
// are, and what tells it, which is zero as long as nobody has.
func Watch(ctx context.Context) (context.Context, func() time.Time) {
	at := new(time.Time)
	return context.WithValue(ctx, key{}, at), func() time.Time { return *at }
}

// Note notes it.
func Note(ctx context.Context, at time.Time) {
	if noted, ok := ctx.Value(key{}).(*time.Time); ok {
		*noted = at
	}
}
