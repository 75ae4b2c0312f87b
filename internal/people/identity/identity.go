package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// Identity is one account at one identity provider, seen through one instance
// of a connector.
type Identity struct {
	ID          string
	User        principal.Name
	ConnectorID string
	Instance    string // of the connector: a re-created connector has another
	Issuer      string // empty for providers that have none, such as LDAP
	Subject     string
	TokenSub    string // the "sub" of the ID tokens that our issuer makes for it
	Ended       bool   // its connector is gone: it proves nothing any more
	Waiting     bool   // until an administrator links it to User, it may not act
	// Approved says that somebody who may grant roles has approved what vouches
	// for it; until then it gives what everybody has, and nothing more.
	Approved bool
	// ReadsGroups is whether its connector can read its groups again without the person;
	// only Gate says so.
	ReadsGroups bool
}

// SignIn is what a connector vouches for after a successful login.
type SignIn struct {
	ConnectorID string
	Instance    string
	Issuer      string
	Subject     string
	Email       string
	// Groups in their wire names without the prefix "group:". Nil means that
	// the provider said nothing about groups, which changes nothing.
	Groups []string
	// GroupData is what the connector needs to read the groups again, sealed; nil if it
	// cannot.
	GroupData []byte
	// TokenSub makes the token subject of a new identity from its id.
	TokenSub func(id string) (string, error)
	// Connected fails if the connector has gone since the login began. It is
	// asked in the transaction that records the login, or a login that overlaps
	// with the deletion would leave an identity and groups that nothing ends.
	//
	// It reports whether somebody who may grant roles has approved the connector.
	// What one says that nobody has approved is no fact: its groups are left out,
	// and it keeps no name from anybody.
	Connected func(ctx context.Context, tx *db.Tx) (approved bool, err error)
}

// GroupsNamed are the groups of SignIn.Groups. It is not principal.OfGroup: a prefix is
// part of a name here, or the name that its connector has been given would become
// another's. Fault: Invalid for names that are none, beside those that are.
func GroupsNamed(names []string) (groups []principal.Name, err error) {
	groups = make([]principal.Name, 0, len(names))
	for _, name := range names {
		group, bad := principal.Parse(string(principal.Group) + ":" + name)
		if bad != nil {
			err = bad
			continue
		}
		groups = append(groups, group)
	}
	return groups, err
}

// SignedIn records a login, in a transaction of its own, which stands also when
// the login is refused: it finds or makes the identity, refuses a disabled
// person and a stranger who claims somebody else's address, and replaces what
// this connector said of the person's groups before. A stranger is remembered,
// so that an administrator can link them. It need not wait for the disk: nobody has been
// told of it until a code is redeemed, which does, and before which it is committed.
// Faults: Invalid (not an address), Denied.
func SignedIn(ctx context.Context, d *db.DB, in SignIn, now time.Time) (Identity, error) {
	user, err := principal.OfUser(in.Email)
	if err != nil {
		return Identity{}, err
	}
	groups, err := GroupsNamed(in.Groups)
	if err != nil {
		return Identity{}, fault.Prefix(err, "the identity provider sent an invalid group name")
	}
	var who Identity
	update := d.Update // on PostgreSQL, where it is a statement more not to wait
	if d.Alone() {
		update = d.UpdateUnsynced
	}
	err = update(ctx, func(tx *db.Tx) error {
		approved, err := in.Connected(ctx, tx)
		if err != nil {
			return err
		}
		var disabled bool
		who, disabled, err = identify(ctx, tx, in, user, approved, now)
		if err != nil {
			return err
		}
		if who.Waiting {
			return touchIdentity(ctx, tx, who, in, now)
		}
		if disabled {
			return errDisabled(who.User)
		}
		if err := touchLogin(ctx, tx, who, in, now); err != nil {
			return err
		}
		if in.Groups == nil || !approved {
			return nil
		}
		return replaceMemberships(ctx, tx, who.User, connectorSource(in.Instance), groups, now)
	})
	if err == nil && who.Waiting { // which this person is told of now
		err = d.Update(ctx, func(tx *db.Tx) error { return touchIdentity(ctx, tx, who, in, now) })
		if err == nil {
			err = errWaiting(who)
		}
		return Identity{}, err
	}
	return who, err
}

func errWaiting(who Identity) error {
	return fault.New(fault.Denied, "%s belongs to another account, which has signed in with this address before", who.User).
		Next("an administrator can join the two with: pachctl idp link %s %s", who.User, who.ID)
}

// identify finds the identity that signed in, or makes it for a person who is
// new here, and whether that person is disabled.
func identify(ctx context.Context, tx *db.Tx, in SignIn, user principal.Name, approved bool, now time.Time,
) (who Identity, disabled bool, err error) {
	who, disabled, err = identityBySubject(ctx, tx, in.Instance, in.Issuer, in.Subject)
	switch {
	case fault.Is(err, fault.NotFound):
		who, err = firstLogin(ctx, tx, in, user, approved, now)
		return withDisabled(ctx, tx, who, err)
	case err != nil:
		return Identity{}, false, err
	}
	// The address may have changed at the provider; the person has not, and
	// keeps the name that their roles are bound to.
	if who.Ended {
		// What it came through is there again, and is the same: an issuer that
		// was configured, not a connector, which always differs.
		who.Ended = false
		if err := revive(ctx, tx, who.ID); err != nil {
			return who, false, err
		}
	}
	if !who.Waiting || who.User == user {
		return who, disabled, nil
	}
	who, err = claim(ctx, tx, who, user, now)
	return withDisabled(ctx, tx, who, err)
}

func withDisabled(ctx context.Context, tx *db.Tx, who Identity, err error) (Identity, bool, error) {
	if err != nil {
		return who, false, err
	}
	disabled, err := isDisabled(ctx, tx, who.User)
	return who, disabled, err
}

// claim is for an identity that waits and now comes with another address: it
// may have that name if nobody has.
func claim(ctx context.Context, tx *db.Tx, who Identity, user principal.Name, now time.Time) (Identity, error) {
	owned, err := isOwned(ctx, tx, user, who.Approved)
	if err != nil {
		return who, err
	}
	if err := createUser(ctx, tx, user, now); err != nil {
		return who, err
	}
	who.User, who.Waiting = user, owned
	return who, setUser(ctx, tx, who.ID, user, owned)
}

func firstLogin(ctx context.Context, tx *db.Tx, in SignIn, user principal.Name, approved bool, now time.Time) (Identity, error) {
	owned, err := isOwned(ctx, tx, user, approved)
	if err != nil {
		return Identity{}, err
	}
	if err := createUser(ctx, tx, user, now); err != nil {
		return Identity{}, err
	}
	who := Identity{
		ID: rand.Text(), User: user, ConnectorID: in.ConnectorID, Instance: in.Instance, Issuer: in.Issuer, Subject: in.Subject,
		Waiting: owned, Approved: approved,
	}
	if who.TokenSub, err = in.TokenSub(who.ID); err != nil {
		return Identity{}, err
	}
	return who, createIdentity(ctx, tx, who, in.Email, now)
}

// isOwned reports whether a name has an owner that keeps it from somebody new.
// Identities that nobody has approved keep nothing from one that is: they wait
// from then on, and whatever they had signed in to ends.
func isOwned(ctx context.Context, tx *db.Tx, user principal.Name, approved bool) (bool, error) {
	if !approved {
		return hasIdentity(ctx, tx, user)
	}
	owned, err := hasApprovedIdentity(ctx, tx, user)
	if err != nil || owned {
		return owned, err
	}
	return false, displaceUnapproved(ctx, tx, user)
}

func checkEnabled(ctx context.Context, tx *db.Tx, user principal.Name) error {
	disabled, err := isDisabled(ctx, tx, user)
	if err == nil && disabled {
		return errDisabled(user)
	}
	return err
}

func errDisabled(user principal.Name) *fault.Error {
	return fault.New(fault.Denied, "%s is disabled", user).
		Next("ask an administrator")
}

// EndInstance ends what a deleted connector vouched for: its identities prove
// nothing any more, and its facts about groups are forgotten. It returns the
// groups that are gone with it, since nobody else speaks of them.
func EndInstance(ctx context.Context, tx *db.Tx, instance string) (gone []principal.Name, err error) {
	if gone, err = groupsOnlyFrom(ctx, tx, connectorSource(instance)); err != nil {
		return nil, err
	}
	if err := endInstance(ctx, tx, instance); err != nil {
		return nil, err
	}
	return gone, tx.Changed(ctx, "", "") // whoever it is that signed in through it
}

// ApproveInstance gives what a connector has vouched for the weight of an
// approved one.
func ApproveInstance(ctx context.Context, tx *db.Tx, instance string) error {
	if err := approveInstance(ctx, tx, instance); err != nil {
		return err
	}
	return tx.Changed(ctx, "", "") // whoever it is that signed in through it
}

// Groups lists the groups of a principal, from all sources, sorted.
func Groups(ctx context.Context, tx *db.Tx, who principal.Name) ([]principal.Name, error) {
	groups, err := groupsOf(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

var errNoSub = errors.New("an identity needs a token subject")
