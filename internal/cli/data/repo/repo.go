package repo

import (
	"context"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Commands are those of this package, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		"create":  {createProject(k), createRepo(k)},
		"update":  {updateProject(k), updateRepo(k)},
		"inspect": {inspectProject(k), inspectRepo(k)},
		"list":    {listProject(k), listRepo(k)},
		"delete":  {deleteProject(k), deleteRepo(k)},
	}
}

type createOptions struct {
	in          ref.Flags
	repo        *pfs.Repo
	description string
	update      bool
}

func createRepo(k *kit.Kit) *cobra.Command {
	o := &createOptions{}
	c := &cobra.Command{
		Use: "repo REPO", Short: "Create a repository", Args: kit.Exactly(1),
		Long: `Create a repository, a place for files of which every version is kept. Its name
holds letters, digits, dashes and underscores. Whoever creates it owns it.`,
		Example: "  pachctl create repo images\n  pachctl create repo images --description cats",
	}
	o.add(c, k)
	return c
}

func updateRepo(k *kit.Kit) *cobra.Command {
	o := &createOptions{update: true}
	c := &cobra.Command{
		Use: "repo REPO", Short: "Change what is said of a repository", Args: kit.Exactly(1),
		Long:    "Change the description of a repository, and create it if there is none.",
		Example: "  pachctl update repo images --description cats",
	}
	o.add(c, k)
	return c
}

func (o *createOptions) add(c *cobra.Command, k *kit.Kit) {
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := o.in.Reader(c, k)
		if err != nil {
			return err
		}
		if o.repo, err = r.Repo(args[0]); err != nil {
			return err
		}
		return o.run(c.Context(), k)
	}
	c.Flags().StringVarP(&o.description, "description", "d", "", "what the repository is for")
	o.in.Add(c)
}

func (o *createOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.PFS.CreateRepo(ctx, &pfs.CreateRepoRequest{Repo: o.repo, Description: o.description, Update: o.update})
		return err
	})
}

type inspectOptions struct {
	in   ref.Flags
	out  show.Output
	repo *pfs.Repo
}

func inspectRepo(k *kit.Kit) *cobra.Command {
	o := &inspectOptions{}
	c := &cobra.Command{
		Use: "repo REPO", Short: "Show a repository", Args: kit.Exactly(1),
		Example: "  pachctl inspect repo images\n  pachctl inspect repo images --raw",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.repo, err = r.Repo(args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *inspectOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		info, err := c.PFS.InspectRepo(ctx, &pfs.InspectRepoRequest{Repo: o.repo})
		if err != nil {
			return err
		}
		return o.out.One(k, info, func() {
			fields := [][2]string{
				{"Name", show.Repo(info.GetRepo())},
				{"Project", info.GetRepo().GetProject().GetName()},
				{"Description", info.GetDescription()},
				{"Created", o.out.Time(k.Now(), info.GetCreated())},
				{"Size of HEAD on Master", size(info)},
			}
			if info.GetAuthInfo() != nil {
				fields = append(fields, [2]string{"Access level", show.Roles(info.GetAuthInfo())})
			}
			show.Fields(k, fields...)
		})
	})
}

func size(info *pfs.RepoInfo) string {
	if d := info.GetDetails(); d != nil {
		return show.Size(d.GetSizeBytes())
	}
	return show.AtMost(info.GetSizeBytesUpperBound(), false)
}

type listOptions struct {
	in               ref.Flags
	out              show.Output
	kind             string
	everyType, every bool
	project          string
}

func listRepo(k *kit.Kit) *cobra.Command {
	o := &listOptions{}
	c := &cobra.Command{
		Use: "repo", Short: "List repositories", Args: kit.Exactly(0),
		Long: `List the repositories of a project, or of all, that you may see. SIZE is that of
what is at the head of branch master, and ACCESS_LEVEL your roles.`,
		Example: "  pachctl list repo\n  pachctl list repo --all-projects",
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			o.project = r.Project
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.kind, "type", "user", "type of the repositories: user, meta or spec")
	c.Flags().BoolVar(&o.everyType, "all", false, "list repositories of every type")
	c.Flags().BoolVarP(&o.every, "all-projects", "A", false, "list repositories of all projects")
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *listOptions) run(ctx context.Context, k *kit.Kit) error {
	req := &pfs.ListRepoRequest{Type: o.kind}
	if o.everyType {
		req.Type = ""
	}
	if !o.every {
		req.Projects = []*pfs.Project{{Name: o.project}}
	}
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		guarded := false
		return show.List(k, o.out, show.Table[*pfs.RepoInfo]{
			Columns: func(first *pfs.RepoInfo) []string {
				guarded = first.GetAuthInfo() != nil
				return columns(guarded, []string{"PROJECT", "NAME", "CREATED", "SIZE (MASTER)"}, "ACCESS_LEVEL", "DESCRIPTION")
			},
			Rows: func(r *pfs.RepoInfo) [][]string {
				before := []string{r.GetRepo().GetProject().GetName(), show.Repo(r.GetRepo()), o.out.Time(k.Now(), r.GetCreated()), size(r)}
				return [][]string{columns(guarded, before, show.Roles(r.GetAuthInfo()), r.GetDescription())}
			},
		}, show.Each(c.PFS.ListRepo(ctx, req)))
	})
}

// columns has the roles only where pachd tells them.
func columns(guarded bool, before []string, roles string, after ...string) []string {
	if guarded {
		before = append(before, roles)
	}
	return append(before, after...)
}

type deleteOptions struct {
	in                      ref.Flags
	repo                    *pfs.Repo
	project                 string
	force, yes, all, others bool
}

func deleteRepo(k *kit.Kit) *cobra.Command {
	o := &deleteOptions{}
	c := &cobra.Command{
		Use: "repo [REPO]", Short: "Delete a repository, or all", Args: kit.Between(0, 1),
		Long: `Delete a repository with every version of its files. At a terminal it asks first,
and with --all everywhere; -f and --yes answer that.`,
		Example: "  pachctl delete repo images\n  pachctl delete repo --all --yes",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			o.project = r.Project
			switch {
			case o.all && len(args) > 0:
				return kit.Usagef(c, "name a repository or say --all, not both")
			case o.all:
				return o.runAll(c.Context(), k)
			case len(args) == 0:
				return kit.Usagef(c, "which repository? name it, or say --all")
			case o.others:
				return kit.Usagef(c, "--all-projects goes with --all")
			}
			if o.repo, err = r.Repo(args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask, and delete it even if others are made from it")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	c.Flags().BoolVar(&o.all, "all", false, "delete all repositories of the project")
	c.Flags().BoolVarP(&o.others, "all-projects", "A", false, "with --all: those of all projects")
	o.in.Add(c)
	return c
}

func (o *deleteOptions) run(ctx context.Context, k *kit.Kit) error {
	if !o.force && !o.yes && show.OnTerminal(k.Stdin) {
		if err := k.Confirm(ctx, "Delete repo "+show.Repo(o.repo)+" with every version of its files? yN"); err != nil {
			return err
		}
	}
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.PFS.DeleteRepo(ctx, &pfs.DeleteRepoRequest{Repo: o.repo, Force: o.force})
		if err == nil && !r.GetDeleted() {
			return fault.New(fault.NotFound, "No repo deleted. It is not there, or you may not delete it"). // upstream's text, and more
															Next("see which there are, and your roles on them, with: pachctl list repo")
		}
		return err
	})
}

func (o *deleteOptions) runAll(ctx context.Context, k *kit.Kit) error {
	req := &pfs.DeleteReposRequest{Force: o.force, All: o.others}
	where := "all projects"
	if !o.others {
		req.Projects, where = []*pfs.Project{{Name: o.project}}, "project "+o.project
	}
	if !o.force && !o.yes {
		if err := k.Confirm(ctx, "Delete all repos of "+where+" with every version of their files? yN"); err != nil {
			return err
		}
	}
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.PFS.DeleteRepos(ctx, req)
		for _, gone := range r.GetRepos() {
			k.Printf("Repo %s/%s deleted.\n", gone.GetProject().GetName(), show.Repo(gone))
		}
		return err
	})
}
