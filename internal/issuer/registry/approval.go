package registry

import (
	"context"
	"crypto/rand"
	"maps"

	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// Whoever writes a connector decides what it says of people, and with it who has
// whose roles. So what somebody has written who could not grant roles on the
// cluster counts for nothing until somebody who could has approved it: a
// connector that has served goes on as it was approved last, and one that nobody
// has ever approved signs people in to what everybody has (decision 0021).

// Author is who writes a connector.
type Author struct {
	Name principal.Name
	// MayGrant is whether they may grant roles on the cluster.
	MayGrant bool
	// Declares is the entry of pachd's configuration that says what is written, if one
	// does.
	Declares managed.Entry
}

// Operator is the author of what pachd does by its own configuration.
func Operator() Author { return Author{Name: principal.Root, MayGrant: true} }

// Approval is how far a connector is from having been approved as it is stored.
type Approval int

// The approvals of a connector.
const (
	Unapproved Approval = iota // never: who signs in through it has what everybody has
	Pending                    // an earlier revision was, and serves
	Approved                   // as it is stored
)

func approvalOf(stored, approved string) Approval {
	switch approved {
	case "":
		return Unapproved
	case stored:
		return Approved
	}
	return Pending
}

// ownSecrets prove to a provider that it is us who asks, and change nothing of
// whom it vouches for.
func ownSecrets() []string {
	return []string{"clientSecret", "nextClientSecret", "clientSecretExpires", "bindPW"}
}

// vouchesAs reports whether two configurations make the same of people.
func vouchesAs(a, b map[string]any) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	for _, key := range ownSecrets() {
		delete(a, key)
		delete(b, key)
	}
	return connector.Equal(a, b)
}

// decideApproval is what an update means for approval: next serves if it
// vouches as what was approved does, or if its author may grant roles and
// changes what was approved; never by that alone what others have written.
func (g *Registry) decideApproval(ctx context.Context, by Author, old Row, next *Row) error {
	if old.approved == "" {
		if !vouchesAs(old.Config, next.Config) {
			// What it said before is not what it will be approved for.
			next.Instance = rand.Text()
		}
		return nil
	}
	serving, err := g.ReadRevision(ctx, old.ID, old.approved)
	if err != nil {
		return err
	}
	if vouchesAs(serving.Config, next.Config) || by.MayGrant && old.Approval == Approved {
		next.approved = next.Revision
	}
	return nil
}

// ApproveConnector lets what is stored of a connector serve, and what it says of
// people count. The revision names what was looked at: whoever could change it
// meanwhile must not be approved unseen. Faults: NotFound, Conflict.
func (g *Registry) ApproveConnector(ctx context.Context, by principal.Name, id, revision string) error {
	r, err := g.read(ctx, id)
	if err != nil {
		return err
	}
	if r.Revision != revision {
		return fault.New(fault.Conflict, "connector %s is not what it was when you looked at it", id).
			Next("look again with: pachctl idp get-connector %s", id)
	}
	if r.Approval == Approved {
		return nil
	}
	return g.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := g.approveStored(ctx, tx, r); err != nil {
			return err
		}
		if err := ClaimBareGroups(ctx, tx, r.Instance); err != nil {
			return err
		}
		if err := identity.ApproveInstance(ctx, tx, r.Instance); err != nil {
			return err
		}
		return g.record(ctx, tx, by, "connector.approve", id)
	})
}
