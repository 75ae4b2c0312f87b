package limit

import (
	"context"

	"pachyderm/internal/db"
)

// Pending is something that is stored for strangers until they go on with it.
type Pending struct {
	// Count is how many there are, by the network that they came from.
	Count func(ctx context.Context, tx *db.Tx) (map[string]int, error)
	// DropOldest deletes those of one network but for the newest.
	DropOldest func(ctx context.Context, tx *db.Tx, network string, keep int) error
}

// Trim holds what is pending to so many from each network and in all. What is
// too much in all is taken from those who have most: whoever has little keeps it.
func (p Pending) Trim(ctx context.Context, d *db.DB, each, total int) error {
	var counts map[string]int
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		counts, err = p.Count(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	keep := share(counts, each, total)
	for network, n := range counts {
		if n <= keep {
			continue
		}
		if err := d.Update(ctx, func(tx *db.Tx) error { return p.DropOldest(ctx, tx, network, keep) }); err != nil {
			return err
		}
	}
	return nil
}

// share is the most that each network may keep for no more than total to be
// left, and at most each.
func share(counts map[string]int, each, total int) int {
	least, most := 1, each
	for least < most {
		try, left := (least+most+1)/2, 0
		for _, n := range counts {
			left += min(n, try)
		}
		if left <= total {
			least = try
		} else {
			most = try - 1
		}
	}
	return least
}
