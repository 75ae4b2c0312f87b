package graph

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

func projectResource(name string) access.Resource {
	return access.Resource{Type: access.Project, Name: name}
}

// CreateProject makes a project, whose owner is who makes it. Faults: Invalid, Exists.
func (c *Change) CreateProject(ctx context.Context, name, description string) error {
	if err := cmp.Or(row.CheckProject(name), row.CheckText("description", description)); err != nil {
		return err
	}
	if _, err := row.FindProject(ctx, c.tx, name); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Exists, "project %q already exists", name).
				Next("choose another name, or change its description: pachctl update project %s", name)
		}
		return err
	}
	if err := row.InsertProject(ctx, c.tx, Project{
		Name: name, Description: description, Created: c.now(),
		CreatedBy: c.creator(),
	}); err != nil {
		return err
	}
	if err := access.Own(ctx, c.tx, c.by, projectResource(name), access.ProjectOwner); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "project.create", "project/"+name, description)
}

// DescribeProject changes what is said of a project. Faults: Invalid, NotFound.
func (c *Change) DescribeProject(ctx context.Context, name, description string) error {
	if err := row.CheckText("description", description); err != nil {
		return err
	}
	if err := row.UpdateProject(ctx, c.tx, name, description); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "project.describe", "project/"+name, description)
}

// DeleteProject deletes a project that has no repositories, or with force these too.
// The default one is emptied only. Faults: NotFound, Precondition.
func (c *Change) DeleteProject(ctx context.Context, name string, force bool) error {
	if _, err := row.FindProject(ctx, c.tx, name); err != nil {
		return err
	}
	inside, err := row.FindRepos(ctx, c.tx, []string{name}, "")
	if err != nil {
		return err
	}
	if len(inside) > 0 && !force {
		return fault.New(fault.Precondition, "project %q has %d repositories", name, len(inside)).
			Next("delete these first, or all at once: pachctl delete project %s --force", name)
	}
	for _, r := range inside {
		if r.Type != UserRepo {
			continue // goes with the one it is beside
		}
		if err := c.DeleteRepo(ctx, r.Repo, true); err != nil {
			return err
		}
	}
	if name == DefaultProject {
		return nil
	}
	if err := row.DeleteProject(ctx, c.tx, name); err != nil {
		return err
	}
	if err := access.Disown(ctx, c.tx, c.by, projectResource(name)); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "project.delete", "project/"+name, "")
}

// InspectProject is one project. Fault: NotFound.
func InspectProject(ctx context.Context, tx *db.Tx, name string) (Project, error) {
	return row.FindProject(ctx, tx, name)
}

// Projects are all, by name.
func Projects(ctx context.Context, tx *db.Tx) ([]Project, error) {
	all, err := row.FindProjects(ctx, tx)
	slices.SortFunc(all, func(a, b Project) int { return strings.Compare(a.Name, b.Name) })
	return all, err
}

// Prepare makes the project that clients mean who name none, when pachd starts.
func Prepare(ctx context.Context, d *db.DB) error {
	return d.Update(ctx, func(tx *db.Tx) error {
		err := row.InsertProject(ctx, tx, Project{Name: DefaultProject})
		if fault.Is(err, fault.Exists) {
			return nil
		}
		return err
	})
}

// MakeKnown tells access of all that there is, when authentication is activated: what
// was made before has no roles on it.
func MakeKnown(ctx context.Context, tx *db.Tx) error {
	nobody := audit.By{}
	all, err := row.FindProjects(ctx, tx)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := access.Own(ctx, tx, nobody, projectResource(p.Name), ""); err != nil {
			return err
		}
	}
	inside, err := row.FindRepos(ctx, tx, nil, UserRepo)
	if err != nil {
		return err
	}
	for _, r := range inside {
		if err := access.Own(ctx, tx, nobody, r.Resource(), ""); err != nil {
			return err
		}
	}
	return nil
}
