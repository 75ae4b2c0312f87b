package commit

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

type listOptions struct {
	in                   ref.Flags
	out                  show.Output
	request              pfs.ListCommitRequest
	set                  *pfs.CommitSet
	project              string
	from, origin         string
	everywhere, expanded bool
}

func listCommit(k *kit.Kit) *cobra.Command {
	o := &listOptions{}
	c := &cobra.Command{
		Use: "commit [REPO[@BRANCH-OR-COMMIT] | ID]", Short: "List commits", Args: kit.Between(0, 1),
		Long: `List the commits of a repository, newest first, or those from a branch or commit
back. By an id alone: the commits of that id. Without an argument: the ids, each
with the number of commits that have it.`,
		Example: "  pachctl list commit images\n  pachctl list commit images@master -n 10\n" +
			"  pachctl list commit images@master --from master^5\n  pachctl list commit",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			if len(args) == 0 {
				return o.runSets(c.Context(), k)
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().Int64VarP(&o.request.Number, "number", "n", 0, "list so many only; 0 means all")
	c.Flags().StringVarP(&o.from, "from", "f", "", "commit or branch at which the list ends; it is not listed")
	c.Flags().BoolVar(&o.request.All, "all", false, "list commits of every origin, also those that pachd has made")
	c.Flags().StringVar(&o.origin, "origin", "", "list commits of one origin: USER, AUTO or FSCK")
	c.Flags().BoolVarP(&o.expanded, "expand", "x", false, "without an argument: list each commit of each id")
	c.Flags().BoolVarP(&o.everywhere, "all-projects", "A", false, "without an argument: list the ids of all projects")
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *listOptions) read(c *cobra.Command, k *kit.Kit, args []string) error {
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	o.project = r.Project
	if o.request.OriginKind, err = origin(c, o.origin); err != nil || len(args) == 0 {
		return err
	}
	arg := args[0]
	if ref.IsID(arg) {
		o.set = &pfs.CommitSet{Id: arg}
		return nil
	}
	if !strings.Contains(arg, "@") {
		o.request.Repo, err = r.Repo(arg)
	} else if o.request.To, err = r.Commit(arg); err == nil {
		o.request.Repo = o.request.To.GetRepo()
	}
	if err == nil && o.from != "" {
		o.request.From, err = r.Commit(show.Repo(o.request.GetRepo()) + "@" + o.from)
	}
	return err
}

func origin(c *cobra.Command, name string) (pfs.OriginKind, error) {
	kind, ok := pfs.OriginKind_value[strings.ToUpper(name)]
	if name != "" && (!ok || kind == 0) {
		return 0, kit.Usagef(c, "--origin is %q: choose USER, AUTO or FSCK", name)
	}
	return pfs.OriginKind(kind), nil
}

func (o *listOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		if o.set != nil {
			return show.List(k, o.out, table(k, o.out), show.Each(c.PFS.InspectCommitSet(ctx, &pfs.InspectCommitSetRequest{CommitSet: o.set})))
		}
		return show.List(k, o.out, table(k, o.out), show.Each(c.PFS.ListCommit(ctx, &o.request)))
	})
}

func (o *listOptions) runSets(ctx context.Context, k *kit.Kit) error {
	req := &pfs.ListCommitSetRequest{}
	if !o.everywhere {
		req.Project = &pfs.Project{Name: o.project}
	}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		sets := first(o.request.GetNumber(), show.Each(c.PFS.ListCommitSet(ctx, req)))
		if o.expanded {
			return show.List(k, o.out, table(k, o.out), commits(sets))
		}
		return show.List(k, o.out, show.Table[*pfs.CommitSetInfo]{
			Columns: show.Fixed[*pfs.CommitSetInfo]("ID", "SUBCOMMITS", "PROGRESS", "CREATED", "MODIFIED"),
			Rows: func(s *pfs.CommitSetInfo) [][]string {
				done, created, modified := progress(s)
				return [][]string{{
					s.GetCommitSet().GetId(), fmt.Sprint(len(s.GetCommits())), fmt.Sprintf("%d/%d", done, len(s.GetCommits())),
					o.out.Time(k.Now(), created), o.out.Time(k.Now(), modified),
				}}
			},
		}, sets)
	})
}

// progress is how many commits of a set have finished, and when the first and the last
// was changed.
func progress(s *pfs.CommitSetInfo) (done int, created, modified *timestamppb.Timestamp) {
	var oldest, newest time.Time
	for _, one := range s.GetCommits() {
		began, last := one.GetStarted().AsTime(), one.GetStarted().AsTime()
		if one.GetFinished() != nil {
			done++
			last = one.GetFinished().AsTime()
		}
		if oldest.IsZero() || began.Before(oldest) {
			oldest = began
		}
		if last.After(newest) {
			newest = last
		}
	}
	return done, timestamppb.New(oldest), timestamppb.New(newest)
}

// first are so many, or all for 0.
func first[M any](number int64, all iter.Seq2[*M, error]) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		left := number
		for m, err := range all {
			if left--; !yield(m, err) || left == 0 {
				return
			}
		}
	}
}

func commits(sets iter.Seq2[*pfs.CommitSetInfo, error]) iter.Seq2[*pfs.CommitInfo, error] {
	return func(yield func(*pfs.CommitInfo, error) bool) {
		for s, err := range sets {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, one := range s.GetCommits() {
				if !yield(one, nil) {
					return
				}
			}
		}
	}
}

type subscribeOptions struct {
	in           ref.Flags
	out          show.Output
	request      pfs.SubscribeCommitRequest
	branch       *pfs.Branch
	from, origin string
	newOnly      bool
}

func subscribeCommit(k *kit.Kit) *cobra.Command {
	o := &subscribeOptions{}
	c := &cobra.Command{
		Use: "commit REPO@BRANCH", Short: "Print commits of a branch as they come", Args: kit.Exactly(1),
		Long:    "Print the commits of a branch, oldest first, and then new ones as they are\nstarted, until Ctrl-C.",
		Example: "  pachctl subscribe commit images@master\n  pachctl subscribe commit images@master --new",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.from, "from", "", "commit or branch after which to begin")
	c.Flags().BoolVar(&o.newOnly, "new", false, "leave out what there is already")
	c.Flags().BoolVar(&o.request.All, "all", false, "print commits of every origin, also those that pachd has made")
	c.Flags().StringVar(&o.origin, "origin", "", "print commits of one origin: USER, AUTO or FSCK")
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *subscribeOptions) read(c *cobra.Command, k *kit.Kit, arg string) error {
	if o.newOnly && o.from != "" {
		return kit.Usagef(c, "--new and --from both say where to begin: choose one")
	}
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	if o.branch, err = r.Branch(arg); err != nil {
		return err
	}
	o.request.Repo, o.request.Branch, o.request.State = o.branch.GetRepo(), o.branch.GetName(), pfs.CommitState_STARTED
	if o.request.OriginKind, err = origin(c, o.origin); err != nil || o.from == "" {
		return err
	}
	o.request.From, err = r.Commit(show.Repo(o.branch.GetRepo()) + "@" + o.from)
	return err
}

func (o *subscribeOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		if o.newOnly {
			head, err := c.PFS.InspectBranch(ctx, &pfs.InspectBranchRequest{Branch: o.branch})
			if err != nil {
				return err
			}
			o.request.From = head.GetHead()
		}
		t := table(k, o.out)
		t.Live = true
		err := show.List(k, o.out, t, show.Each(c.PFS.SubscribeCommit(ctx, &o.request)))
		if status.Code(err) == codes.Canceled { // by Ctrl-C, as it is meant to
			return nil
		}
		return err
	})
}
