package commit

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// Commands are those of this package, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		"create":    {createBranch(k)},
		"inspect":   {inspectBranch(k), inspectCommit(k)},
		"list":      {listBranch(k), listCommit(k)},
		"delete":    {deleteBranch(k), dropCommit(k)},
		"start":     {startCommit(k)},
		"finish":    {finishCommit(k)},
		"clear":     {clearCommit(k)},
		"squash":    {squashCommit(k)},
		"wait":      {waitCommit(k)},
		"subscribe": {subscribeCommit(k)},
		"find":      {findCommit(k)},
	}
}

type startOptions struct {
	in          ref.Flags
	branch      *pfs.Branch
	parent      *pfs.Commit
	description string
}

func startCommit(k *kit.Kit) *cobra.Command {
	o := &startOptions{}
	var parent string
	c := &cobra.Command{
		Use: "commit REPO@BRANCH", Short: "Start a commit", Args: kit.Exactly(1),
		Long: `Start a commit on a branch, which is made if there is none, and print its id. What
is put until "pachctl finish commit" is one version. Without a commit each
"pachctl put file" is a version of its own.`,
		Example: "  pachctl start commit images@master -m nightly\n  pachctl start commit images@fixes --parent master^",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.branch, err = r.Branch(args[0]); err != nil {
				return err
			}
			if parent != "" {
				if o.parent, err = r.Commit(o.branch.GetRepo().GetName() + "@" + parent); err != nil {
					return err
				}
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVarP(&parent, "parent", "p", "", "branch or commit that it follows, in place of the head of the branch")
	descriptionFlags(c, &o.description)
	o.in.Add(c)
	return c
}

// descriptionFlags adds both of upstream's names.
func descriptionFlags(c *cobra.Command, description *string) {
	c.Flags().StringVarP(description, "message", "m", "", "what the commit is about")
	c.Flags().StringVar(description, "description", "", "the same as --message")
}

func (o *startOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		made, err := c.PFS.StartCommit(ctx, &pfs.StartCommitRequest{Branch: o.branch, Parent: o.parent, Description: o.description})
		if err == nil {
			k.Printf("%s\n", made.GetId())
		}
		return err
	})
}

// options are those of a command about one commit.
type options struct {
	in          ref.Flags
	out         show.Output
	commit      *pfs.Commit
	set         *pfs.CommitSet // in place of commit
	description string
	force       bool
}

// read takes REPO@BRANCH-OR-COMMIT or, where a set will do, its id.
func (o *options) read(c *cobra.Command, k *kit.Kit, arg string, sets bool) error {
	if sets && ref.IsID(arg) {
		o.set = &pfs.CommitSet{Id: arg}
		return nil
	}
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	o.commit, err = r.Commit(arg)
	return err
}

func finishCommit(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH-OR-COMMIT", Short: "Finish a commit", Args: kit.Exactly(1),
		Long:    "Finish a commit. It is checked, and cannot be changed any more.",
		Example: "  pachctl finish commit images@master",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0], false); err != nil {
				return err
			}
			return o.runFinish(c.Context(), k)
		},
	}
	descriptionFlags(c, &o.description)
	c.Flags().BoolVarP(&o.force, "force", "f", false, "finish it even if what it is made from has not finished")
	o.in.Add(c)
	return c
}

func (o *options) runFinish(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.PFS.FinishCommit(ctx, &pfs.FinishCommitRequest{Commit: o.commit, Description: o.description, Force: o.force})
		return err
	})
}

func clearCommit(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH-OR-COMMIT", Short: "Take back what was put into an open commit", Args: kit.Exactly(1),
		Example: "  pachctl clear commit images@master",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0], false); err != nil {
				return err
			}
			return o.runClear(c.Context(), k)
		},
	}
	o.in.Add(c)
	return c
}

func (o *options) runClear(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.PFS.ClearCommit(ctx, &pfs.ClearCommitRequest{Commit: o.commit})
		return err
	})
}

func inspectCommit(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH-OR-COMMIT", Short: "Show a commit", Args: kit.Exactly(1),
		Long: `Show a commit, or by an id alone all commits of that id: those that one change
made in several repositories.`,
		Example: "  pachctl inspect commit images@master\n  pachctl inspect commit images@master^2\n" +
			"  pachctl inspect commit 0d7a9ca4d1b84c5b9f4c3e1a2b3c4d5e",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0], true); err != nil {
				return err
			}
			return o.runInspect(c.Context(), k, pfs.CommitState_STARTED)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func waitCommit(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH-OR-COMMIT", Short: "Wait until a commit has finished, and show it", Args: kit.Exactly(1),
		Long:    "Wait until a commit has finished, or by an id alone all commits of that id, and\nshow them.",
		Example: "  pachctl wait commit images@master",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0], true); err != nil {
				return err
			}
			return o.runInspect(c.Context(), k, pfs.CommitState_FINISHED)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *options) runInspect(ctx context.Context, k *kit.Kit, wait pfs.CommitState) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		if o.set != nil {
			req := &pfs.InspectCommitSetRequest{CommitSet: o.set, Wait: wait == pfs.CommitState_FINISHED}
			return show.List(k, o.out, table(k, o.out), show.Each(c.PFS.InspectCommitSet(ctx, req)))
		}
		info, err := c.PFS.InspectCommit(ctx, &pfs.InspectCommitRequest{Commit: o.commit, Wait: wait})
		if err != nil {
			return err
		}
		return o.out.One(k, info, func() { o.say(k, info) })
	})
}

func (o *options) say(k *kit.Kit, info *pfs.CommitInfo) {
	fields := [][2]string{
		{"Commit", show.Commit(info.GetCommit())},
		{"Project", info.GetCommit().GetRepo().GetProject().GetName()},
		{"Original Branch", info.GetCommit().GetBranch().GetName()},
		{"Description", info.GetDescription()},
		{"Parent", info.GetParentCommit().GetId()},
		{"Creator", info.GetCreatedBy()},
		{"Started", o.out.Time(k.Now(), info.GetStarted())},
	}
	if info.GetFinished() != nil {
		fields = append(fields, [2]string{"Finished", o.out.Time(k.Now(), info.GetFinished())})
	}
	fields = append(fields, [2]string{"Size", size(info)}, [2]string{"Error", info.GetError()})
	for _, from := range info.GetDirectProvenance() {
		fields = append(fields, [2]string{"Provenance", show.Commit(from)})
	}
	show.Fields(k, fields...)
}

func size(info *pfs.CommitInfo) string {
	if d := info.GetDetails(); d != nil {
		return show.Size(d.GetSizeBytes())
	}
	return show.AtMost(info.GetSizeBytesUpperBound(), false)
}

func table(k *kit.Kit, out show.Output) show.Table[*pfs.CommitInfo] {
	return show.Table[*pfs.CommitInfo]{
		Columns: show.Fixed[*pfs.CommitInfo]("PROJECT", "REPO", "COMMIT", "FINISHED", "SIZE", "ORIGIN", "CREATOR", "DESCRIPTION"),
		Rows: func(info *pfs.CommitInfo) [][]string {
			repo := info.GetCommit().GetRepo()
			return [][]string{{
				repo.GetProject().GetName(), show.Repo(repo), info.GetCommit().GetId(), out.Time(k.Now(), info.GetFinished()), size(info),
				info.GetOrigin().GetKind().String(), kit.OrDash(info.GetCreatedBy()), info.GetDescription(),
			}}
		},
	}
}
