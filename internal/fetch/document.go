package fetch

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"pachyderm/internal/fault"
)

const (
	// ConfirmedFor is how long a provider that has answered is taken to be up, and
	// ConfirmWithin how long a person waits to hear that it is not.
	ConfirmedFor  = 5 * time.Second
	ConfirmWithin = 3 * time.Second

	freshFor   = time.Hour       // then it is fetched again while the old one serves
	trustedFor = 24 * time.Hour  // then a sign-in waits for the new one, if there is one
	failedFor  = 3 * time.Second // how long a failure is answered without asking again
)

// Document is a document of a provider. It is fetched when first needed, by one
// caller for all, and the last good one outlives an outage of the provider.
type Document[T any] struct {
	what string
	load func(context.Context) (T, error)
	now  func() time.Time
	log  *slog.Logger

	flight singleflight.Group

	mu     sync.Mutex
	value  T
	loaded time.Time
	tried  time.Time
	// confirmed is when a sign-in last asked; what others asked meanwhile, such
	// as for its health, says less about the moment after.
	confirmed time.Time
	err       error // of the last try
}

// NewDocument fetches nothing yet; load does when it is time.
func NewDocument[T any](what string, load func(context.Context) (T, error), now func() time.Time, log *slog.Logger) *Document[T] {
	return &Document[T]{what: what, load: load, now: now, log: log}
}

// Get is the document as last fetched, or fetched now.
func (d *Document[T]) Get(ctx context.Context) (T, error) {
	d.mu.Lock()
	value, loaded, tried, err := d.value, d.loaded, d.tried, d.err
	d.mu.Unlock()

	now := d.now()
	known := !loaded.IsZero()
	failedNow := err != nil && now.Sub(tried) < failedFor
	switch {
	case known && (now.Sub(loaded) < freshFor || failedNow):
		return value, nil
	case failedNow:
		return value, err
	}
	arrival := d.start(ctx)
	if known && now.Sub(loaded) < trustedFor {
		return value, nil
	}
	renewed, err := d.wait(ctx, arrival)
	if err != nil && known {
		return value, nil
	}
	return renewed, err
}

// Confirm is the document as long as its provider is up: if it has not answered
// within ConfirmedFor, it is asked now, for as long as ConfirmWithin. One that
// answers, if only with an error, is up, and the last good document serves as
// with Get; one that gives no answer is an error.
func (d *Document[T]) Confirm(ctx context.Context) (T, error) {
	now := d.now()
	d.mu.Lock()
	value, loaded, tried, confirmed, err := d.value, d.loaded, d.tried, d.confirmed, d.err
	d.mu.Unlock()

	known := !loaded.IsZero()
	switch {
	case !known:
		if value, err = d.Get(ctx); err == nil {
			d.confirm(now)
		}
		return value, err
	case err == nil && now.Sub(confirmed) < ConfirmedFor:
		return value, nil
	case err == nil || now.Sub(tried) >= failedFor:
		asked, cancel := context.WithTimeout(ctx, ConfirmWithin)
		defer cancel()
		var renewed T
		if renewed, err = d.Renew(asked); err == nil {
			d.confirm(now)
			return renewed, nil
		}
	}
	if noAnswer(err) {
		var none T
		return none, err
	}
	return value, nil
}

func (d *Document[T]) confirm(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.confirmed = now
}

// noAnswer tells a provider that cannot be reached from one that says no.
func noAnswer(err error) bool {
	var request *url.Error
	return errors.As(err, &request) || errors.Is(err, context.DeadlineExceeded)
}

// Renew fetches now, whatever is known.
func (d *Document[T]) Renew(ctx context.Context) (T, error) { return d.wait(ctx, d.start(ctx)) }

// RenewUnless does so if the last try is not more recent than pause.
func (d *Document[T]) RenewUnless(ctx context.Context, pause time.Duration) (T, bool) {
	d.mu.Lock()
	value, tooSoon := d.value, d.now().Sub(d.tried) < pause
	d.mu.Unlock()
	if tooSoon {
		return value, false
	}
	value, err := d.Renew(ctx)
	return value, err == nil
}

// start outlives the caller that happened to be first: others wait for it too.
func (d *Document[T]) start(ctx context.Context) <-chan singleflight.Result {
	ctx = context.WithoutCancel(ctx)
	return d.flight.DoChan("", func() (any, error) { return d.fetch(ctx) })
}

func (d *Document[T]) wait(ctx context.Context, arrival <-chan singleflight.Result) (T, error) {
	var none T
	select {
	case <-ctx.Done():
		return none, fault.New(fault.Unavailable, "the provider did not send its %s in time", d.what).
			Next("try again").Because(ctx.Err())
	case res := <-arrival:
		if res.Err != nil {
			return none, res.Err
		}
		value, _ := res.Val.(T)
		return value, nil
	}
}

func (d *Document[T]) fetch(ctx context.Context) (T, error) {
	value, err := d.load(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried, d.err = d.now(), err
	if err == nil {
		d.value, d.loaded = value, d.tried
	} else if !d.loaded.IsZero() {
		d.log.WarnContext(ctx, "the provider's document could not be renewed, the last one stays in use", "document", d.what, "error", err)
	}
	return value, err
}
