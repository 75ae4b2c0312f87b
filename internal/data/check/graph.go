package check

import (
	"context"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
)

// graph finds what breaks the rules of commits and branches.
func (c *checking) graph(ctx context.Context) error {
	return c.s.db.View(ctx, func(tx *db.Tx) error {
		c.found = nil // the transaction may run again
		for _, rule := range []struct {
			find func(context.Context, *db.Tx) ([]row.CommitInfo, error)
			what string
		}{
			{row.LostParents, "its parent is not an older commit of its repository"},
			{row.OpenParents, "it was begun before its parent was finished"},
		} {
			all, err := rule.find(ctx, tx)
			if err != nil {
				return err
			}
			for _, one := range all {
				c.add("commit "+one.Ref().String(), rule.what)
			}
		}
		all, err := row.LostHeads(ctx, tx)
		if err != nil {
			return err
		}
		for _, b := range all {
			c.add("branch "+b.String(), "its head is not a commit of its repository")
		}
		return c.circles(ctx, tx)
	})
}

// circles finds what was made from itself.
func (c *checking) circles(ctx context.Context, tx *db.Tx) error {
	edges, err := row.Edges(ctx, tx, false)
	if err != nil {
		return err
	}
	for _, key := range inCircles(edges) {
		one, err := row.CommitByKey(ctx, tx, key)
		if err != nil {
			return err
		}
		c.add("commit "+one.Ref().String(), "its provenance goes in a circle")
	}
	if edges, err = row.Edges(ctx, tx, true); err != nil {
		return err
	}
	for _, key := range inCircles(edges) {
		one, err := row.BranchByKey(ctx, tx, key)
		if err != nil {
			return err
		}
		c.add("branch "+one.String(), "its provenance goes in a circle")
	}
	return nil
}

// inCircles are those keys of which one cannot say that they come after all that they
// were made from: those in circles, and what was made from these.
func inCircles(edges [][2]int64) (all []int64) {
	waits, made := map[int64]int{}, map[int64][]int64{}
	for _, e := range edges {
		waits[e[0]]++
		made[e[1]] = append(made[e[1]], e[0])
	}
	var ready []int64
	for key := range made {
		if waits[key] == 0 {
			ready = append(ready, key)
		}
	}
	for len(ready) > 0 {
		key := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, next := range made[key] {
			if waits[next]--; waits[next] == 0 {
				ready = append(ready, next)
				delete(waits, next)
			}
		}
	}
	for key := range waits {
		all = append(all, key)
	}
	return all
}
