package registry

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// Connector is a connection to an identity provider as an administrator
// writes and reads it. What is read has secret.Mask in place of secrets.
type Connector struct {
	ID      string
	Name    string
	Type    string
	Version int64
	Config  map[string]any
	// Managed objects belong to pachd's configuration; the API may not change
	// them.
	Managed bool
	// Approval and Revision are of what is stored; nobody writes them.
	Approval Approval
	Revision string // unique over all connectors and times
	State    State
	Verified bool      // a connector test has succeeded with what is stored
	UndoAt   time.Time // when it goes back to what it was before, unless that is confirmed; zero for never
}

// Row is a connector revision: a stored connector at one time, secrets and all.
type Row struct {
	Connector
	Instance string // differs for a connector that was deleted and made again
	Document []byte // Config as JSON
	approved string // the revision that was approved last, or empty
	undo     string // the revision that UndoAt goes back to
	author   principal.Name
	note     string
}

// idForm keeps connector ids fit for URLs and for group names.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// Connectors lists the connectors by id.
func (g *Registry) Connectors(ctx context.Context) ([]Connector, error) {
	s, err := g.state.Get(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Connector, len(s.stored))
	for n, r := range s.stored {
		out[n] = r.redacted()
	}
	return out, nil
}

// Connector reads one. Fault: NotFound.
func (g *Registry) Connector(ctx context.Context, id string) (Connector, error) {
	r, err := g.read(ctx, id)
	if err != nil {
		return Connector{}, err
	}
	return r.redacted(), nil
}

func (r Row) redacted() Connector {
	c := r.Connector
	c.Config = connector.Redact(c.Type, c.Config)
	return c
}

// CreateConnector checks the document, asks its provider, and stores it. The
// first connector that is approved names groups as they are; those of others
// carry its id. Faults: Invalid, Exists, Unavailable.
func (g *Registry) CreateConnector(ctx context.Context, by Author, c Connector) error {
	c.State = Active
	return g.create(ctx, by, c)
}

func (g *Registry) create(ctx context.Context, by Author, c Connector) error {
	if err := checkNew(c); err != nil {
		return err
	}
	if err := g.verify(ctx, c); err != nil {
		return err
	}
	c.Revision = rand.Text()
	r := Row{Connector: c, Instance: rand.Text(), author: by.Name}
	if by.MayGrant {
		r.approved = r.Revision
	}
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Check(ctx, tx, managed.Connector, c.ID, "identity.CreateIDPConnector"); err != nil {
			return err
		}
		if err := g.insertConnector(ctx, tx, r); err != nil {
			if fault.Is(err, fault.Exists) {
				return fault.New(fault.Exists, "connector %q: ID already exists", c.ID).
					Next("change it with: pachctl idp update-connector")
			}
			return err
		}
		if by.MayGrant && c.State == Active {
			if err := ClaimBareGroups(ctx, tx, r.Instance); err != nil {
				return err
			}
		}
		return g.record(ctx, tx, by.Name, "connector.create", c.ID)
	})
}

func checkNew(c Connector) error {
	switch {
	case c.ID == "":
		return fault.New(fault.Invalid, "no id specified").
			Next("set one, such as auth0").At("id")
	case !idForm.MatchString(c.ID):
		return fault.New(fault.Invalid, "id %q", c.ID).
			Next("use letters, digits, dots, dashes and underscores, at most 63").At("id")
	case c.Type == "":
		return fault.New(fault.Invalid, "no type specified").
			Next("use one of %s", strings.Join(connector.Types(), ", ")).At("type")
	case c.Name == "":
		return fault.New(fault.Invalid, "no name specified").
			Next("set the name that people will see, such as Auth0").At("name")
	case len(c.Config) == 0 && c.Type != "mockCallback":
		return fault.New(fault.Invalid, "no configs are defined").
			Next("put issuer, clientID and the like under config").At("config")
	case c.Version < 0:
		return fault.New(fault.Invalid, "version %d", c.Version).
			Next("use 0 or more").At("version")
	}
	return checkShown(c)
}

// maxConfig is how large a connector's document may be, in bytes of JSON: all are read
// wherever connectors are listed.
const maxConfig = 128 << 10

// checkShown refuses what would be in the way of others who list connectors or sign in.
func checkShown(c Connector) error {
	if err := fault.CheckName("name", c.Name); err != nil {
		return err
	}
	text, err := json.Marshal(c.Config)
	if err != nil || len(text) > maxConfig {
		return fault.New(fault.Invalid, "the config is larger than %d KiB", maxConfig>>10).
			Next("leave out what is not needed, or name a file in place of its content").At("config")
	}
	return connector.CheckSecrets(c.Type, c.Config)
}

// verify asks the provider, too, except of a draft.
func (g *Registry) verify(ctx context.Context, c Connector) (err error) {
	if c.State == Draft {
		_, err = connector.Open(c.ID, c.Type, c.Config, g.with.Deps())
	} else {
		err = connector.Verify(ctx, c.ID, c.Type, c.Config, g.with.Deps())
	}
	if err != nil {
		err = cannotOpen(err)
	}
	return err
}

func cannotOpen(err error) error {
	return fault.Prefix(err, "unable to open connector")
}

// UpdateConnector changes what the document gives: an empty name and absent
// keys of config stay, null removes a key; the type stays for ever. Version is 0 for "whatever
// is stored", the stored one for no change at all, or the next. Faults:
// NotFound, Invalid, Precondition, Unavailable; Conflict for a version, if nothing
// else is wrong.
func (g *Registry) UpdateConnector(ctx context.Context, by Author, change Connector) error {
	return g.update(ctx, by, change, 0)
}

// update undoes itself after a time, if one is given, unless it is confirmed.
func (g *Registry) update(ctx context.Context, by Author, change Connector, undoAfter time.Duration) error {
	old, err := g.read(ctx, change.ID)
	if err != nil {
		return err
	}
	if err := g.checkManaged(ctx, managed.Connector, change.ID, updateMethod); err != nil {
		return err
	}
	next, err := old.changedBy(change)
	if err != nil {
		return err
	}
	if err := old.checkDestination(next); err != nil {
		return err
	}
	if undoAfter > 0 {
		next.undo, next.UndoAt = old.Revision, g.with.Now().Add(undoAfter)
	}
	next.author = by.Name
	return g.put(ctx, by, change.Version, old, next)
}

const updateMethod = "identity.UpdateIDPConnector"

// put stores next in place of old, if it is another.
func (g *Registry) put(ctx context.Context, by Author, version int64, old, next Row) error {
	sameProvider := connector.Equal(next.Config, old.Config)
	if !sameProvider {
		// Before the version: a document with a mistake is mended in one go.
		if err := g.verify(ctx, next.Connector); err != nil {
			return err
		}
	}
	sameContent := sameProvider && next.Name == old.Name
	var err error
	if next.Version, err = nextVersion(version, old.Version, sameContent); err != nil {
		return err
	}
	if sameContent && next.Version == old.Version {
		return nil
	}
	return g.write(ctx, by, old, next, "connector.update")
}

// ForTest is what a document would be if it were stored, and what is stored under
// its id, if anything: then the document changes that as an update would. A
// document of nothing but an id is the stored connector. Faults: NotFound,
// Invalid, Precondition.
func (g *Registry) ForTest(ctx context.Context, c Connector) (tested Row, live *Row, err error) {
	stored, err := g.read(ctx, c.ID)
	switch {
	case err == nil:
		tested, err = stored.changedBy(c)
		// Another document is somebody else's, who may not name all that the configuration may.
		tested.Managed = stored.Managed && connector.Equal(stored.Config, tested.Config)
		switch reuses := err == nil && stored.reusesStoredSecret(tested); {
		case reuses && !stored.Managed:
			err = stored.checkDestination(tested)
		case reuses:
			err = fault.New(fault.Precondition,
				"connector %s is managed by pachd's configuration, and its secret is not used with another document", c.ID).
				Next("write a secret into the document")
		}
		return tested, &stored, err
	case !fault.Is(err, fault.NotFound), c.Type == "" && c.Name == "" && len(c.Config) == 0:
		return Row{}, nil, err
	}
	return Row{Connector: c}, nil, checkNew(c)
}

// reusesStoredSecret reports whether another document would send a secret of
// r's, perhaps to another place than r does.
func (r Row) reusesStoredSecret(draft Row) bool {
	if connector.Equal(r.Config, draft.Config) {
		return false
	}
	for key, shown := range connector.Redact(r.Type, r.Config) {
		if text, ok := r.Config[key].(string); ok && shown == secret.Mask && draft.Config[key] == text {
			return true
		}
	}
	return false
}

// checkDestination keeps a stored secret, which whoever writes the document need
// not know, from being sent anywhere else than it was given for. Fault: Invalid.
func (r Row) checkDestination(next Row) error {
	if r.reusesStoredSecret(next) && !connector.SameDestination(r.Type, r.Config, next.Config) {
		return fault.New(fault.Invalid, "the document would send the stored secret of connector %s to another destination", r.ID).
			Next("write the secret itself into the document")
	}
	return nil
}

func (r Row) changedBy(change Connector) (Row, error) {
	next := r.settled()
	if change.Name != "" {
		next.Name = change.Name
	}
	if change.Type != "" && change.Type != r.Type {
		// Subjects of one type mean nothing to another: people would inherit
		// the identities of strangers.
		return next, fault.New(fault.Invalid, "connector %s is of type %s and cannot become %s", r.ID, r.Type, change.Type).
			Next("delete it and create another").At("type")
	}
	next.Config = connector.Merge(r.Type, r.Config, change.Config)
	return next, checkShown(next.Connector)
}

func nextVersion(given, stored int64, sameContent bool) (int64, error) {
	switch {
	case given == stored && sameContent, given == 0 && sameContent:
		return stored, nil
	case given == 0, given == stored+1:
		return stored + 1, nil
	}
	return 0, fault.New(fault.Conflict, "new config version is %d, expected %d: version %d is stored", given, stored+1, stored).
		Next("look at it with pachctl idp get-connector and write version: %d, or leave version out", stored+1)
}

// DeleteConnector removes a connector. The sessions of people who signed in
// through it end, the roles of its groups too, and a new connector of the same id
// revives none. Faults:
// NotFound, Precondition.
func (g *Registry) DeleteConnector(ctx context.Context, by principal.Name, id string) error {
	r, err := g.read(ctx, id)
	if err != nil {
		return err
	}
	return g.with.DB.UpdateBulk(ctx, func(tx *db.Tx) error {
		if err := managed.Check(ctx, tx, managed.Connector, id, "identity.DeleteIDPConnector"); err != nil {
			return err
		}
		return g.endConnector(ctx, tx, by, r)
	})
}

func (g *Registry) endConnector(ctx context.Context, tx *db.Tx, by principal.Name, r Row) error {
	if err := deleteConnector(ctx, tx, r); err != nil {
		return err
	}
	if err := ReleaseBareGroups(ctx, tx, r.Instance); err != nil {
		return err
	}
	gone, err := identity.EndInstance(ctx, tx, r.Instance)
	if err != nil {
		return err
	}
	if err := g.unbind(ctx, tx, by, r.ID, gone); err != nil {
		return err
	}
	if err := g.with.Grants.EndOfConnector(ctx, tx, r.ID, g.with.Now()); err != nil {
		return err
	}
	return g.record(ctx, tx, by, "connector.delete", r.ID)
}

// unbind takes the roles of groups away that a connector has taken with it: of
// those that are gone, and of all under its id. Another connector may call its
// groups the same, and they are others.
func (g *Registry) unbind(ctx context.Context, tx *db.Tx, by principal.Name, id string, gone []principal.Name) error {
	under, err := access.BoundUnder(ctx, tx, string(principal.Group)+":"+id+"/")
	if err != nil {
		return err
	}
	for _, group := range append(gone, under...) {
		if err := access.Unbind(ctx, tx, audit.By{Actor: by, At: g.with.Now()}, group); err != nil {
			return err
		}
	}
	return nil
}

// DeleteAll removes every connector, every registered application and the
// settings, but for what is declared; people stay known, but none of their
// identities proves anything.
func (g *Registry) DeleteAll(ctx context.Context, by principal.Name) error {
	clients, err := g.Clients(ctx)
	if err != nil {
		return err
	}
	s, err := g.state.Get(ctx)
	if err != nil {
		return err
	}
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		for _, c := range clients {
			if c.Managed {
				continue
			}
			if err := g.End(ctx, tx, by, c.ID); err != nil && !fault.Is(err, fault.NotFound) {
				return err
			}
		}
		for _, r := range s.stored {
			if r.Managed {
				continue
			}
			if err := g.endConnector(ctx, tx, by, r); err != nil {
				return err
			}
		}
		if _, declared, err := managed.Find(ctx, tx, managed.Settings, ""); err != nil || declared {
			return err
		}
		if err := writeSetting(ctx, tx, identitySettings, settings.Settings{}); err != nil {
			return err
		}
		return g.record(ctx, tx, by, "issuer.delete-all", "")
	})
}

func (g *Registry) record(ctx context.Context, tx *db.Tx, by principal.Name, action, id string) error {
	kind, _, _ := strings.Cut(action, ".")
	return audit.By{Actor: by, At: g.with.Now()}.Record(ctx, tx, action, kind+"/"+id, "")
}

// The connector that owns bare group names: the first one made, so that a
// second provider cannot put people into groups that roles are bound to.

// GroupNames are the names here of groups that a connector asserts: as they
// are for the connector that owns bare names, under the connector's id for any
// other, and for a name that would stand under another connector's id. What
// principal.Parse refuses is left out: no role can be bound to it, and it must
// not keep its people from signing in.
func (g *Registry) GroupNames(ctx context.Context, id, instance string, groups []string) ([]string, error) {
	s, err := g.state.Get(ctx)
	if err != nil || groups == nil {
		return nil, err
	}
	names := make([]string, 0, len(groups))
	for _, written := range groups {
		name, err := principal.OfGroup(written)
		if err != nil {
			continue
		}
		group := name.Local()
		under, _, divided := strings.Cut(group, "/")
		_, taken := s.revisions[under]
		if s.bareGroups != instance || divided && taken {
			group = id + "/" + group
		}
		names = append(names, group)
	}
	return names, nil
}

// ClaimBareGroups makes an instance the owner if there is none.
func ClaimBareGroups(ctx context.Context, tx *db.Tx, instance string) error {
	owner := ""
	if err := readSetting(ctx, tx, bareGroupsSetting, &owner); err != nil || owner != "" {
		return err
	}
	return setBareGroups(ctx, tx, instance)
}

// ReleaseBareGroups lets the next one that is made be the owner.
func ReleaseBareGroups(ctx context.Context, tx *db.Tx, instance string) error {
	owner := ""
	if err := readSetting(ctx, tx, bareGroupsSetting, &owner); err != nil || owner != instance {
		return err
	}
	return setBareGroups(ctx, tx, "")
}

func setBareGroups(ctx context.Context, tx *db.Tx, instance string) error {
	if err := writeSetting(ctx, tx, bareGroupsSetting, instance); err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, "")
}
