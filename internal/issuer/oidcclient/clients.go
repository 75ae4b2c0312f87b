package oidcclient

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/logout"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/webaddr"
)

// Registry is the one way to clients. It is safe for concurrent use.
type Registry struct {
	with    Config
	clients *db.Memory[*clients]
}

// New makes a registry.
func New(c Config) *Registry {
	g := &Registry{with: c}
	g.clients = db.Remember(c.DB, Topic, g.readClients)
	return g
}

// Config is what a Registry is made from.
type Config struct {
	DB *db.DB
	// Objects keeps the clients, as documents of Dex's.
	Objects dexstore.Store
	Grants  *grant.Store
	Now     func() time.Time
	// Connected is a fault.NotFound for an id that no connector has.
	Connected func(ctx context.Context, connector string) error
	// Reserved are client ids that nobody can register.
	Reserved []string
	// Own is the client that pachd is at its own issuer as long as nobody changes it.
	Own func() storage.Client
}

// Client is an OIDC client: an application that signs people in here.
type Client struct {
	ID           string
	Name         string
	Secret       string // only in the answer to its creation
	RedirectURIs []string
	// TrustedPeers are clients that may ask for ID tokens made for this one.
	TrustedPeers []string
	// AllowedConnectors are the only ones that people may come through; all if
	// there are none.
	AllowedConnectors []string
	// Public says that it cannot keep a secret, and has none: a program on people's
	// machines or in their browsers. It always uses PKCE.
	Public bool
	// PostLogoutRedirectURIs are where it may have people sent to that it signs out
	// (RP-Initiated Logout, 3.1).
	PostLogoutRedirectURIs []string
	// LogoutURI is where it hears of sign-ins that have ended (Back-Channel Logout,
	// 2.2); empty for nowhere. To nil it stays.
	LogoutURI *string
	// PKCE is what the client must do at sign-ins; an empty one stays.
	PKCE PKCE
	// Managed says that pachd's configuration declares it; nobody writes it.
	Managed bool
}

// PKCE says whether a confidential client must use PKCE (RFC 7636).
type PKCE string

// The values of PKCE. Their names are stored: do not change them.
const (
	PKCERequired PKCE = "required"
	PKCEOptional PKCE = "optional" // an administrator says so
	// PKCEUntilUsed lets a client leave it out until it has used it once: those
	// made over upstream's API, which has no place to say whether they know PKCE.
	PKCEUntilUsed PKCE = "until-used"
)

// CreateClient registers an application and returns it with its secret, for
// the one time that it can be seen. Faults: Invalid, Exists, Precondition.
func (g *Registry) CreateClient(ctx context.Context, by principal.Name, c Client) (Client, error) {
	return g.createClient(ctx, by, managed.Entry{}, c)
}

// createClient is CreateClient, or by an entry of pachd's configuration that
// declares the client.
func (g *Registry) createClient(ctx context.Context, by principal.Name, declared managed.Entry, c Client) (Client, error) {
	if err := g.checkNewClient(ctx, c); err != nil {
		return Client{}, err
	}
	if c.Secret == "" && !c.Public {
		c.Secret = rand.Text() + rand.Text()
	}
	err := g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Guard(ctx, tx, declared, managed.Client, c.ID, "identity.CreateOIDCClient"); err != nil {
			return err
		}
		err := g.with.Objects.In(tx).CreateClient(ctx, storage.Client{
			ID: c.ID, Name: c.Name, Secret: c.Secret, RedirectURIs: c.RedirectURIs, TrustedPeers: c.TrustedPeers,
			AllowedConnectors: c.AllowedConnectors, Public: c.Public, PostLogoutRedirectURIs: c.PostLogoutRedirectURIs,
		})
		if errors.Is(err, storage.ErrAlreadyExists) {
			return fault.New(fault.Exists, "client %q: ID already exists", c.ID).
				Next("change it with: pachctl idp update-client")
		}
		if err == nil && c.PKCE != "" {
			err = writePKCE(ctx, tx, c.ID, c.PKCE)
		}
		if err == nil && c.LogoutURI != nil {
			err = logout.SetURI(ctx, tx, c.ID, *c.LogoutURI)
		}
		if err != nil {
			return err
		}
		return g.recordClient(ctx, tx, by, "client.create", c.ID)
	})
	return c, err
}

// checkNewClient refuses what cannot be registered. Fault: Invalid.
func (g *Registry) checkNewClient(ctx context.Context, c Client) error {
	if c.Name == "" {
		return fault.New(fault.Invalid, "no client name specified").At("name")
	}
	if c.ID == "" {
		return fault.New(fault.Invalid, "no client id specified").At("id")
	}
	if err := g.checkClientID(ctx, c.ID); err != nil {
		return err
	}
	if err := g.checkLists(ctx, c); err != nil {
		return err
	}
	switch {
	case c.Public && c.Secret != "":
		return fault.New(fault.Invalid, "a public client has no secret").
			Next("leave out secret, or public").At("secret")
	case c.Public && len(c.RedirectURIs) == 0:
		return fault.New(fault.Invalid, "a public client without redirect_uris could be any program on a person's machine").
			Next("name them").At("redirect_uris")
	case c.Public && c.PKCE == PKCEOptional:
		return fault.New(fault.Invalid, "a public client uses PKCE always").
			Next("leave out pkce").At("pkce")
	case c.Secret == secret.Mask:
		return fault.New(fault.Invalid, "the secret is %s, which stands for a stored one, and none is stored", secret.Mask).
			Next("write the secret itself, or leave it out to have one made").At("secret")
	}
	return nil
}

// EnsureClient is CreateClient for callers that begin again where they broke off,
// as upstream's "pachctl auth activate": a client that has all that is asked for,
// and for which no secret is given, is returned as it is stored, with secret.Mask
// for its secret. Faults: Invalid, Exists.
func (g *Registry) EnsureClient(ctx context.Context, by principal.Name, c Client) (Client, error) {
	made, err := g.CreateClient(ctx, by, c)
	if c.Secret != "" || !fault.Is(err, fault.Exists) {
		return made, err
	}
	stored, readErr := g.Client(ctx, c.ID)
	if readErr != nil || !stored.covers(c) {
		return Client{}, err
	}
	stored.Secret = secret.Mask
	return stored, nil
}

// covers reports whether c has all that is asked for.
func (c Client) covers(asked Client) bool {
	return c.Name == asked.Name && c.Public == asked.Public &&
		containsAll(c.RedirectURIs, asked.RedirectURIs) && containsAll(c.TrustedPeers, asked.TrustedPeers)
}

func containsAll(have, asked []string) bool {
	return !slices.ContainsFunc(asked, func(one string) bool { return !slices.Contains(have, one) })
}

// checkClientID refuses the ids of pachctl, and those that a person would take
// for another client's.
func (g *Registry) checkClientID(ctx context.Context, id string) error {
	if slices.Contains(g.with.Reserved, id) {
		return fault.New(fault.Exists, "client %q: ID already exists; it is pachctl's own", id)
	}
	if len(id) > maxID {
		return fault.New(fault.Invalid, "client id has %d characters, and may have %d", len(id), maxID).Next("choose a shorter one").At("id")
	}
	if strings.ContainsFunc(id, func(r rune) bool { return r < '!' || r > '~' }) {
		return fault.New(fault.Invalid, "client id %q has white space or another character than those of ASCII", id).
			Next("use letters, digits and punctuation").At("id")
	}
	clients, err := g.Clients(ctx)
	if err != nil {
		return err
	}
	taken := slices.Clone(g.with.Reserved)
	for _, c := range clients {
		taken = append(taken, c.ID)
	}
	if n := slices.IndexFunc(taken, func(other string) bool { return other != id && strings.EqualFold(other, id) }); n >= 0 {
		return fault.New(fault.Invalid, "client id %q differs from %q in case only", id, taken[n]).
			Next("choose another").At("id")
	}
	return nil
}

// checkAllowed refuses a name that no connector has: a misspelt one would keep
// everybody out.
func (g *Registry) checkAllowed(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if err := g.with.Connected(ctx, id); err != nil {
			if fault.Is(err, fault.NotFound) {
				return fault.New(fault.Invalid, "allowed_connectors: there is no connector %q", id).
					Next("create it first").At("allowed_connectors")
			}
			return err
		}
	}
	return nil
}

func (c Client) checkLogout() error {
	if err := checkAddresses("post_logout_redirect_uris", c.PostLogoutRedirectURIs); err != nil || c.LogoutURI == nil || *c.LogoutURI == "" {
		return err
	}
	return checkAddresses("backchannel_logout_uri", []string{*c.LogoutURI})
}

func checkRedirects(uris []string) error { return checkAddresses("redirect_uris", uris) }

func checkAddresses(field string, uris []string) error {
	for _, u := range uris {
		// A query is allowed here, a fragment not even behind one (RFC 6749, 3.1.2).
		bare, _, _ := strings.Cut(u, "?")
		_, err := settings.CheckURL(bare, true)
		if err == nil && strings.Contains(u, "#") {
			err = fault.New(fault.Invalid, "%q must have no fragment", u)
		}
		if err != nil {
			return fault.Prefix(err, "%s", field).At(field)
		}
	}
	return nil
}

// UpdateClient changes what is given: an empty name, a masked or empty secret
// and nil lists stay. The client that pachd is becomes a registered one by it.
// Faults: NotFound, Invalid, Precondition.
func (g *Registry) UpdateClient(ctx context.Context, by principal.Name, c Client) error {
	return g.updateClient(ctx, by, managed.Entry{}, c)
}

// Clients are read all together, wherever they are listed.
const (
	maxID    = 255      // of characters
	maxLists = 32 << 10 // bytes of a client's lists and secret, together
)

// checkShown refuses what would be in the way of others who list clients or sign in.
// Fault: Invalid.
func (c Client) checkShown() error {
	if err := fault.CheckName("name", c.Name); err != nil {
		return err
	}
	size := len(c.Secret)
	if c.LogoutURI != nil {
		size += len(*c.LogoutURI)
	}
	for _, text := range slices.Concat(c.RedirectURIs, c.TrustedPeers, c.AllowedConnectors, c.PostLogoutRedirectURIs) {
		size += 1 + len(text)
	}
	if size > maxLists {
		return fault.New(fault.Invalid, "the client's lists have %d bytes, and may have %d", size, maxLists).
			Next("leave out what is not needed, or register several clients")
	}
	return nil
}

// checkLists holds what a client may be answered at, and by which connectors, to
// what can be. Fault: Invalid.
func (g *Registry) checkLists(ctx context.Context, c Client) error {
	if err := c.checkShown(); err != nil {
		return err
	}
	if err := checkRedirects(c.RedirectURIs); err != nil {
		return err
	}
	if err := g.checkAllowed(ctx, c.AllowedConnectors); err != nil {
		return err
	}
	return c.checkLogout()
}

func (g *Registry) updateClient(ctx context.Context, by principal.Name, declared managed.Entry, c Client) error {
	if err := g.checkLists(ctx, c); err != nil {
		return err
	}
	return g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Guard(ctx, tx, declared, managed.Client, c.ID, "identity.UpdateOIDCClient"); err != nil {
			return err
		}
		err := g.with.Objects.In(tx).UpdateClient(ctx, c.ID, c.changes)
		if own := g.with.Own(); c.ID == own.ID && errors.Is(err, storage.ErrNotFound) {
			// Where it is answered follows the issuer, and is not kept.
			own.RedirectURIs, own.Secret = nil, rand.Text()+rand.Text()
			if own, err = c.changes(own); err == nil {
				err = g.with.Objects.In(tx).CreateClient(ctx, own)
			}
		}
		if err != nil {
			return noClient(c.ID, err)
		}
		if c.LogoutURI != nil {
			if err := logout.SetURI(ctx, tx, c.ID, *c.LogoutURI); err != nil {
				return err
			}
		}
		if c.PKCE != "" {
			if err := writePKCE(ctx, tx, c.ID, c.PKCE); err != nil {
				return err
			}
		}
		return g.recordClient(ctx, tx, by, "client.update", c.ID)
	})
}

// changes puts what is given of c into what is stored.
func (c Client) changes(old storage.Client) (storage.Client, error) {
	if old.Public && (c.Secret != "" && c.Secret != secret.Mask || c.PKCE == PKCEOptional) {
		return old, fault.New(fault.Invalid, "client %q is public: it has no secret, and uses PKCE always", c.ID).
			Next("delete it and create one that is not")
	}
	if c.Name != "" {
		old.Name = c.Name
	}
	if c.Secret != "" && c.Secret != secret.Mask {
		old.Secret = c.Secret
	}
	if c.RedirectURIs != nil {
		old.RedirectURIs = c.RedirectURIs
	}
	if c.TrustedPeers != nil {
		old.TrustedPeers = c.TrustedPeers
	}
	if c.AllowedConnectors != nil {
		old.AllowedConnectors = c.AllowedConnectors
	}
	if c.PostLogoutRedirectURIs != nil {
		old.PostLogoutRedirectURIs = c.PostLogoutRedirectURIs
	}
	return old, nil
}

// CheckPublic refuses to make a confidential client public, or the other way round:
// what it was trusted with depends on it. Nil is no change. Faults: NotFound,
// Invalid.
func (g *Registry) CheckPublic(ctx context.Context, id string, public *bool) error {
	if public == nil {
		return nil
	}
	c, err := g.Client(ctx, id)
	if err == nil && c.Public != *public {
		err = fault.New(fault.Invalid, "client %q: public cannot be changed", id).
			Next("delete the client and create it anew").At("public")
	}
	return err
}

// RotateClientSecret gives an application a new secret and returns it, for the
// one time that it can be seen; the old one ends. Fault: NotFound.
func (g *Registry) RotateClientSecret(ctx context.Context, by principal.Name, id string) (string, error) {
	c := Client{ID: id, Secret: rand.Text() + rand.Text()}
	return c.Secret, g.UpdateClient(ctx, by, c)
}

// Client reads a registered application, or the client that pachd is, without its
// secret. Fault: NotFound.
func (g *Registry) Client(ctx context.Context, id string) (Client, error) {
	all, err := g.clients.Get(ctx)
	if err != nil {
		return Client{}, err
	}
	c, ok := all.find(id, g.with.Own())
	if !ok {
		return Client{}, noClient(id, storage.ErrNotFound)
	}
	return all.client(c), nil
}

// ClientSecret is the secret of a registered application. Fault: NotFound.
func (g *Registry) ClientSecret(ctx context.Context, id string) (string, error) {
	c, _, err := g.DexClient(ctx, id)
	if err != nil {
		return "", noClient(id, err)
	}
	return c.Secret, nil
}

// Topic is what db.Watch calls a change of clients.
const Topic = "client"

// clients is all that logins need to know of clients.
type clients struct {
	by   map[string]storage.Client
	pkce map[string]PKCE
	// logout are where they hear of ended sign-ins.
	logout map[string]string
	// managed are those that are declared.
	managed map[string]bool
	own     string // the id of the client that pachd is
}

func (g *Registry) readClients(ctx context.Context) (*clients, error) {
	c := &clients{by: map[string]storage.Client{}, own: g.with.Own().ID}
	return c, g.with.DB.View(ctx, func(tx *db.Tx) error {
		all, err := g.with.Objects.In(tx).ListClients(ctx)
		for _, one := range all {
			c.by[one.ID] = one
		}
		if err == nil {
			c.pkce, err = readPKCE(ctx, tx)
		}
		if err == nil {
			c.logout, err = logout.URIs(ctx, tx)
		}
		if err == nil {
			c.managed, err = managedClients(ctx, tx)
		}
		return err
	})
}

// find is a registered client, or pachd's own. Registered, as upstream's set-up does
// and as is needed to name trusted peers, that must not lose pachd's way in.
func (c *clients) find(id string, own storage.Client) (storage.Client, bool) {
	found, ok := c.by[id]
	switch {
	case id != own.ID:
		return found, ok
	case !ok:
		return own, true
	case !containsAll(found.RedirectURIs, own.RedirectURIs):
		found.RedirectURIs = slices.Concat(found.RedirectURIs, own.RedirectURIs)
	}
	return found, true
}

func (c *clients) client(d storage.Client) Client {
	out := Client{
		ID: d.ID, Name: d.Name, RedirectURIs: d.RedirectURIs, TrustedPeers: d.TrustedPeers, AllowedConnectors: d.AllowedConnectors,
		PKCE: c.pkceOf(d.ID), Public: d.Public, PostLogoutRedirectURIs: d.PostLogoutRedirectURIs, Managed: c.managed[d.ID],
	}
	if uri, ok := c.logout[d.ID]; ok {
		out.LogoutURI = &uri
	}
	return out
}

func (c *clients) pkceOf(id string) PKCE {
	if id == c.own || c.by[id].Public {
		return PKCERequired
	}
	return cmp.Or(c.pkce[id], PKCEUntilUsed)
}

// DexClient reads what Client does with its secret, as Dex has it, and whether it
// must use PKCE. What it returns is shared and must not be changed.
// Error: storage.ErrNotFound.
func (g *Registry) DexClient(ctx context.Context, id string) (storage.Client, PKCE, error) {
	all, err := g.clients.Get(ctx)
	if err != nil {
		return storage.Client{}, "", err
	}
	c, ok := all.find(id, g.with.Own())
	if !ok {
		err = storage.ErrNotFound
	}
	return c, all.pkceOf(id), err
}

// LearntPKCE notes that a client which may leave PKCE out until it uses it has
// used it, and so must from now on.
func LearntPKCE(ctx context.Context, tx *db.Tx, id string) error {
	if err := insertPKCE(ctx, tx, id, PKCERequired); err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, id)
}

// Clients lists the registered applications, and the client that pachd is, by id.
func (g *Registry) Clients(ctx context.Context) ([]Client, error) {
	all, err := g.clients.Get(ctx)
	if err != nil {
		return nil, err
	}
	own, _ := all.find(g.with.Own().ID, g.with.Own())
	out := []Client{all.client(own)}
	for id, c := range all.by {
		if id != own.ID {
			out = append(out, all.client(c))
		}
	}
	slices.SortFunc(out, func(a, b Client) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// DeleteClient forgets an application; what was granted to it ends. The client that
// pachd is becomes again what it was before it was changed. Faults: NotFound,
// Precondition.
func (g *Registry) DeleteClient(ctx context.Context, by principal.Name, id string) error {
	err := g.with.DB.Update(ctx, func(tx *db.Tx) error {
		if err := managed.Check(ctx, tx, managed.Client, id, "identity.DeleteOIDCClient"); err != nil {
			return err
		}
		return g.End(ctx, tx, by, id)
	})
	if id == g.with.Own().ID && fault.Is(err, fault.NotFound) {
		return fault.New(fault.Precondition, "client %q is pachd itself, as it is built in, and cannot be deleted", id)
	}
	return err
}

// End is DeleteClient in the caller's transaction. Fault: NotFound.
func (g *Registry) End(ctx context.Context, tx *db.Tx, by principal.Name, id string) error {
	if err := g.with.Objects.In(tx).DeleteClient(ctx, id); err != nil {
		return noClient(id, err)
	}
	if err := deletePKCE(ctx, tx, id); err != nil {
		return err
	}
	if err := g.with.Grants.EndOfClient(ctx, tx, id, g.with.Now()); err != nil {
		return err
	}
	if err := logout.SetURI(ctx, tx, id, ""); err != nil {
		return err
	}
	return g.recordClient(ctx, tx, by, "client.delete", id)
}

func (g *Registry) recordClient(ctx context.Context, tx *db.Tx, by principal.Name, action, id string) error {
	if err := tx.Changed(ctx, Topic, id); err != nil {
		return err
	}
	return audit.By{Actor: by, At: g.with.Now()}.Record(ctx, tx, action, "client/"+id, "")
}

func noClient(id string, err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return fault.New(fault.NotFound, "unable to find OIDC client with id %q: ID does not exist", id).
			Next("pachctl idp list-client shows those that do")
	}
	return err
}

// MayRedirect reports whether uri is a redirect URI of a client. It is stricter
// than Dex for clients without registered URIs: only a loopback address of the
// caller's own machine will do (RFC 8252, 7.3).
func MayRedirect(c storage.Client, uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if !c.Public || len(c.RedirectURIs) > 0 {
		return false
	}
	u, err := webaddr.Parse(uri)
	return err == nil && u.Scheme == "http" && webaddr.IsBare(u) && webaddr.IsLoopback(u.Hostname())
}
