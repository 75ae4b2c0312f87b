package pachd

import (
	"context"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/limit"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/token"
)

// sweepEvery is how often what has expired is deleted.
const sweepEvery = 5 * time.Minute

// sweep deletes what has expired, and what is too much, and writes when tokens
// were used, until ctx ends; first at once. In between, when strangers have begun a lot,
// it looks at what they have begun alone: tokens can be a million.
func (p *Pachd) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	p.sweepAll(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			p.sweepAll(ctx)
		case <-p.Limits.Crowded:
			p.trim(ctx)
		}
	}
}

func (p *Pachd) sweepAll(ctx context.Context) {
	p.deleteExpired(ctx)
	p.trim(ctx)
	if err := p.Sessions.WriteUses(ctx); err != nil && ctx.Err() == nil {
		p.log.ErrorContext(ctx, "cannot write when tokens were used", "error", err)
	}
	if err := p.DB.Shrink(ctx); err != nil && ctx.Err() == nil {
		p.log.ErrorContext(ctx, "cannot shrink the database", "error", err)
	}
}

func (p *Pachd) deleteExpired(ctx context.Context) {
	failed := false
	for what, expired := range map[string]func(context.Context, *db.Tx, time.Time) error{
		"tokens": token.DeleteExpired, "logins": login.DeleteExpired, "guesses": p.guesses.DeleteExpired,
		"the issuer's objects": p.Issuer.DeleteExpired,
	} {
		err := p.DB.UpdateBulk(ctx, func(tx *db.Tx) error { return expired(ctx, tx, p.now()) })
		failed = failed || err != nil
		if err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "cannot delete what has expired", "what", what, "error", err)
		}
	}
	if !failed {
		p.swept.Store(p.now().Unix())
	}
}

// trim holds what strangers have begun, and not gone on with, to its limits.
func (p *Pachd) trim(ctx context.Context) {
	total := p.config.Limits.PendingSignIns
	for _, pending := range []limit.Pending{p.Issuer.Pending(), device.Pending(), login.Pending()} {
		if err := pending.Trim(ctx, p.DB, max(1, total/10), total); err != nil && ctx.Err() == nil {
			p.log.ErrorContext(ctx, "cannot drop sign-ins that are too many", "error", err)
		}
	}
}
