package pachd

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/login"
	"pachyderm/internal/token"
)

// sweepEvery is how often what has expired is deleted.
const sweepEvery = 5 * time.Minute

// sweep deletes what has expired until ctx ends, first at once.
func (p *Pachd) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		for what, expired := range map[string]func(context.Context, *db.Tx, time.Time) error{
			"tokens": token.DeleteExpired, "logins": login.DeleteExpired, "guesses": guess.DeleteExpired, "the issuer's objects": p.Issuer.DeleteExpired,
		} {
			err := p.DB.Update(ctx, func(tx *db.Tx) error { return expired(ctx, tx, p.now()) })
			if err != nil && ctx.Err() == nil {
				p.log.ErrorContext(ctx, "cannot delete what has expired", "what", what, "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.limits.Crowded:
		}
	}
}
