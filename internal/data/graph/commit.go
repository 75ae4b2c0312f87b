package graph

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// ErrFinished says that nothing can be written to a commit any more.
func ErrFinished(c CommitInfo) error {
	// The text is upstream's, which clients look for.
	return fault.New(fault.Precondition, "commit %s has already finished", c.Ref()).
		Next("start another: pachctl start commit %s@%s", c.Repo.Name, cmp.Or(c.Branch, "master"))
}

// Start says what a commit begins as.
type Start struct {
	Branch      Branch
	Parent      *Ref // nil for the head of the branch
	Description string
}

// StartCommit begins a commit on a branch, which is made if it is not there, and
// makes it the head. Its files are those of its parent. Faults: Invalid, NotFound,
// Precondition.
func (c *Change) StartCommit(ctx context.Context, s Start) (CommitInfo, error) {
	if err := cmp.Or(s.Branch.Check(), row.CheckText("description", s.Description)); err != nil {
		return CommitInfo{}, err
	}
	r, err := row.FindRepo(ctx, c.tx, s.Branch.Repo)
	if err != nil {
		return CommitInfo{}, err
	}
	b, err := row.FindBranch(ctx, c.tx, r, s.Branch.Name)
	isNew := fault.Is(err, fault.NotFound)
	if err != nil && !isNew {
		return CommitInfo{}, err
	}
	if !isNew {
		sources, err := row.SourcesOf(ctx, c.tx, b.Key)
		if err != nil {
			return CommitInfo{}, err
		}
		if len(sources) > 0 {
			// The text is upstream's, which clients and the S3 gateway look for.
			return CommitInfo{}, fault.New(fault.Precondition, "cannot start a commit on an output branch: %s is made from other branches",
				s.Branch).
				Next("write to one of these, or to a branch without provenance")
		}
	}
	var parent CommitInfo
	switch {
	case s.Parent != nil:
		if parent, err = resolve(ctx, c.tx, *s.Parent); err != nil {
			return CommitInfo{}, err
		}
	case !isNew:
		if parent, err = row.CommitByKey(ctx, c.tx, b.HeadKey); err != nil {
			return CommitInfo{}, err
		}
	}
	if parent.Key != 0 && parent.Open() {
		return CommitInfo{}, fault.New(fault.Precondition, "parent commit %s has not been finished", parent.Ref()).
			Next("finish it first: pachctl finish commit %s@%s", parent.Repo.Name, parent.ID)
	}
	made, err := c.newCommit(ctx, r, s.Branch.Name, parent, ByUser, s.Description)
	if err != nil {
		return CommitInfo{}, err
	}
	if isNew {
		b = BranchInfo{Branch: s.Branch, Key: newKey(), RepoKey: r.Key, Created: c.now(), CreatedBy: c.creator(), HeadKey: made.Key}
		if err := row.InsertBranch(ctx, c.tx, b, c.now()); err != nil {
			return CommitInfo{}, err
		}
	}
	return made, c.moveHead(ctx, b, made.Key)
}

// newCommit makes an open commit after a parent, which may be none. Fault: Precondition.
func (c *Change) newCommit(ctx context.Context, r RepoInfo, branch string, parent CommitInfo, why Origin,
	description string,
) (CommitInfo, error) {
	root, size, err := inherited(ctx, c.tx, parent)
	if err != nil {
		return CommitInfo{}, err
	}
	made := CommitInfo{
		Repo: r.Repo, ID: c.ID, Branch: branch, Origin: why, Description: description, Started: c.now(), Root: root, Size: size,
		CreatedBy: c.creator(), Parent: parent.ID, Key: newKey(), ParentKey: parent.Key, RepoKey: r.Key,
	}
	err = row.InsertCommit(ctx, c.tx, &made)
	if fault.Is(err, fault.Exists) {
		// The text is upstream's, which clients look for.
		err = fault.New(fault.Precondition,
			"inconsistent dependencies: cannot create commit from %s; repo (%s) already has a commit in this transaction",
			Branch{Repo: r.Repo, Name: branch}, r.Repo).Next("do the rest in another transaction")
	}
	if err != nil {
		return CommitInfo{}, err
	}
	return made, c.changed(ctx, r.Repo)
}

// inherited is what a child of a commit begins with: its files or, if they are bad,
// those of the nearest good one before it.
func inherited(ctx context.Context, tx *db.Tx, from CommitInfo) (root []byte, size int64, err error) {
	for from.Key != 0 && (from.Error != "" || from.Forgotten) {
		if from.ParentKey == 0 {
			return nil, 0, nil
		}
		if from, err = row.CommitByKey(ctx, tx, from.ParentKey); err != nil {
			return nil, 0, err
		}
	}
	return from.Root, from.Size, nil
}

// Finish says how a commit ends. Root and Size are what its files were found to be:
// if they have changed meanwhile, the fault is Conflict. Error says why they are bad.
type Finish struct {
	Description string // "" leaves what was said at the start
	Error       string
	Root        []byte
	Size        int64
}

// open finds a commit that can still be written to. Faults: NotFound, Precondition.
func (c *Change) open(ctx context.Context, ref Ref) (CommitInfo, error) {
	one, err := resolve(ctx, c.tx, ref)
	if err == nil && !one.Open() {
		err = ErrFinished(one)
	}
	return one, err
}

// FinishCommit ends a commit, after which nobody can write to it. Faults: Invalid,
// NotFound, Precondition, Conflict.
func (c *Change) FinishCommit(ctx context.Context, ref Ref, f Finish) error {
	one, err := c.open(ctx, ref)
	if err != nil {
		return err
	}
	return c.finish(ctx, one, f)
}

func (c *Change) finish(ctx context.Context, one CommitInfo, f Finish) error {
	if err := row.CheckText("description", f.Description); err != nil {
		return err
	}
	if string(one.Root) != string(f.Root) {
		return ErrMoved(one.Ref())
	}
	one.Finished, one.Error, one.Size = c.now(), f.Error, f.Size
	one.Description = cmp.Or(f.Description, one.Description)
	if err := row.UpdateCommit(ctx, c.tx, one); err != nil {
		return err
	}
	c.finished[one.Key] = true
	return c.changed(ctx, one.Repo)
}

// ErrMoved says that somebody else has written to a commit meanwhile.
func ErrMoved(r Ref) error {
	return fault.New(fault.Conflict, "commit %s was written to meanwhile", r).Next("try again")
}

// SetFiles gives an open commit other files, unless it has others than these were
// made from. Faults: NotFound, Precondition, Conflict.
func (c *Change) SetFiles(ctx context.Context, ref Ref, from, to []byte, size int64) error {
	one, err := c.open(ctx, ref)
	if err != nil {
		return err
	}
	if string(one.Root) != string(from) {
		return ErrMoved(one.Ref())
	}
	one.Root, one.Size = to, size
	return row.UpdateCommit(ctx, c.tx, one)
}

// ClearCommit takes all files out of an open commit. Faults: NotFound, Precondition.
func (c *Change) ClearCommit(ctx context.Context, ref Ref) error {
	one, err := c.open(ctx, ref)
	if err != nil {
		return err
	}
	one.Root, one.Size = nil, 0
	return row.UpdateCommit(ctx, c.tx, one)
}

// Forget drops what a commit holds that follows from others, so that it could be made
// again, and leaves the commit. Faults: NotFound, Precondition.
func (c *Change) Forget(ctx context.Context, ref Ref) error {
	one, err := InspectCommit(ctx, c.tx, ref)
	if err != nil {
		return err
	}
	children, err := row.Children(ctx, c.tx, one.Key)
	if err != nil {
		return err
	}
	switch open := slices.IndexFunc(children, CommitInfo.Open); {
	case one.Origin != ByRule || len(one.Provenance) == 0:
		return fault.New(fault.Precondition, "cannot forget commit %s: it was made from no other, so that it could not be made again", one.Ref()).
			Next("to lose it with what it holds, drop it: pachctl delete commit")
	case one.Open():
		return fault.New(fault.Precondition, "cannot forget commit %s: it has not finished", one.Ref()).Next("finish it first")
	case open >= 0:
		return fault.New(fault.Precondition, "cannot forget commit %s: its child %s has not finished", one.Ref(), children[open].Ref()).
			Next("finish that first")
	}
	if err := row.Forget(ctx, c.tx, one.Key); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "commit.forget", "commit/"+one.Ref().String(), fmt.Sprintf("%d bytes", one.Size))
}

// Resolve finds the commit that a name stands for, without what is around it. Fault: NotFound.
func Resolve(ctx context.Context, tx *db.Tx, ref Ref) (CommitInfo, error) {
	return resolve(ctx, tx, ref)
}

// InspectCommit finds the commit that a name stands for, and what is around it. Fault: NotFound.
func InspectCommit(ctx context.Context, tx *db.Tx, ref Ref) (CommitInfo, error) {
	one, err := resolve(ctx, tx, ref)
	if err != nil {
		return one, err
	}
	page := []CommitInfo{one}
	err = row.FillCommits(ctx, tx, page)
	return page[0], err
}

// BaseOf is what the files of a commit were made from: its parent, none if it has
// none, and that one's files, or those of the nearest good one before it.
func BaseOf(ctx context.Context, tx *db.Tx, one CommitInfo) (parent CommitInfo, root []byte, err error) {
	if one.ParentKey == 0 {
		return parent, nil, nil
	}
	if parent, err = row.CommitByKey(ctx, tx, one.ParentKey); err != nil {
		return parent, nil, err
	}
	root, _, err = inherited(ctx, tx, parent)
	return parent, root, err
}

// resolve reads the name of a commit: an id or a branch, and ancestry. Faults:
// Invalid, NotFound.
func resolve(ctx context.Context, tx *db.Tx, ref Ref) (one CommitInfo, err error) {
	r, err := row.FindRepo(ctx, tx, ref.Repo)
	if err != nil {
		return one, err
	}
	a, err := row.ParseAncestry(ref.Name)
	if err != nil {
		return one, err
	}
	if row.IsID(a.Base) {
		one, err = commitOfSet(ctx, tx, r, a.Base)
	} else {
		var b BranchInfo
		if b, err = row.FindBranch(ctx, tx, r, a.Base); err == nil {
			one, err = row.CommitByKey(ctx, tx, b.HeadKey)
		}
	}
	if err != nil {
		return one, row.NotFoundAs(err, row.ErrNoCommit(ref), !row.IsID(a.Base))
	}
	if a.From > 0 {
		line, err := row.Ancestors(ctx, tx, one.Key, 0, math.MaxInt32)
		if err != nil {
			return one, err
		}
		if a.From > len(line) {
			return one, row.ErrNoCommit(ref)
		}
		if one, err = row.CommitByKey(ctx, tx, line[len(line)-a.From]); err != nil {
			return one, err
		}
	}
	for range a.Back {
		if one.ParentKey == 0 {
			return one, row.ErrNoCommit(ref)
		}
		if one, err = row.CommitByKey(ctx, tx, one.ParentKey); err != nil {
			return one, err
		}
	}
	return one, nil
}

// commitOfSet is the commit of a repository with a global id or, if it has none, the
// one that those of the id in other repositories were made from.
func commitOfSet(ctx context.Context, tx *db.Tx, r RepoInfo, id string) (CommitInfo, error) {
	one, err := row.CommitBySet(ctx, tx, r.Key, id)
	if !fault.Is(err, fault.NotFound) {
		return one, err
	}
	return row.SourceOfSet(ctx, tx, r.Key, id)
}

// Files are what a commit is to hold.
type Files struct {
	From, To []byte // what they were made from, and what they are
	Size     int64  // in bytes
	Problem  string // why a commit with them is a bad one, or ""
}

// Written is the commit that was given files, and why it has ended as a bad one, or "".
type Written struct {
	Commit Ref
	Error  string
}

// Write gives a commit other files: an open one, by its id or by its branch; if the
// head of the branch has finished, or there is no such branch, a new one, which ends at
// once. If the files were made from others than are there, the fault is Conflict.
// Faults: Invalid, NotFound, Precondition, Conflict.
func (c *Change) Write(ctx context.Context, target Ref, f Files) (w Written, err error) {
	one, err := resolve(ctx, c.tx, target)
	isNew := fault.Is(err, fault.NotFound) && !row.IsID(target.Name)
	if err != nil && !isNew {
		return w, err
	}
	if !isNew && (one.Open() || row.IsID(target.Name)) {
		return Written{Commit: one.Ref()}, c.SetFiles(ctx, one.Ref(), f.From, f.To, f.Size)
	}
	made, err := c.StartCommit(ctx, Start{Branch: Branch(target)})
	if err != nil {
		return w, err
	}
	if string(made.Root) != string(f.From) {
		return w, ErrMoved(made.Ref())
	}
	made.Root = f.To
	return Written{made.Ref(), f.Problem}, c.finish(ctx, made, Finish{Root: f.To, Size: f.Size, Error: f.Problem})
}

// Inherited is what a change to a commit begins with: its files, and if it ended badly
// those of the nearest good one before it.
func Inherited(ctx context.Context, tx *db.Tx, one CommitInfo) ([]byte, error) {
	if one.Open() {
		return one.Root, nil
	}
	root, _, err := inherited(ctx, tx, one)
	return root, err
}
