package graph

import (
	"cmp"
	"context"
	"slices"

	"pachyderm/internal/access"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// CreateRepo makes a repository, whose owner is who makes it. Faults: Invalid,
// NotFound, Exists.
func (c *Change) CreateRepo(ctx context.Context, r Repo, description string) error {
	if err := cmp.Or(r.CheckNew(), row.CheckText("description", description)); err != nil {
		return err
	}
	if _, err := row.FindProject(ctx, c.tx, r.Project); err != nil {
		return err
	}
	if r.Type != UserRepo {
		if _, err := row.FindRepo(ctx, c.tx, Repo{Project: r.Project, Name: r.Name, Type: UserRepo}); err != nil {
			return fault.Prefix(err, "a repository of type %s is beside that of a user", r.Type)
		}
	}
	if _, err := row.FindRepo(ctx, c.tx, r); !fault.Is(err, fault.NotFound) {
		if err == nil {
			err = fault.New(fault.Exists, "repo %s already exists", r).
				Next("choose another name, or change its description: pachctl update repo %s", r.Name)
		}
		return err
	}
	if err := row.InsertRepo(ctx, c.tx, RepoInfo{Repo: r, Description: description, Created: c.now(), Key: newKey()}); err != nil {
		return err
	}
	if r.Type == UserRepo {
		if err := access.Own(ctx, c.tx, c.by, r.Resource(), access.RepoOwner); err != nil {
			return err
		}
	}
	return c.by.Record(ctx, c.tx, "repo.create", "repo/"+r.String(), description)
}

// DescribeRepo changes what is said of a repository. Faults: Invalid, NotFound.
func (c *Change) DescribeRepo(ctx context.Context, r Repo, description string) error {
	if err := row.CheckText("description", description); err != nil {
		return err
	}
	if err := row.DescribeRepo(ctx, c.tx, r, description); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "repo.describe", "repo/"+r.String(), description)
}

// DeleteRepo deletes a repository with all that it has, and those beside it. One
// that others come from goes only with force. Faults: NotFound, Precondition.
func (c *Change) DeleteRepo(ctx context.Context, r Repo, force bool) error {
	if _, err := row.FindRepo(ctx, c.tx, r); err != nil {
		return err
	}
	types := []string{r.Type}
	if r.Type == UserRepo {
		types = []string{SpecRepo, MetaRepo, UserRepo}
	}
	for _, t := range types {
		one, err := row.FindRepo(ctx, c.tx, Repo{Project: r.Project, Name: r.Name, Type: t})
		switch {
		case fault.Is(err, fault.NotFound):
			continue
		case err != nil:
			return err
		}
		made, err := row.MadeFromRepo(ctx, c.tx, one.Key)
		if err != nil {
			return err
		}
		if len(made) > 0 && !force {
			return fault.New(fault.Precondition, "repo %s cannot be deleted: branch %s is made from it", one.Repo, c.named(made[0])).
				Next("delete that branch first, or use --force")
		}
		if err := row.DeleteRepo(ctx, c.tx, one.Key); err != nil {
			return err
		}
	}
	if r.Type == UserRepo {
		if err := access.Disown(ctx, c.tx, c.by, r.Resource()); err != nil {
			return err
		}
	}
	if err := c.changed(ctx, r); err != nil {
		return err
	}
	return c.by.Record(ctx, c.tx, "repo.delete", "repo/"+r.String(), "")
}

// InspectRepo is one repository. Fault: NotFound.
func InspectRepo(ctx context.Context, tx *db.Tx, r Repo) (RepoInfo, error) {
	one, err := row.FindRepo(ctx, tx, r)
	if err != nil {
		return one, err
	}
	all := []RepoInfo{one}
	err = fillRepos(ctx, tx, all)
	return all[0], err
}

// Repos are those of some projects and of a type, by project and name; none and ""
// are all.
func Repos(ctx context.Context, tx *db.Tx, inProjects []string, ofType string) ([]RepoInfo, error) {
	all, err := row.FindRepos(ctx, tx, inProjects, ofType)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b RepoInfo) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Type, b.Type))
	})
	return all, fillRepos(ctx, tx, all)
}

// fillRepos adds branches and sizes.
func fillRepos(ctx context.Context, tx *db.Tx, all []RepoInfo) error {
	for i := range all {
		r := &all[i]
		branches, err := row.BranchesOf(ctx, tx, *r)
		if err != nil {
			return err
		}
		for _, b := range branches {
			r.Branches = append(r.Branches, b.Branch)
			if b.Name != "master" {
				continue
			}
			for at := b.HeadKey; at != 0 && !r.Sized; {
				one, err := row.CommitByKey(ctx, tx, at)
				if err != nil {
					return err
				}
				r.Size, r.Sized = one.Size, !one.Finished.IsZero() && one.Error == ""
				at = one.ParentKey
			}
			if !r.Sized {
				r.Size = 0
			}
		}
	}
	return nil
}
