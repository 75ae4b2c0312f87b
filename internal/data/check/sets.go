package check

import (
	"context"

	"pachyderm/internal/data/fileset"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// sets checks what file sets hold.
func (c *checking) sets(ctx context.Context, yield func(Problem, error) bool) error {
	for after := ""; ; {
		page, err := c.setsAfter(ctx, after)
		if err != nil {
			return err
		}
		for _, one := range page {
			if err := c.set(ctx, one); err != nil {
				return err
			}
			if !c.tell(yield) {
				return errEnough
			}
			after = one.Hash
		}
		if len(page) < fileset.PageSize {
			return nil
		}
	}
}

func (c *checking) setsAfter(ctx context.Context, after string) (page []fileset.Set, err error) {
	err = c.s.db.View(ctx, func(tx *db.Tx) (err error) {
		page, err = fileset.Roots(ctx, tx, after)
		return err
	})
	return page, err
}

// set checks one, which nothing can have changed since it was read.
func (c *checking) set(ctx context.Context, one fileset.Set) error {
	for _, root := range []tree.Root{one.Root, one.Deletes} {
		err := one.Bad
		if err == nil {
			err = c.trees.Check(ctx, root)
		}
		if fault.Is(err, fault.Damaged) {
			c.add("file set of "+one.Owner+" made "+one.Created.Format("2006-01-02 15:04:05 UTC"), fault.What(err))
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
