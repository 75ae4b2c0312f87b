package repo

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

type createProjectOptions struct {
	name, description string
	update            bool
}

func createProject(k *kit.Kit) *cobra.Command {
	o := &createProjectOptions{}
	c := &cobra.Command{
		Use: "project PROJECT", Short: "Create a project", Args: kit.Exactly(1),
		Long: `Create a project, which groups repositories: who may do what can be said of all
of them at once. To work in it: pachctl config update context --project PROJECT`,
		Example: "  pachctl create project genomics -d sequences",
	}
	o.add(c, k)
	return c
}

func updateProject(k *kit.Kit) *cobra.Command {
	o := &createProjectOptions{update: true}
	c := &cobra.Command{
		Use: "project PROJECT", Short: "Change what is said of a project", Args: kit.Exactly(1),
		Example: "  pachctl update project genomics -d sequences",
	}
	o.add(c, k)
	return c
}

func (o *createProjectOptions) add(c *cobra.Command, k *kit.Kit) {
	c.RunE = func(c *cobra.Command, args []string) error {
		o.name = args[0]
		return o.run(c.Context(), k)
	}
	c.Flags().StringVarP(&o.description, "description", "d", "", "what the project is for")
}

func (o *createProjectOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		project := &pfs.Project{Name: o.name}
		_, err := c.PFS.CreateProject(ctx, &pfs.CreateProjectRequest{Project: project, Description: o.description, Update: o.update})
		return err
	})
}

type projectOptions struct {
	out        show.Output
	name       string
	force, yes bool
}

func inspectProject(k *kit.Kit) *cobra.Command {
	o := &projectOptions{}
	c := &cobra.Command{
		Use: "project PROJECT", Short: "Show a project", Args: kit.Exactly(1), Example: "  pachctl inspect project genomics",
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			return o.runInspect(c.Context(), k)
		},
	}
	o.out.Flags(c)
	return c
}

func (o *projectOptions) runInspect(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.PFS.InspectProjectV2(ctx, &pfs.InspectProjectV2Request{Project: &pfs.Project{Name: o.name}})
		if err != nil {
			return err
		}
		info := r.GetInfo()
		return o.out.One(k, info, func() {
			fields := [][2]string{
				{"Name", info.GetProject().GetName()},
				{"Description", info.GetDescription()},
				{"Created", o.out.Time(k.Now(), info.GetCreatedAt())},
				{"Created by", info.GetCreatedBy()},
			}
			if info.GetAuthInfo() != nil {
				fields = append(fields, [2]string{"Access level", show.Roles(info.GetAuthInfo())})
			}
			show.Fields(k, fields...)
		})
	})
}

func listProject(k *kit.Kit) *cobra.Command {
	o := &projectOptions{}
	c := &cobra.Command{
		Use: "project", Short: "List projects", Args: kit.Exactly(0), Example: "  pachctl list project",
		Long: "List the projects that you may see. * marks the one that commands work in.",
		RunE: func(c *cobra.Command, _ []string) error { return o.runList(c.Context(), k) },
	}
	o.out.Flags(c)
	return c
}

func (o *projectOptions) runList(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		guarded := false
		return show.List(k, o.out, show.Table[*pfs.ProjectInfo]{
			Columns: func(first *pfs.ProjectInfo) []string {
				guarded = first.GetAuthInfo() != nil
				return columns(guarded, []string{"ACTIVE", "PROJECT"}, "ACCESS_LEVEL", "CREATED", "DESCRIPTION")
			},
			Rows: func(p *pfs.ProjectInfo) [][]string {
				active := ""
				if p.GetProject().GetName() == c.Target.Project {
					active = "*"
				}
				return [][]string{columns(guarded, []string{active, p.GetProject().GetName()}, show.Roles(p.GetAuthInfo()),
					o.out.Time(k.Now(), p.GetCreatedAt()), p.GetDescription())}
			},
		}, show.Each(c.PFS.ListProject(ctx, &pfs.ListProjectRequest{})))
	})
}

func deleteProject(k *kit.Kit) *cobra.Command {
	o := &projectOptions{}
	c := &cobra.Command{
		Use: "project PROJECT", Short: "Delete a project", Args: kit.Exactly(1),
		Long: `Delete a project. If there are repositories in it, it shows them and asks whether
to delete them too; -f and --yes answer that.`,
		Example: "  pachctl delete project genomics",
		RunE: func(c *cobra.Command, args []string) error {
			o.name = args[0]
			return o.runDelete(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.force, "force", "f", false, "do not ask, and delete what others are made from too")
	c.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	return c
}

func (o *projectOptions) runDelete(ctx context.Context, k *kit.Kit) error {
	project := &pfs.Project{Name: o.name}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		if _, err := c.PFS.InspectProject(ctx, &pfs.InspectProjectRequest{Project: project}); err != nil {
			return err
		}
		if err := o.emptied(ctx, k, c, project); err != nil {
			return err
		}
		_, err := c.PFS.DeleteProject(ctx, &pfs.DeleteProjectRequest{Project: project, Force: o.force})
		return err
	})
}

// emptied deletes the repositories of a project, if somebody wants that.
func (o *projectOptions) emptied(ctx context.Context, k *kit.Kit, c *kit.Conn, project *pfs.Project) error {
	repos := []*pfs.Repo{}
	for r, err := range show.Each(c.PFS.ListRepo(ctx, &pfs.ListRepoRequest{Type: "user", Projects: []*pfs.Project{project}})) {
		if err != nil {
			return err
		}
		repos = append(repos, r.GetRepo())
	}
	if len(repos) == 0 {
		return nil
	}
	if !o.force && !o.yes {
		for _, r := range repos {
			k.Printf("%s\n", r.GetName())
		}
		question := fmt.Sprintf("Delete these %d repos of project %s with every version of their files? yN", len(repos), o.name)
		if err := k.Confirm(ctx, question); err != nil {
			return err
		}
	}
	_, err := c.PFS.DeleteRepos(ctx, &pfs.DeleteReposRequest{Projects: []*pfs.Project{project}, Force: o.force})
	return err
}
