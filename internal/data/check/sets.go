package check

import (
	"context"
	"iter"

	"pachyderm/internal/data/fileset"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// sets checks what file sets hold.
func (c *checking) sets(ctx context.Context, yield func(Problem, error) bool) error {
	for one, err := range c.s.everySet(ctx) {
		if err == nil {
			err = c.set(ctx, one)
		}
		if err != nil {
			return err
		}
		if !c.tell(yield) {
			return errEnough
		}
	}
	return nil
}

// everySet is each file set there is.
func (s *Service) everySet(ctx context.Context) iter.Seq2[fileset.Set, error] {
	return func(yield func(fileset.Set, error) bool) {
		for after := ""; ; {
			var page []fileset.Set
			err := s.db.View(ctx, func(tx *db.Tx) (err error) {
				page, err = fileset.Roots(ctx, tx, after)
				return err
			})
			for _, one := range page {
				if !yield(one, nil) {
					return
				}
				after = one.Hash
			}
			if err != nil {
				yield(fileset.Set{}, err)
			}
			if err != nil || len(page) < fileset.PageSize {
				return
			}
		}
	}
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
