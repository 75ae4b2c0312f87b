package check

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Problem is something that is not as it should be.
type Problem struct {
	// Where names the commit, branch or pack.
	Where, What string
}

// String says it in one line.
func (p Problem) String() string { return p.Where + ": " + p.What }

// Service checks. It is safe for concurrent use.
type Service struct {
	db    *db.DB
	packs *pack.Service
}

// New makes a service.
func New(d *db.DB, packs *pack.Service) *Service { return &Service{d, packs} }

// Problems are all that there are: in the graph, then in packs, whose blobs are read if
// deep is set, then in the files of each commit and file set. What goes on meanwhile is
// no problem. It ends with the first error, such as of a store that cannot be reached.
func (s *Service) Problems(ctx context.Context, deep bool) iter.Seq2[Problem, error] {
	return func(yield func(Problem, error) bool) {
		c := &checking{s: s, badPacks: map[string]bool{}, badBlobs: map[pack.ID]bool{}, sound: map[pack.ID]bool{}}
		c.trees = tree.NewChecker(c)
		err := c.graph(ctx)
		if !c.tell(yield) {
			return
		}
		if err == nil {
			err = c.packs(ctx, deep, yield)
		}
		if err == nil {
			err = c.commits(ctx, yield)
		}
		if err == nil {
			err = c.sets(ctx, yield)
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Problem{}, err)
		}
	}
}

// Storage counts the blobs that are kept; the first problem of their packs is the
// error, for which blobs are read if deep is set. Fault: Damaged.
func (s *Service) Storage(ctx context.Context, deep bool) (blobs int64, err error) {
	for p, err := range s.packs.Verify(ctx, deep) {
		if err != nil {
			return 0, err
		}
		return 0, fault.New(fault.Damaged, "%s", inPack(p)).Next("see all that it concerns: pachctl fsck")
	}
	u, err := s.packs.Usage(ctx)
	return u.Blobs, err
}

// errEnough says that nobody wants to hear of more.
var errEnough = errors.New("enough")

// checking is one check.
type checking struct {
	s     *Service
	found []Problem
	trees *tree.Checker

	badPacks map[string]bool
	badBlobs map[pack.ID]bool
	sound    map[pack.ID]bool // blobs that are stored as they should be
}

func (c *checking) add(where, what string) { c.found = append(c.found, Problem{where, what}) }

// tell yields what was found; it is false if that is enough.
func (c *checking) tell(yield func(Problem, error) bool) bool {
	all := c.found
	c.found = nil
	for _, p := range all {
		if !yield(p, nil) {
			return false
		}
	}
	return true
}

func inPack(p pack.Problem) Problem {
	if p.Blob == (pack.ID{}) {
		return Problem{"pack " + p.Pack, p.What}
	}
	return Problem{"pack " + p.Pack, fmt.Sprintf("blob %s: %s", p.Blob, p.What)}
}

// packs finds what is wrong with packs, and remembers it for the files that it concerns.
func (c *checking) packs(ctx context.Context, deep bool, yield func(Problem, error) bool) error {
	for p, err := range c.s.packs.Verify(ctx, deep) {
		if err != nil {
			return err
		}
		if p.Blob == (pack.ID{}) {
			c.badPacks[p.Pack] = true
		} else {
			c.badBlobs[p.Blob] = true
		}
		if !yield(inPack(p), nil) {
			return errEnough
		}
	}
	return nil
}

// every is each commit there is, repository by repository.
func (s *Service) every(ctx context.Context) iter.Seq2[row.CommitInfo, error] {
	return func(yield func(row.CommitInfo, error) bool) {
		var repos []row.RepoInfo
		err := s.db.View(ctx, func(tx *db.Tx) (err error) {
			repos, err = row.FindRepos(ctx, tx, nil, "")
			return err
		})
		for _, r := range repos {
			for after := int64(0); err == nil; {
				var page []row.CommitInfo
				err = s.db.View(ctx, func(tx *db.Tx) (err error) {
					page, err = row.CommitsPage(ctx, tx, r.Key, 0, after, true)
					return err
				})
				for _, one := range page {
					if !yield(one, nil) {
						return
					}
					after = one.Seq
				}
				if len(page) < row.PageSize {
					break
				}
			}
		}
		if err != nil {
			yield(row.CommitInfo{}, err)
		}
	}
}

// roots is what each commit and each file set holds.
func (s *Service) roots(ctx context.Context) iter.Seq2[tree.Root, error] {
	return func(yield func(tree.Root, error) bool) {
		for one, err := range s.everySet(ctx) {
			if err == nil {
				err = one.Bad
			}
			if !yield(one.Root, err) || err != nil || !yield(one.Deletes, nil) {
				return
			}
		}
		for one, err := range s.every(ctx) {
			var root tree.Root
			if err == nil {
				root, err = tree.ReadRoot(one.Root)
			}
			if !yield(root, err) || err != nil {
				return
			}
		}
	}
}

// commits checks the files of each commit.
func (c *checking) commits(ctx context.Context, yield func(Problem, error) bool) error {
	for one, err := range c.s.every(ctx) {
		if err == nil {
			err = c.commit(ctx, one)
		}
		if !c.tell(yield) {
			return errEnough
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// commit checks the files of one commit.
func (c *checking) commit(ctx context.Context, one row.CommitInfo) error {
	what, err := c.files(ctx, one)
	if err != nil || what == "" {
		return err
	}
	// It may have been written to, or removed and what it held swept, since it was read.
	var now row.CommitInfo
	err = c.s.db.View(ctx, func(tx *db.Tx) (err error) {
		now, err = row.CommitByKey(ctx, tx, one.Key)
		return err
	})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case string(now.Root) == string(one.Root) && now.Size == one.Size:
		c.add("commit "+one.Ref().String(), what)
	}
	return nil
}

// files says what is wrong with those of a commit, or "".
func (c *checking) files(ctx context.Context, one row.CommitInfo) (what string, err error) {
	root, err := tree.ReadRoot(one.Root)
	if err != nil {
		return fault.What(err), nil
	}
	if root.Size != one.Size {
		return fmt.Sprintf("its files have %d bytes, not %d", root.Size, one.Size), nil
	}
	err = c.trees.Check(ctx, root)
	if fault.Is(err, fault.Damaged) {
		return fault.What(err), nil
	}
	return "", err
}

// Get is a node, of which all that it names is stored for good.
func (c *checking) Get(ctx context.Context, id tree.ID) ([]byte, error) {
	if err := c.stored(ctx, []tree.ID{id}); err != nil {
		return nil, err
	}
	data, err := c.s.packs.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	nodes, blobs, err := tree.References(data)
	if err != nil {
		return nil, err
	}
	return data, c.stored(ctx, append(nodes, blobs...))
}

// stored is an error if not all blobs are.
func (c *checking) stored(ctx context.Context, ids []tree.ID) error {
	var ask []pack.ID
	for _, id := range ids {
		if !c.sound[id] {
			ask = append(ask, id)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	places, err := c.s.packs.Where(ctx, ask)
	if err != nil {
		return err
	}
	for _, id := range ask {
		at, is := places[id]
		switch {
		case !is:
			return damaged("the blob %s is in no pack", id)
		case !at.Kept:
			return damaged("the blob %s is in the pack %s, which is not kept", id, at.Pack)
		case c.badPacks[at.Pack] || c.badBlobs[id]:
			return damaged("the blob %s is damaged with the pack %s", id, at.Pack)
		}
		c.sound[id] = true
	}
	return nil
}

func damaged(format string, a ...any) error { return fault.New(fault.Damaged, format, a...) }

// Sum is tree.Nodes'.
func (c *checking) Sum(data []byte) [32]byte { return c.s.packs.Sum(data) }

// Put is tree.Nodes'; a check writes nothing.
func (*checking) Put(context.Context, []byte) (tree.ID, error) {
	return tree.ID{}, errors.New("a check writes a node")
}
