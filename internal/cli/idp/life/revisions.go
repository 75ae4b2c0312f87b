package life

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

type revisionsOptions struct{ id, out string }

func listRevisions(k *kit.Kit) *cobra.Command {
	var o revisionsOptions
	c := &cobra.Command{
		Use: "list-revisions ID", Short: "List what a connector was, and who changed what", Args: kit.Exactly(1),
		Long:    "List the last revisions of a connector: when each was written, by whom, and what it changed. Secrets are ***.",
		Example: "  pachctl idp list-revisions okta",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

type change struct {
	Key string `json:"key"`
	Was string `json:"was"`
	Is  string `json:"is"`
}

type revision struct {
	Revision string     `json:"revision"`
	Version  int64      `json:"version"`
	Author   string     `json:"author"`
	Made     *time.Time `json:"made"`
	Note     string     `json:"note,omitempty"`
	Changes  []change   `json:"changes"`
}

func (r revision) summary() string {
	var lines []string
	if r.Note != "" {
		lines = append(lines, r.Note)
	}
	for _, c := range r.Changes {
		lines = append(lines, c.Key+": "+kit.OrDash(c.Was)+" -> "+kit.OrDash(c.Is))
	}
	return strings.Join(lines, "; ")
}

func (o revisionsOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.ListConnectorRevisions(ctx, &pach.ListConnectorRevisionsRequest{Id: o.id})
		if err != nil {
			return err
		}
		all, rows := []revision{}, [][]string{}
		for _, one := range r.GetRevisions() {
			v := revision{one.GetRevision(), one.GetVersion(), one.GetAuthor(), kit.TimeOrNil(one.GetMade()), one.GetNote(), []change{}}
			for _, d := range one.GetDifferences() {
				v.Changes = append(v.Changes, change{d.GetKey(), d.GetLive(), d.GetTested()})
			}
			all = append(all, v)
			rows = append(rows, []string{
				v.Revision, strconv.FormatInt(v.Version, 10), kit.FormatTime(one.GetMade()), kit.OrDash(v.Author), kit.OrDash(v.summary()),
			})
		}
		return k.PrintResult(o.out, all, func() { k.Table([]string{"REVISION", "VERSION", "MADE", "BY", "CHANGES"}, rows) })
	})
}
