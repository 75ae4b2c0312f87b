package identity

import (
	"context"
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
	names, err := GroupsNamed(groups)
	if err != nil {
		return err
	}
	return replaceMemberships(ctx, tx, g.User, connectorSource(g.Instance), names, now)
}

// GroupsUnasked notes that the provider could not be asked; it is asked again as if it
// had answered at readAt.
func GroupsUnasked(ctx context.Context, tx *db.Tx, id string, readAt time.Time) error {
	return setGroupsFailed(ctx, tx, id, readAt)
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
