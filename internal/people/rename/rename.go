package rename

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"pachyderm/internal/access"
	"pachyderm/internal/access/spelling"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
)

// MetaKey is the key of what says which form all names were given last.
const MetaKey = "names-form"

// form is that of this version; Unicode's tables are a part of it.
func form() []byte { return []byte("1, Unicode " + norm.Version) }

// IsDone reports whether all that is stored was once given the form that names have now.
// Then nothing but an older version that runs beside can have written another, and a
// start need not wait for Stored.
func IsDone(ctx context.Context, d *db.DB) (bool, error) {
	last, err := d.Meta(ctx, MetaKey)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil && bytes.Equal(last, form()), err
}

// AtStart has Stored done at a start, at once where it never was for this form of names;
// else what it returns does it, at leisure.
func AtStart(ctx context.Context, d *db.DB, log *slog.Logger, now func() time.Time) (later func(context.Context) error, err error) {
	done, err := IsDone(ctx, d)
	if err == nil && !done {
		err = Stored(ctx, d, log, now())
	}
	return func(ctx context.Context) error {
		if !done {
			return nil
		}
		if err := Stored(ctx, d, log, now()); err != nil && ctx.Err() == nil {
			log.ErrorContext(ctx, "cannot rename names that an older version has stored", "error", err)
		}
		return nil
	}, err
}

// Stored renames what is stored under another form of a name, and ends what is
// stored under one that is none any more, such as a look-alike. It does nothing
// where there is nothing to rename, so each start may call it: an older version
// that runs beside may write old forms until it stops. Roles that are lost are
// logged and recorded for an administrator, who may grant them anew.
func Stored(ctx context.Context, d *db.DB, log *slog.Logger, now time.Time) error {
	var stored []principal.Name
	err := d.View(ctx, func(tx *db.Tx) (err error) {
		stored, err = names(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if len(changes(stored)) > 0 { // as at hardly any start, and the others need keep no writer waiting
		if err := rename(ctx, d, log, now); err != nil {
			return err
		}
	}
	if done, err := IsDone(ctx, d); err != nil || done {
		return err
	}
	return d.SetMeta(ctx, MetaKey, form())
}

func rename(ctx context.Context, d *db.DB, log *slog.Logger, now time.Time) error {
	var done []change
	err := d.UpdateBulk(ctx, func(tx *db.Tx) error {
		done = nil
		stored, err := names(ctx, tx)
		if err != nil {
			return err
		}
		by := audit.By{Actor: principal.AuthServer, At: now}
		for _, c := range changes(stored) {
			made, err := c.make(ctx, tx)
			if err != nil {
				return err
			}
			if !made {
				continue
			}
			if err := by.Record(ctx, tx, "name.change", c.object(), c.detail()); err != nil {
				return err
			}
			done = append(done, c)
		}
		if len(done) == 0 {
			return nil
		}
		return tx.Changed(ctx, "", "")
	})
	if err != nil {
		return err
	}
	plain := 0
	for _, c := range done {
		if c.to != "" && len(c.spellings) == 1 {
			plain++
		} else {
			c.log(log)
		}
	}
	if plain > 0 {
		log.Info("stored names were renamed, as the audit says one by one", "names", plain)
	}
	return nil
}

// names are the stored names that may have another form.
func names(ctx context.Context, tx *db.Tx) ([]principal.Name, error) {
	var all []principal.Name
	for _, list := range []func(context.Context, *db.Tx) ([]principal.Name, error){access.NotPlain, identity.NotPlain, token.NotPlain} {
		found, err := list(ctx, tx)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// change is one name and the spellings that become it; "" is for those that are
// no name any more.
type change struct {
	to        principal.Name
	spellings []principal.Name

	keep   principal.Name
	roles  []access.Binding // that are lost
	groups []principal.Name // that are lost
	reason string           // why it is no name
}

func changes(stored []principal.Name) (all []change) {
	by := map[principal.Name][]principal.Name{}
	for _, s := range stored {
		switch to, err := principal.Parse(s.String()); {
		case err != nil:
			all = append(all, change{spellings: []principal.Name{s}, reason: err.Error()})
		case to != s:
			by[to] = append(by[to], s)
		}
	}
	for _, to := range slices.Sorted(maps.Keys(by)) {
		all = append(all, change{to: to, spellings: by[to]})
	}
	return all
}

// make reports whether there was something to do: who has been ended keeps a name
// that is none, so that an administrator sees whose it was.
func (c *change) make(ctx context.Context, tx *db.Tx) (made bool, err error) {
	if c.to == "" {
		made, err = c.end(ctx, tx)
	} else {
		made, err = true, c.rename(ctx, tx)
	}
	if err != nil {
		return false, err
	}
	if c.roles, err = spelling.Rename(ctx, tx, c.spellings, c.to, c.keep); err != nil {
		return false, err
	}
	return made || len(c.roles) > 0, token.Rename(ctx, tx, c.spellings, c.to, c.keep)
}

func (c *change) end(ctx context.Context, tx *db.Tx) (made bool, err error) {
	who := c.spellings[0]
	if made, err = token.Knows(ctx, tx, who); err != nil {
		return false, err
	}
	ended, err := identity.End(ctx, tx, who)
	return made || ended, err
}

func (c *change) rename(ctx context.Context, tx *db.Tx) error {
	switch exists, err := IsKnown(ctx, tx, c.to); {
	case err != nil:
		return err
	case exists:
		c.spellings = append(c.spellings, c.to)
	}
	var err error
	if c.keep, err = identity.Owner(ctx, tx, c.spellings); err != nil {
		return err
	}
	c.groups, err = identity.Rename(ctx, tx, c.spellings, c.to, c.keep)
	return err
}

// IsKnown reports whether anything is stored under a name.
func IsKnown(ctx context.Context, tx *db.Tx, who principal.Name) (bool, error) {
	bound, err := access.RolesOf(ctx, tx, who)
	if err != nil || len(bound) > 0 {
		return len(bound) > 0, err
	}
	for _, knows := range []func(context.Context, *db.Tx, principal.Name) (bool, error){identity.Knows, token.Knows} {
		if found, err := knows(ctx, tx, who); err != nil || found {
			return found, err
		}
	}
	return false, nil
}

func (c change) object() string {
	if c.to == "" {
		return c.spellings[0].String()
	}
	return c.to.String()
}

// detail is what the audit keeps: enough to grant what was lost anew.
func (c change) detail() string {
	parts := []string{"was " + join(c.spellings)}
	if c.reason != "" {
		parts = append(parts, "ended: "+c.reason)
	}
	if len(c.roles) > 0 {
		parts = append(parts, "lost roles: "+strings.Join(c.lostRoles(), ", "))
	}
	if len(c.groups) > 0 {
		parts = append(parts, "lost groups: "+join(c.groups))
	}
	return strings.Join(parts, "; ")
}

func (c change) lostRoles() []string {
	var all []string
	for _, b := range c.roles {
		all = append(all, b.Principal.String()+" "+strings.Join(b.Roles, "+")+" on "+b.Resource.String())
	}
	slices.Sort(all)
	return all
}

func (c change) log(log *slog.Logger) {
	if c.to == "" {
		log.Warn("a stored name is none any more and was ended: grant its roles to another if they are meant",
			"name", c.spellings[0], "reason", c.reason, "lost_roles", c.lostRoles(), "lost_groups", c.groups)
		return
	}
	log.Warn("several spellings became one name: check who it is, and grant anew what was lost (pachctl auth set, pachctl idp link)",
		"name", c.to, "spellings", c.spellings, "kept", c.keep, "lost_roles", c.lostRoles(), "lost_groups", c.groups)
}

func join(names []principal.Name) string {
	texts := make([]string, len(names))
	for n, name := range names {
		texts[n] = name.String()
	}
	return strings.Join(texts, ", ")
}
