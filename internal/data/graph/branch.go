package graph

import (
	"cmp"
	"context"
	"slices"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// MaxTriggers is how many branches of a repository may have a trigger: each is asked
// whenever a commit of the repository finishes.
const MaxTriggers = 100

// NewBranch says what a branch is to be. Head is nil for as it is: an empty commit
// for a new one.
type NewBranch struct {
	Branch  Branch
	Head    *Ref
	Direct  []Source
	Trigger Trigger
}

// CreateBranch makes a branch, or changes the one that is there into this. Faults:
// Invalid, NotFound, Precondition.
func (c *Change) CreateBranch(ctx context.Context, n NewBranch) error {
	if err := n.Branch.Check(); err != nil {
		return err
	}
	if n.Trigger != (Trigger{}) && len(n.Direct) > 0 {
		return fault.New(fault.Invalid, "a branch cannot have both provenance and a trigger").Next("leave one of them out")
	}
	r, err := row.FindRepo(ctx, c.tx, n.Branch.Repo)
	if err != nil {
		return err
	}
	b, err := row.FindBranch(ctx, c.tx, r, n.Branch.Name)
	isNew := fault.Is(err, fault.NotFound)
	if err != nil && !isNew {
		return err
	}
	if isNew {
		b = BranchInfo{Branch: n.Branch, Key: newKey(), RepoKey: r.Key, Created: c.now(), CreatedBy: c.creator()}
	}
	if b.Trigger = n.Trigger; b.Trigger != (Trigger{}) {
		if err := c.checkTrigger(ctx, r, b); err != nil {
			return err
		}
	}
	if err := c.headFor(ctx, r, &b, n, isNew); err != nil {
		return err
	}
	if isNew {
		err = row.InsertBranch(ctx, c.tx, b, c.now())
	} else {
		err = row.UpdateBranch(ctx, c.tx, b, c.now())
	}
	if err != nil {
		return err
	}
	if err := c.setSources(ctx, b, n.Direct); err != nil {
		return err
	}
	c.touched[b.Key] = true
	if err := c.changed(ctx, r.Repo); err != nil { // for what follows times
		return err
	}
	return c.by.Record(ctx, c.tx, "branch.create", "branch/"+n.Branch.String(), "")
}

// headFor decides what the head of the branch is: the one that is named, or the one
// that it has, or an empty commit. Other provenance than before makes it begin anew.
func (c *Change) headFor(ctx context.Context, r RepoInfo, b *BranchInfo, n NewBranch, isNew bool) error {
	if n.Head != nil {
		head, err := resolve(ctx, c.tx, *n.Head)
		if err != nil {
			return err
		}
		if head.RepoKey != r.Key {
			return fault.New(fault.Invalid, "the head of a branch is a commit of its own repository, and %s is of another", head.Ref())
		}
		b.HeadKey = head.Key
		return nil
	}
	if !isNew {
		before, err := row.SourcesOf(ctx, c.tx, b.Key)
		if err != nil {
			return err
		}
		if len(n.Direct) == 0 || sameSources(before, n.Direct) {
			return nil
		}
	}
	made, err := c.emptyCommit(ctx, r, n.Branch.Name, len(n.Direct) > 0)
	b.HeadKey = made.Key
	return err
}

// emptyCommit makes one without files, open if something will come to finish it.
func (c *Change) emptyCommit(ctx context.Context, r RepoInfo, branch string, open bool) (CommitInfo, error) {
	made, err := c.newCommit(ctx, r, branch, CommitInfo{}, ByRule, "")
	if err != nil || open {
		return made, err
	}
	made.Finished = c.now()
	return made, row.UpdateCommit(ctx, c.tx, made)
}

func sameSources(a, b []Source) bool {
	key := func(s Source) string { return s.Branch.String() }
	names := func(all []Source) (out []string) {
		for _, s := range all {
			out = append(out, key(s))
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	return slices.Equal(names(a), names(b))
}

// setSources says what a branch is made from. Faults: Invalid, Precondition.
func (c *Change) setSources(ctx context.Context, b BranchInfo, direct []Source) error {
	if err := row.DeleteSources(ctx, c.tx, b.Key); err != nil {
		return err
	}
	seen := map[Branch]bool{}
	for _, s := range direct {
		if seen[s.Branch] {
			continue
		}
		seen[s.Branch] = true
		if s.Branch.Repo == b.Repo {
			return fault.New(fault.Invalid, "repo %s cannot be in the provenance of its own branch", b.Repo)
		}
		source, err := c.sourceBranch(ctx, s.Branch)
		if err != nil {
			return err
		}
		if err := row.InsertSource(ctx, c.tx, b.Key, source.Key, s.Never); err != nil {
			return err
		}
	}
	if len(direct) == 0 {
		return nil
	}
	return c.checkSources(ctx, b)
}

// sourceBranch is a branch that another is to be made from; it is made if it is not there.
func (c *Change) sourceBranch(ctx context.Context, b Branch) (BranchInfo, error) {
	r, err := row.FindRepo(ctx, c.tx, b.Repo)
	if err != nil {
		return BranchInfo{}, err
	}
	source, err := row.FindBranch(ctx, c.tx, r, b.Name)
	if !fault.Is(err, fault.NotFound) {
		return source, err
	}
	if err := c.CreateBranch(ctx, NewBranch{Branch: b}); err != nil {
		return BranchInfo{}, err
	}
	return row.FindBranch(ctx, c.tx, r, b.Name)
}

// checkSources refuses cycles, and two branches of one repository in what is connected
// by provenance: their commits would be the same commit.
func (c *Change) checkSources(ctx context.Context, b BranchInfo) error {
	above, err := row.Closure(ctx, c.tx, b.Key, true)
	if err != nil {
		return err
	}
	for _, a := range above {
		if a.Key == b.Key {
			return fault.New(fault.Invalid, "cycle detected because %s is already in the subvenance of itself", b.Branch).
				Next("name a provenance that does not come from this branch")
		}
	}
	below, err := row.Closure(ctx, c.tx, b.Key, false)
	if err != nil {
		return err
	}
	for _, end := range append(below, b) {
		sources, err := row.Closure(ctx, c.tx, end.Key, true)
		if err != nil {
			return err
		}
		of := map[Repo]string{end.Repo: end.Name}
		for _, s := range sources {
			if other, ok := of[s.Repo]; ok && other != s.Name {
				return c.errTwoBranches(s.Branch, other)
			}
			of[s.Repo] = s.Name
		}
	}
	return c.checkFollowers(ctx, above)
}

// checkFollowers refuses two branches of one repository that follow the same one: a
// commit there would need two in that repository, and could not be made.
func (c *Change) checkFollowers(ctx context.Context, sources []BranchInfo) error {
	for _, s := range sources {
		below, err := c.follow(ctx, s.Key)
		if err != nil {
			return err
		}
		of := map[Repo]string{}
		for _, b := range below {
			if other, ok := of[b.Repo]; ok {
				return c.errTwoBranches(b.Branch, other)
			}
			of[b.Repo] = b.Name
		}
	}
	return nil
}

// errTwoBranches has upstream's words, which clients look for.
func (c *Change) errTwoBranches(b Branch, other string) error {
	const form = "multiple branches from the same repo, %q, cannot participate in a DAG"
	if c.Sees != nil && !c.Sees(b.Repo) {
		return fault.New(fault.Invalid, form, "one that you may not see").Next("ask somebody who may read all that these branches are made from")
	}
	return fault.New(fault.Invalid, form, b.Repo.Name).Next("use one branch of it, %s or %s", other, b.Name)
}

// checkTrigger refuses triggers that could never end, conditions that cannot be read,
// and more of them than each commit and each time may cost.
func (c *Change) checkTrigger(ctx context.Context, r RepoInfo, to BranchInfo) error {
	if err := to.Trigger.Check(); err != nil {
		return err
	}
	others, err := row.Followers(ctx, c.tx, r.Key)
	if err != nil {
		return err
	}
	others = slices.DeleteFunc(others, func(b BranchInfo) bool { return b.Key == to.Key })
	if len(others) >= MaxTriggers {
		return fault.New(fault.Exhausted, "%d branches of repo %s have triggers, and more cannot", MaxTriggers, r.Repo).
			Next("delete one that is not needed, or let one branch follow for all")
	}
	for at, steps := to.Trigger.Branch, 0; at != ""; steps++ {
		if at == to.Name || steps > row.MaxAncestry {
			return fault.New(fault.Invalid, "triggers cannot form a loop: %s is triggered by itself", to.Name)
		}
		b, err := row.FindBranch(ctx, c.tx, r, at)
		if fault.Is(err, fault.NotFound) {
			return nil // it may come later
		}
		if err != nil {
			return err
		}
		at = b.Trigger.Branch
	}
	return nil
}

// moveHead gives a branch another head.
func (c *Change) moveHead(ctx context.Context, b BranchInfo, head int64) error {
	b.HeadKey = head
	c.touched[b.Key] = true
	return row.UpdateBranch(ctx, c.tx, b, c.now())
}

// DeleteBranch deletes a branch, and leaves its commits. One that others come from,
// or that a trigger concerns, goes only with force. Faults: NotFound, Precondition.
func (c *Change) DeleteBranch(ctx context.Context, b Branch, force bool) error {
	r, err := row.FindRepo(ctx, c.tx, b.Repo)
	if err != nil {
		return err
	}
	one, err := row.FindBranch(ctx, c.tx, r, b.Name)
	if err != nil {
		return err
	}
	if !force {
		if err := c.checkUnused(ctx, r, one); err != nil {
			return err
		}
	}
	if err := row.DeleteBranch(ctx, c.tx, one.Key); err != nil {
		return err
	}
	delete(c.touched, one.Key)
	if err := c.changed(ctx, b.Repo); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "branch.delete", "branch/"+b.String(), "")
}

func (c *Change) checkUnused(ctx context.Context, r RepoInfo, one BranchInfo) error {
	made, err := row.MadeDirectly(ctx, c.tx, one.Key)
	if err != nil {
		return err
	}
	if len(made) > 0 {
		return fault.New(fault.Precondition, "branch %s cannot be deleted: %s is made from it", one.Branch, c.named(made[0].Branch)).
			Next("delete that branch first, or use --force")
	}
	all, err := row.BranchesOf(ctx, c.tx, r)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.Trigger.Branch == one.Name {
			return fault.New(fault.Precondition, "branch %s cannot be deleted: it triggers %s", one.Branch, other.Branch).
				Next("delete that branch first, or use --force")
		}
	}
	if one.Trigger.Branch != "" {
		return fault.New(fault.Precondition, "branch %s cannot be deleted: it is triggered by %s", one.Branch, one.Trigger.Branch).
			Next("use --force to delete it with its trigger")
	}
	return nil
}

// InspectBranch is one branch, with what it is made from and what is made from it. Fault: NotFound.
func InspectBranch(ctx context.Context, tx *db.Tx, b Branch) (BranchInfo, error) {
	r, err := row.FindRepo(ctx, tx, b.Repo)
	if err != nil {
		return BranchInfo{}, err
	}
	one, err := row.FindBranch(ctx, tx, r, b.Name)
	if err != nil {
		return one, err
	}
	return one, fillBranch(ctx, tx, &one)
}

// Branches are those of a repository, newest first or, in reverse, oldest first. Fault: NotFound.
func Branches(ctx context.Context, tx *db.Tx, of Repo, reverse bool) ([]BranchInfo, error) {
	r, err := row.FindRepo(ctx, tx, of)
	if err != nil {
		return nil, err
	}
	all, err := row.BranchesOf(ctx, tx, r)
	if err != nil {
		return nil, err
	}
	if !reverse {
		slices.Reverse(all)
	}
	for i := range all {
		if err := fillBranch(ctx, tx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// fillBranch adds the head's id, and provenance.
func fillBranch(ctx context.Context, tx *db.Tx, b *BranchInfo) error {
	head, err := row.CommitByKey(ctx, tx, b.HeadKey)
	if err != nil {
		return err
	}
	b.Head = head.Ref()
	if b.Direct, err = row.SourcesOf(ctx, tx, b.Key); err != nil {
		return err
	}
	above, err := row.Closure(ctx, tx, b.Key, true)
	if err != nil {
		return err
	}
	below, err := row.Closure(ctx, tx, b.Key, false)
	if err != nil {
		return err
	}
	b.Sources, err = fewestFirst(ctx, tx, above)
	if err == nil {
		b.Made, err = fewestFirst(ctx, tx, below)
	}
	return err
}

// fewestFirst orders branches so that each comes after those that it is made from.
func fewestFirst(ctx context.Context, tx *db.Tx, all []BranchInfo) ([]Branch, error) {
	sorted, err := inOrder(ctx, tx, all)
	names := make([]Branch, len(sorted))
	for i, b := range sorted {
		names[i] = b.Branch
	}
	return names, err
}

func inOrder(ctx context.Context, tx *db.Tx, all []BranchInfo) ([]BranchInfo, error) {
	count := map[int64]int{}
	for _, b := range all {
		above, err := row.Closure(ctx, tx, b.Key, true)
		if err != nil {
			return nil, err
		}
		count[b.Key] = len(above)
	}
	slices.SortFunc(all, func(a, b BranchInfo) int {
		return cmp.Or(cmp.Compare(count[a.Key], count[b.Key]), cmp.Compare(a.String(), b.String()))
	})
	return all, nil
}
