package people

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
)

func unusedFlag(c *cobra.Command, unused *string) {
	c.Flags().StringVar(unused, "unused-for", "", "only people who have not been here for so long, such as 90d; a day at least")
}

// parseUnused reads an age in days, or as Go writes durations; nil for none.
func parseUnused(c *cobra.Command, text string) (*durationpb.Duration, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // none was asked for
	}
	const day = 24 * time.Hour
	if number, isDays := strings.CutSuffix(text, "d"); isDays {
		if days, err := strconv.Atoi(number); err == nil && days > 0 && days <= int(math.MaxInt64/int64(day)) {
			return durationpb.New(time.Duration(days) * day), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return durationpb.New(d), nil
	}
	return nil, kit.Usagef(c, "%q is no age: write it as 90d or 36h", text)
}

type disableUnusedOptions struct {
	unused          string
	yes, enterprise bool
}

func (o disableUnusedOptions) run(ctx context.Context, k *kit.Kit, unused *durationpb.Duration) error {
	return k.WithConn(ctx, o.enterprise, func(ctx context.Context, c *kit.Conn) error {
		found, since, err := eachUnused(ctx, c, &pach.DisableUnusedUsersRequest{UnusedFor: unused, Preview: true})
		if err != nil {
			return err
		}
		going := show(k, found)
		if going == 0 {
			k.Printf("Nobody is to be disabled.\n")
			return nil
		}
		if !o.yes {
			if err := k.Confirm(ctx, "Disable "+strconv.Itoa(going)+" of them? (y/N)"); err != nil {
				return err
			}
		}
		done, _, err := eachUnused(ctx, c, &pach.DisableUnusedUsersRequest{UnusedFor: unused, UnusedSince: since})
		disabled := 0
		for _, u := range done {
			if u.GetKept() == "" {
				disabled++
			}
		}
		k.Printf("Disabled: %d. Let one in again with: pachctl auth enable-user\n", disabled)
		return err
	})
}

// eachUnused reads all pages; since is what the first says.
func eachUnused(ctx context.Context, c *kit.Conn, req *pach.DisableUnusedUsersRequest,
) (all []*pach.UnusedUser, since *timestamppb.Timestamp, err error) {
	err = client.Pages(func(page string) (string, error) {
		req.PageToken = page
		r, err := c.Pach.DisableUnusedUsers(ctx, req)
		all = append(all, r.GetUsers()...)
		if since == nil {
			since = r.GetUnusedSince()
		}
		return r.GetNextPageToken(), err
	})
	return all, since, err
}

// show lists people, and says how many are not kept.
func show(k *kit.Kit, users []*pach.UnusedUser) (going int) {
	var rows [][]string
	for _, u := range users {
		what := "to be disabled"
		if u.GetKept() != "" {
			what = "stays: " + u.GetKept()
		} else {
			going++
		}
		rows = append(rows, []string{u.GetName(), kit.FormatTime(u.GetLastLogin()), kit.FormatTime(u.GetLastUsed()), what})
	}
	if len(rows) > 0 {
		k.Table([]string{"USER", "LAST LOGIN", "LAST USED", ""}, rows)
	}
	return going
}
