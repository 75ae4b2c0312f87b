package past

import (
	"context"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// MetaKey is the key of when changes were first recorded so that they can be undone.
const MetaKey = "changes-recorded-since"

// The actions of the audit that say what changed of who is in which group.
const (
	added   = "membership.add"
	removed = "membership.remove"
)

// Begin notes, at the first start of a version that records enough, that it does.
func Begin(ctx context.Context, d *db.DB, now time.Time) error {
	_, err := d.Meta(ctx, MetaKey)
	if fault.Is(err, fault.NotFound) {
		return d.SetMeta(ctx, MetaKey, []byte(strconv.FormatInt(db.Micros(now), 10)))
	}
	return err
}

// Recording makes a change of what administrators and the configuration say of groups,
// and records what it has changed of some principals.
func Recording(ctx context.Context, tx *db.Tx, by audit.By, whose []principal.Name, change func() error) error {
	before := make([]map[fact]bool, len(whose))
	for n, who := range whose {
		var err error
		if before[n], err = stated(ctx, tx, who); err != nil {
			return err
		}
	}
	if err := change(); err != nil {
		return err
	}
	for n, who := range whose {
		after, err := stated(ctx, tx, who)
		if err != nil {
			return err
		}
		if err := record(ctx, tx, by, added, who, after, before[n]); err != nil {
			return err
		}
		if err := record(ctx, tx, by, removed, who, before[n], after); err != nil {
			return err
		}
	}
	return nil
}

// fact is that somebody is in a group, as an administrator or the configuration says.
type fact struct {
	source string
	group  principal.Name
}

func (f fact) detail() string { return f.source + " " + f.group.String() }

func factOf(detail string) fact {
	source, group, _ := strings.Cut(detail, " ")
	return fact{source, principal.Name(group)}
}

func stated(ctx context.Context, tx *db.Tx, who principal.Name) (map[fact]bool, error) {
	facts, err := identity.Memberships(ctx, tx, who)
	all := map[fact]bool{}
	for _, f := range facts {
		if f.Stated() {
			all[fact{f.Source, f.Group}] = true
		}
	}
	return all, err
}

// record records what is in one and not in the other.
func record(ctx context.Context, tx *db.Tx, by audit.By, action string, who principal.Name, in, notIn map[fact]bool) error {
	for f := range in {
		if notIn[f] {
			continue
		}
		if err := by.Record(ctx, tx, action, who.String(), f.detail()); err != nil {
			return err
		}
	}
	return nil
}
