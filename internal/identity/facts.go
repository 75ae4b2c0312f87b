package identity

import (
	"context"
	"slices"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Facts about groups age: what a connector said at a sign-in is true until it says
// otherwise, and some can be asked again without the person.

// GroupSource is an identity of which the groups can be read again.
type GroupSource struct {
	ID          string
	User        principal.Name
	ConnectorID string
	Instance    string
	Subject     string
	Approved    bool
	Data        []byte // SignIn.GroupData
}

// ClaimGroups is for whoever reads the groups of an identity again now: nobody else
// does. Fault: NotFound if they were read within a time, or cannot be.
func ClaimGroups(ctx context.Context, tx *db.Tx, id string, now time.Time, within time.Duration) (GroupSource, error) {
	return claimGroups(ctx, tx, id, now, now.Add(-within))
}

// ReadAgain notes what a connector says of the groups of an identity; nil groups change
// nothing.
func ReadAgain(ctx context.Context, tx *db.Tx, g GroupSource, groups []string, data []byte, now time.Time) error {
	if err := setGroupData(ctx, tx, g.ID, data); err != nil || groups == nil || !g.Approved {
		return err
	}
	var names []principal.Name
	for _, written := range groups {
		name, err := principal.Parse(string(principal.Group) + ":" + written)
		if err != nil {
			return err
		}
		names = append(names, name)
	}
	return replaceMemberships(ctx, tx, g.User, connectorSource(g.Instance), names, now)
}

// GroupsUnasked notes that the provider could not be asked; it is asked again as if it
// had answered at readAt.
func GroupsUnasked(ctx context.Context, tx *db.Tx, id string, readAt time.Time) error {
	return setGroupsFailed(ctx, tx, id, readAt)
}

// Fact is that somebody is in a group, as one source says.
type Fact struct {
	Membership
	// Stated facts are an administrator's or the configuration's, and do not age.
	Stated bool
	// Unasked is whether the provider could not be asked the last time.
	Unasked bool
}

// Facts lists what is known of the groups of somebody.
func Facts(ctx context.Context, tx *db.Tx, who principal.Name) (all []Fact, err error) {
	memberships, err := membershipsOf(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	unasked, err := unaskedSources(ctx, tx, who)
	for _, m := range memberships {
		all = append(all, Fact{
			Membership: m, Stated: m.Source == Administrator || m.Source == Configuration,
			Unasked: slices.ContainsFunc(unasked, func(instance string) bool { return connectorSource(instance) == m.Source }),
		})
	}
	return all, err
}

// Sealed says where what connectors read groups with is; place is for an instance of a
// connector and a subject.
func Sealed(place func(instance, subject string) string) secret.Sealed {
	return secret.Sealed{
		Table: "identities", Column: "group_data", Key: []string{"id", "instance", "subject"},
		Place: func(k []string) string { return place(k[1], k[2]) },
	}
}

// ForgetGroups forgets what the connector of an identity has said of its groups: the
// provider does not let it in any more.
func ForgetGroups(ctx context.Context, tx *db.Tx, id string) error {
	who, err := ByID(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := setGroupData(ctx, tx, id, nil); err != nil {
		return err
	}
	return replaceMemberships(ctx, tx, who.User, connectorSource(who.Instance), nil, time.Time{})
}
