package session

import (
	"context"
	"sync"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
)

// useGrain is how exact the last use of a token is known: each is written once in
// that time at most, however often it is used.
const useGrain = time.Hour

// maxUses bounds what waits to be written.
const maxUses = 1 << 16

// uses are those of tokens that are not written yet. A crash loses them, which
// makes a token seem to rest for an hour longer.
type uses struct {
	mu      sync.Mutex
	pending map[string]time.Time // by hash
}

// note remembers that a token was used, if there is room.
func (u *uses) note(hash string, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending == nil {
		u.pending = map[string]time.Time{}
	}
	if _, known := u.pending[hash]; !known && len(u.pending) < maxUses {
		u.pending[hash] = now
	}
}

func (u *uses) take() map[string]time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.pending
	u.pending = nil
	return taken
}

// WriteUses writes when tokens were last used, as far as that is not written.
func (s *Service) WriteUses(ctx context.Context) error {
	taken := s.memory.uses.take()
	if len(taken) == 0 {
		return nil
	}
	return s.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		by, err := token.Used(ctx, tx, taken, useGrain)
		if err != nil {
			return err
		}
		return identity.Used(ctx, tx, by)
	})
}
