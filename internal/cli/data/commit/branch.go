package commit

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

type createBranchOptions struct {
	in         ref.Flags
	request    pfs.CreateBranchRequest
	head       string
	provenance []string
	trigger    pfs.Trigger
}

func createBranch(k *kit.Kit) *cobra.Command {
	o := &createBranchOptions{}
	c := &cobra.Command{
		Use: "branch REPO@BRANCH", Short: "Create a branch, or change one", Args: kit.Exactly(1),
		Long: `Create a branch, or change where its head is and what it is made from. Without
--head a new branch is empty.

With --trigger its head follows another branch of the repository: whenever a commit
finishes there, if any of the conditions holds, or all with --trigger-all.`,
		Example: `  pachctl create branch images@release --head master
  pachctl create branch images@release --head master^2
  pachctl create branch edges@master --provenance images@master
  pachctl create branch images@tenth --trigger master --trigger-commits 10
  pachctl create branch images@batch --trigger master --trigger-size 100MB`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.head, "head", "", "branch or commit of the repository that the branch is to be at")
	flags.StringSliceVarP(&o.provenance, "provenance", "p", nil, "branch that this one is made from, as REPO@BRANCH; may be repeated")
	flags.StringVarP(&o.trigger.Branch, "trigger", "t", "", "branch of the repository to follow")
	flags.StringVar(&o.trigger.CronSpec, "trigger-cron", "", "follow at the moments of a cron expression, such as \"@daily\"")
	flags.StringVar(&o.trigger.RateLimitSpec, "trigger-rate-limit", "", "follow at most once within each period of a cron expression")
	flags.StringVar(&o.trigger.Size, "trigger-size", "", "follow once the commits have grown by so much, such as 100MB")
	flags.Int64Var(&o.trigger.Commits, "trigger-commits", 0, "follow after so many commits")
	flags.BoolVar(&o.trigger.All, "trigger-all", false, "follow only when all conditions hold")
	o.in.Add(c)
	return c
}

func (o *createBranchOptions) read(c *cobra.Command, k *kit.Kit, arg string) error {
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	if o.request.Branch, err = r.Branch(arg); err != nil {
		return err
	}
	if o.head != "" {
		if o.request.Head, err = o.readHead(r); err != nil {
			return err
		}
	}
	for _, p := range o.provenance {
		b, err := r.Branch(p)
		if err != nil {
			return err
		}
		o.request.Provenance = append(o.request.Provenance, b)
	}
	t := &o.trigger
	switch conditions := t.GetCronSpec() + t.GetRateLimitSpec() + t.GetSize(); {
	case t.GetBranch() != "":
		o.request.Trigger = t
	case conditions != "" || t.GetCommits() != 0 || t.GetAll():
		return kit.Usagef(c, "which branch is to be followed? name it with --trigger")
	}
	return nil
}

// readHead takes BRANCH-OR-COMMIT, also behind the name of the repository.
func (o *createBranchOptions) readHead(r ref.Reader) (*pfs.Commit, error) {
	if strings.Contains(o.head, "@") {
		return r.Commit(o.head)
	}
	return r.Commit(show.Repo(o.request.GetBranch().GetRepo()) + "@" + o.head)
}

func (o *createBranchOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.PFS.CreateBranch(ctx, &o.request)
		return err
	})
}

type branchOptions struct {
	in         ref.Flags
	out        show.Output
	branch     *pfs.Branch
	repo       *pfs.Repo
	force, yes bool
}

func (o *branchOptions) read(c *cobra.Command, k *kit.Kit, arg string) error {
	r, err := o.in.Reader(c, k)
	if err == nil {
		o.branch, err = r.Branch(arg)
	}
	return err
}

func inspectBranch(k *kit.Kit) *cobra.Command {
	o := &branchOptions{}
	c := &cobra.Command{
		Use: "branch REPO@BRANCH", Short: "Show a branch", Args: kit.Exactly(1), Example: "  pachctl inspect branch images@master",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0]); err != nil {
				return err
			}
			return o.runInspect(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *branchOptions) runInspect(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		info, err := c.PFS.InspectBranch(ctx, &pfs.InspectBranchRequest{Branch: o.branch})
		if err != nil {
			return err
		}
		return o.out.One(k, info, func() {
			fields := [][2]string{
				{"Name", show.Branch(info.GetBranch())},
				{"Project", info.GetBranch().GetRepo().GetProject().GetName()},
				{"Head Commit", show.Commit(info.GetHead())},
				{"Trigger", triggerText(info.GetTrigger())},
				{"Creator", info.GetCreatedBy()},
				{"Created", o.out.Time(k.Now(), info.GetCreatedAt())},
			}
			for _, p := range info.GetProvenance() {
				fields = append(fields, [2]string{"Provenance", show.Branch(p)})
			}
			show.Fields(k, fields...)
		})
	})
}

// triggerText is what a branch follows and when, or "".
func triggerText(t *pfs.Trigger) string {
	if t == nil {
		return ""
	}
	var when []string
	for _, c := range [][2]string{{"Cron", t.GetCronSpec()}, {"RateLimit", t.GetRateLimitSpec()}, {"Size", t.GetSize()}} {
		if c[1] != "" {
			when = append(when, c[0]+"("+c[1]+")")
		}
	}
	if t.GetCommits() != 0 {
		when = append(when, fmt.Sprintf("Commits(%d)", t.GetCommits()))
	}
	word := " or "
	if t.GetAll() {
		word = " and "
	}
	if len(when) == 0 {
		return t.GetBranch()
	}
	return t.GetBranch() + " on " + strings.Join(when, word)
}

func listBranch(k *kit.Kit) *cobra.Command {
	o := &branchOptions{}
	c := &cobra.Command{
		Use: "branch REPO", Short: "List the branches of a repository", Args: kit.Exactly(1), Example: "  pachctl list branch images",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.repo, err = r.Repo(args[0]); err != nil {
				return err
			}
			return o.runList(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *branchOptions) runList(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		return show.List(k, o.out, show.Table[*pfs.BranchInfo]{
			Columns: show.Fixed[*pfs.BranchInfo]("BRANCH", "HEAD", "TRIGGER", "CREATOR", "CREATED"),
			Rows: func(b *pfs.BranchInfo) [][]string {
				return [][]string{{
					b.GetBranch().GetName(), kit.OrDash(b.GetHead().GetId()), kit.OrDash(triggerText(b.GetTrigger())),
					kit.OrDash(b.GetCreatedBy()), o.out.Time(k.Now(), b.GetCreatedAt()),
				}}
			},
		}, show.Each(c.PFS.ListBranch(ctx, &pfs.ListBranchRequest{Repo: o.repo})))
	})
}

func deleteBranch(k *kit.Kit) *cobra.Command {
	o := &branchOptions{}
	c := &cobra.Command{
		Use: "branch REPO@BRANCH", Short: "Delete a branch, and leave its commits", Args: kit.Exactly(1),
		Long:    "Delete a branch. Its commits stay, and can be read by their ids. At a terminal it\nasks first.",
		Example: "  pachctl delete branch images@release",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0]); err != nil {
				return err
			}
			return o.runDelete(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask, and delete it even if others are made from it or follow it")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	o.in.Add(c)
	return c
}

func (o *branchOptions) runDelete(ctx context.Context, k *kit.Kit) error {
	if !o.force && !o.yes && show.OnTerminal(k.Stdin) {
		if err := k.Confirm(ctx, "Delete branch "+show.Branch(o.branch)+"? Its commits stay. yN"); err != nil {
			return err
		}
	}
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.PFS.DeleteBranch(ctx, &pfs.DeleteBranchRequest{Branch: o.branch, Force: o.force})
		return err
	})
}
