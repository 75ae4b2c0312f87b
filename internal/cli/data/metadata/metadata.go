package metadata

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/metadata"
	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// parts is how many arguments make one edit.
const parts = 4

// Commands are those of this package, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{"edit": {edit(k)}}
}

func edit(k *kit.Kit) *cobra.Command {
	var in ref.Flags
	c := &cobra.Command{
		Use: "metadata KIND NAME OPERATION KEY=VALUE [KIND NAME OPERATION KEY=VALUE]...", Short: "Attach keys and values to something",
		Long: `Attach keys and values to a project, repo, branch or commit, or to the cluster,
whose NAME is a dot. All edits of one command are made, or none.

The operations are add (the key must be new), edit (it may be there or not), delete
(with KEY alone) and set, which puts a JSON object in the place of all there is.
"pachctl inspect ... -o yaml" shows them.`,
		Example: `  pachctl edit metadata repo images add owner=vision
  pachctl edit metadata commit images@master edit reviewed=yes
  pachctl edit metadata branch images@master delete owner
  pachctl edit metadata project default set '{"team": "vision", "cost": "42"}'
  pachctl edit metadata cluster . add region=eu-west-1`,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := in.Reader(c, k)
			if err != nil {
				return err
			}
			req, err := read(c, r, args)
			if err != nil {
				return err
			}
			return run(c.Context(), k, req)
		},
	}
	in.Add(c)
	return c
}

func run(ctx context.Context, k *kit.Kit, req *metadata.EditMetadataRequest) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Metadata.EditMetadata(ctx, req)
		return err
	})
}

func read(c *cobra.Command, r ref.Reader, args []string) (*metadata.EditMetadataRequest, error) {
	if len(args) == 0 || len(args)%parts != 0 {
		return nil, kit.Usagef(c, "an edit has %d parts, KIND NAME OPERATION KEY=VALUE, and there are %d arguments", parts, len(args))
	}
	req := &metadata.EditMetadataRequest{}
	for ; len(args) > 0; args = args[parts:] {
		e := &metadata.Edit{}
		if err := target(c, r, e, args[0], args[1]); err != nil {
			return nil, err
		}
		if err := operation(e, args[2], args[3]); err != nil {
			return nil, kit.Usagef(c, "%s", err)
		}
		req.Edits = append(req.Edits, e)
	}
	return req, nil
}

// target reads what is edited. Its project may stand before it, as upstream has it.
func target(c *cobra.Command, r ref.Reader, e *metadata.Edit, kind, name string) (err error) {
	if project, rest, ok := strings.Cut(name, "/"); ok && kind != "project" {
		r, name = r.In(project), rest
	}
	switch kind {
	case "project":
		e.Target = &metadata.Edit_Project{Project: projectOf(name)}
	case "repo":
		repo, err := r.Repo(name)
		if err != nil {
			return err
		}
		e.Target = &metadata.Edit_Repo{Repo: repoOf(repo)}
	case "branch":
		b, err := r.Branch(name)
		if err != nil {
			return err
		}
		e.Target = &metadata.Edit_Branch{Branch: branchOf(b)}
	case "commit":
		one, err := r.Commit(name)
		if err != nil {
			return err
		}
		e.Target = &metadata.Edit_Commit{Commit: commitOf(one)}
	case "cluster":
		e.Target = &metadata.Edit_Cluster{Cluster: &metadata.ClusterPicker{}}
	default:
		err = kit.Usagef(c, "%q has no metadata: the kinds are project, repo, branch, commit and cluster", kind)
	}
	return err
}

func projectOf(name string) *pfs.ProjectPicker {
	return &pfs.ProjectPicker{Picker: &pfs.ProjectPicker_Name{Name: name}}
}

func repoOf(r *pfs.Repo) *pfs.RepoPicker {
	return &pfs.RepoPicker{Picker: &pfs.RepoPicker_Name{Name: &pfs.RepoPicker_RepoName{
		Project: projectOf(r.GetProject().GetName()), Name: r.GetName(), Type: r.GetType(),
	}}}
}

func branchOf(b *pfs.Branch) *pfs.BranchPicker {
	return &pfs.BranchPicker{Picker: &pfs.BranchPicker_Name{Name: &pfs.BranchPicker_BranchName{Repo: repoOf(b.GetRepo()), Name: b.GetName()}}}
}

func commitOf(c *pfs.Commit) *pfs.CommitPicker {
	if c.GetId() == "" {
		return &pfs.CommitPicker{Picker: &pfs.CommitPicker_BranchHead{BranchHead: branchOf(c.GetBranch())}}
	}
	return &pfs.CommitPicker{Picker: &pfs.CommitPicker_Id{Id: &pfs.CommitPicker_CommitByGlobalId{Repo: repoOf(c.GetRepo()), Id: c.GetId()}}}
}

func operation(e *metadata.Edit, name, data string) error {
	key, value, pair := strings.Cut(data, "=")
	switch {
	case name == "set":
		all := map[string]string{}
		if err := json.Unmarshal([]byte(data), &all); err != nil {
			return fmt.Errorf(`set takes a JSON object of texts, such as '{"team": "vision"}': %w`, err)
		}
		e.Op = &metadata.Edit_Replace_{Replace: &metadata.Edit_Replace{Replacement: all}}
	case name == "delete":
		e.Op = &metadata.Edit_DeleteKey_{DeleteKey: &metadata.Edit_DeleteKey{Key: data}}
	case name != "add" && name != "edit":
		return fmt.Errorf("unknown operation %q: use add, edit, delete or set", name)
	case !pair:
		return fmt.Errorf("%s takes KEY=VALUE, and %q has no =", name, data)
	case name == "add":
		e.Op = &metadata.Edit_AddKey_{AddKey: &metadata.Edit_AddKey{Key: key, Value: value}}
	default:
		e.Op = &metadata.Edit_EditKey_{EditKey: &metadata.Edit_EditKey{Key: key, Value: value}}
	}
	return nil
}
