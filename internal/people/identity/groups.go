package identity

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Administrator is the source of a membership that somebody with the right to
// it has stated. Logins leave it alone, and it leaves alone what they say.
const Administrator = "administrator"

// Configuration is the source of a membership that pachd's configuration
// declares.
const Configuration = "configuration"

// Membership is one fact: a group of a principal, and who says so.
type Membership struct {
	Group principal.Name
	// Written is the group as whoever stated the fact wrote it, with or
	// without its prefix: clients of upstream compare what they read with what
	// they wrote.
	Written string
	Source  string // Administrator, Configuration, or "connector/" and its id
	Seen    time.Time
	// Unasked is whether the connector could not be asked again the last time.
	Unasked bool
}

// Stated is whether an administrator or the configuration says so: then it does not
// age.
func (m Membership) Stated() bool { return m.Source == Administrator || m.Source == Configuration }

// Memberships lists what is known of a principal's groups, by group and source.
func Memberships(ctx context.Context, tx *db.Tx, who principal.Name) ([]Membership, error) {
	accounts, err := Accounts(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	connectors, unasked := map[string]string{}, map[string]bool{}
	for _, a := range accounts {
		source := connectorSource(a.Instance)
		connectors[source], unasked[source] = "connector/"+a.ConnectorID, unasked[source] || a.Unasked
	}
	facts, err := membershipsOf(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	for n, m := range facts {
		if id, ok := connectors[m.Source]; ok {
			facts[n].Source, facts[n].Unasked = id, unasked[m.Source]
		}
	}
	slices.SortFunc(facts, func(a, b Membership) int {
		return strings.Compare(string(a.Group)+"\n"+a.Source, string(b.Group)+"\n"+b.Source)
	})
	return facts, nil
}

func connectorSource(instance string) string { return "connector:" + instance }

// SetGroups makes these the groups that administrators say a principal is in.
// Faults: Invalid.
func SetGroups(ctx context.Context, tx *db.Tx, by audit.By, who principal.Name, groups []string) error {
	if err := checkMember(who); err != nil {
		return err
	}
	if err := deleteMemberships(ctx, tx, who, Administrator); err != nil {
		return err
	}
	for _, written := range groups {
		if err := state(ctx, tx, who, written, by.At); err != nil {
			return err
		}
	}
	if err := tx.Changed(ctx, principal.Topic, who.String()); err != nil {
		return err
	}
	return by.Record(ctx, tx, "group.set", who.String(), listed(groups))
}

func listed[T ~string](list []T) string {
	if len(list) == 0 {
		return "none"
	}
	texts := make([]string, len(list))
	for n, one := range list {
		texts[n] = string(one)
	}
	return strings.Join(texts, " ")
}

// ModifyMembers adds principals to a group, and then removes some, so that who
// is in both lists ends up outside. The group exists from then on, also when it
// is empty. Faults: Invalid; Precondition for a member whom a connector, not an
// administrator, put into the group.
func ModifyMembers(ctx context.Context, tx *db.Tx, by audit.By, written string, add, remove []principal.Name) error {
	group, err := groupNamed(written)
	if err != nil {
		return err
	}
	if err := createGroup(ctx, tx, group, by.At); err != nil {
		return err
	}
	for _, who := range add {
		if err := checkMember(who); err != nil {
			return err
		}
		if err := state(ctx, tx, who, written, by.At); err != nil {
			return err
		}
	}
	for _, who := range remove {
		if err := removeMember(ctx, tx, group, who); err != nil {
			return err
		}
	}
	for _, who := range slices.Concat(add, remove) {
		if err := tx.Changed(ctx, principal.Topic, who.String()); err != nil {
			return err
		}
	}
	return by.Record(ctx, tx, "group.modify", written, "added "+listed(add)+", removed "+listed(remove))
}

func removeMember(ctx context.Context, tx *db.Tx, group, who principal.Name) error {
	if err := deleteMembership(ctx, tx, who, group, Administrator); err != nil {
		return err
	}
	left, err := Memberships(ctx, tx, who)
	if err != nil {
		return err
	}
	for _, m := range left {
		switch {
		case m.Group == group && m.Source == Configuration:
			return fault.New(fault.Precondition, "%s is in %s because pachd's configuration declares it", who, group).
				Next("remove them there, from bootstrap.groups")
		case m.Group == group:
			return fault.New(fault.Precondition, "%s is in %s because %s reports it at each sign-in", who, group, m.Source).
				Next("remove them there")
		}
	}
	return nil
}

// DeclareMembers makes these the members that pachd's configuration says a group
// has. Fault: Invalid.
func DeclareMembers(ctx context.Context, tx *db.Tx, by audit.By, written string, members []principal.Name) error {
	group, err := groupNamed(written)
	if err != nil {
		return err
	}
	left, err := membersBySource(ctx, tx, group, Configuration)
	if err != nil {
		return err
	}
	for _, who := range left {
		if err := deleteMembership(ctx, tx, who, group, Configuration); err != nil {
			return err
		}
	}
	for _, who := range members {
		if err := checkMember(who); err != nil {
			return err
		}
		m := Membership{Group: group, Written: written, Source: Configuration, Seen: by.At}
		if err := createMembership(ctx, tx, who, m); err != nil {
			return err
		}
	}
	for _, who := range slices.Concat(left, members) {
		if err := tx.Changed(ctx, principal.Topic, who.String()); err != nil {
			return err
		}
	}
	return by.Record(ctx, tx, "group.declare", written, listed(members))
}

// DeclaredMembers are the members of each group that pachd's configuration
// declares, sorted.
func DeclaredMembers(ctx context.Context, tx *db.Tx) (map[principal.Name][]principal.Name, error) {
	all, err := membersOfSource(ctx, tx, Configuration)
	for _, members := range all {
		slices.Sort(members)
	}
	return all, err
}

// state records that an administrator says so.
func state(ctx context.Context, tx *db.Tx, who principal.Name, written string, now time.Time) error {
	group, err := groupNamed(written)
	if err != nil {
		return err
	}
	if err := createGroup(ctx, tx, group, now); err != nil {
		return err
	}
	return createMembership(ctx, tx, who, Membership{Group: group, Written: written, Source: Administrator, Seen: now})
}

// groupNamed takes a group with or without its prefix for the same group, but
// not another kind of principal for one.
func groupNamed(written string) (principal.Name, error) {
	if n, err := principal.Parse(written); err == nil && n.Kind() != principal.Group {
		return "", fault.New(fault.Invalid, "%q is not a group", written).
			Next("write group:<name>")
	}
	return principal.OfGroup(written)
}

func checkMember(who principal.Name) error {
	switch who.Kind() {
	case principal.User, principal.Robot, principal.Pipeline, principal.Pach, principal.System:
		return nil
	}
	return fault.New(fault.Invalid, "%s cannot be in a group: groups have users, robots and pipelines as members", who)
}

// Members lists who is in a group. Fault: NotFound.
func Members(ctx context.Context, tx *db.Tx, written string, p db.Page) (who []principal.Name, next string, err error) {
	group, err := groupNamed(written)
	if err != nil {
		return nil, "", err
	}
	who, err = membersOf(ctx, tx, group, p)
	if err != nil || len(who) > 0 || p.After != "" {
		return who, nextMember(p, who), err
	}
	known, err := isKnownGroup(ctx, tx, group)
	if err == nil && !known {
		err = fault.New(fault.NotFound, "group %s not found: nobody is in it", group).
			Next("pachctl auth list-groups shows those that exist")
	}
	return nil, "", err
}

// MembersOfAny lists everybody who is in some group.
func MembersOfAny(ctx context.Context, tx *db.Tx, p db.Page) (who []principal.Name, next string, err error) {
	who, err = membersOfAny(ctx, tx, p)
	return who, nextMember(p, who), err
}

func nextMember(p db.Page, who []principal.Name) string {
	if len(who) == 0 {
		return ""
	}
	return p.Next(len(who), who[len(who)-1].String())
}

// WrittenGroups lists the groups of a principal as whoever stated them wrote
// them, each once: of several spellings an administrator's.
func WrittenGroups(ctx context.Context, tx *db.Tx, who principal.Name) ([]string, error) {
	facts, err := Memberships(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	written := map[principal.Name]string{}
	for _, m := range facts {
		if written[m.Group] == "" || m.Source == Administrator {
			written[m.Group] = m.Written
		}
	}
	return slices.Sorted(maps.Values(written)), nil
}

// GroupSize is a group and how many are in it.
type GroupSize struct {
	Group   principal.Name
	Members int64
}

// Member is one member of a group, with where that comes from.
type Member struct {
	Name  principal.Name
	Facts []Membership
}

// MembersOf lists the members of a group.
func MembersOf(ctx context.Context, tx *db.Tx, group principal.Name, p db.Page) (all []Member, next string, err error) {
	names, err := membersOf(ctx, tx, group, p)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	last := names[len(names)-1].String()
	facts, err := membershipsIn(ctx, tx, group, p.After, last)
	for _, name := range names {
		slices.SortFunc(facts[name], func(a, b Membership) int { return strings.Compare(a.Source, b.Source) })
		all = append(all, Member{name, facts[name]})
	}
	return all, p.Next(len(names), last), err
}

// AllGroups lists the groups that exist, with or without members.
func AllGroups(ctx context.Context, tx *db.Tx, p db.Page) (all []GroupSize, next string, err error) {
	if all, err = groupSizes(ctx, tx, p); err != nil || len(all) == 0 {
		return nil, "", err
	}
	return all, p.Next(len(all), all[len(all)-1].Group.String()), nil
}

// DeleteGroups forgets all groups and memberships, whoever stated them.
func DeleteGroups(ctx context.Context, tx *db.Tx) error {
	if err := deleteGroups(ctx, tx); err != nil {
		return err
	}
	return tx.Changed(ctx, "", "")
}
