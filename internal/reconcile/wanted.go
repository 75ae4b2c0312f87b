package reconcile

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"pachyderm/internal/access"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/connector/document"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/login"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// entry is one declared object, checked.
type entry struct {
	kind managed.Kind
	id   string
	at   declared.Place
	managed.Entry
	// what it is, by its kind; a slice of members stands for a group.
	connector registry.Connector
	client    oidcclient.Client
	roles     []string
	settings  settings.Settings
	auth      login.Config
}

// group is declared, but not managed: who else is in it others may say.
type group struct {
	name    principal.Name
	written string
	at      declared.Place
	members []principal.Name
}

// wanted is a declaration, checked.
type wanted struct {
	entries []entry
	groups  []group
	digest  string
}

func (w *wanted) find(k managed.Kind, id string) *entry {
	for n := range w.entries {
		if w.entries[n].kind == k && w.entries[n].id == id {
			return &w.entries[n]
		}
	}
	return nil
}

// check refuses a declaration that cannot be had, before any of it is. Faults:
// Invalid, with its place; those of the database.
func (r *Reconciler) check(ctx context.Context, s declared.State) (wanted, error) {
	w := wanted{}
	for _, step := range []func(context.Context, declared.State, *wanted) error{
		r.checkSettings, r.checkConnectors, r.checkClients, r.checkAuth, r.checkRoles, r.checkGroups,
	} {
		if err := step(ctx, s, &w); err != nil {
			return w, err
		}
	}
	var all []string
	for _, e := range w.entries {
		all = append(all, string(e.kind), e.id, e.Digest)
	}
	for _, g := range w.groups {
		all = append(all, r.digest(g.name, g.members))
	}
	if all != nil {
		w.digest = r.digest(all)
	}
	return w, nil
}

// digest is of values that may be secret: without the key, nobody can try them out.
func (r *Reconciler) digest(what ...any) string {
	h := hmac.New(sha256.New, r.key)
	if err := json.NewEncoder(h).Encode(what); err != nil {
		return "" // never the same as one that is stored
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (w *wanted) add(e entry) { w.entries = append(w.entries, e) }

func (r *Reconciler) checkSettings(ctx context.Context, s declared.State, w *wanted) error {
	if s.Settings == nil {
		return nil
	}
	d := settings.Settings{
		Issuer: s.Settings.Issuer, IDTokenExpiry: s.Settings.IDTokenExpiry, RotationTokenExpiry: s.Settings.RotationTokenExpiry,
	}
	if _, err := r.with.Issuer.CallbackWith(d); err != nil {
		return s.Settings.At.Explain(err)
	}
	w.add(entry{kind: managed.Settings, at: s.Settings.At, settings: d, Entry: managed.Entry{
		Origin: s.Settings.At.String(), Digest: r.digest(d),
	}})
	return nil
}

// callback is where providers will send people back to.
func (r *Reconciler) callback(w *wanted) string {
	if e := w.find(managed.Settings, ""); e != nil {
		callback, err := r.with.Issuer.CallbackWith(e.settings)
		if err == nil {
			return callback
		}
	}
	return ""
}

func (r *Reconciler) checkConnectors(_ context.Context, s declared.State, w *wanted) error {
	callback := r.callback(w)
	for _, c := range s.Connectors {
		d := registry.Connector{ID: c.ID, Name: c.Name, Type: c.Type, Version: c.Version, Config: c.Config}
		if err := r.with.Issuer.Registry.CheckDeclaredConnector(d, callback); err != nil {
			return c.At.Explain(err)
		}
		w.add(entry{kind: managed.Connector, id: c.ID, at: c.At, connector: d, Entry: managed.Entry{
			Origin: c.At.String(), Digest: r.digest(c.ID, c.Name, c.Type, c.Version, c.Config),
		}})
	}
	return nil
}

// resolve reads a secret that stands elsewhere.
func (r *Reconciler) resolve(text secret.Text, field string) (string, error) {
	kind, name, ok := document.Reference(text.Reveal())
	if !ok {
		return text.Reveal(), nil
	}
	references := r.with.References.ForDeclared()
	read := references.File
	if kind == "env" {
		read = references.Env
	}
	value, err := read(name)
	if err == nil && value == "" {
		err = fault.New(fault.Invalid, "what %s leads to is empty", text.Reveal())
	}
	if err != nil {
		return "", fault.Prefix(err, "%s", field).At(field)
	}
	return value, nil
}

func (r *Reconciler) checkClients(ctx context.Context, s declared.State, w *wanted) error {
	var connectors []string
	for _, c := range s.Connectors {
		connectors = append(connectors, c.ID)
	}
	own := issuer.LegacyClient
	if s.Auth != nil {
		own = cmp.Or(s.Auth.ClientID, own)
	}
	hasOwn := false
	for _, c := range s.Clients {
		if c.ID == own {
			hasOwn = true
			c.TrustedPeers = append(slices.Clone(c.TrustedPeers), s.Peers...)
		}
		if err := r.addClient(ctx, c, own, connectors, w); err != nil {
			return c.At.Explain(err)
		}
	}
	if len(s.Peers) > 0 && !hasOwn {
		c := declared.Client{
			ID: own, Name: "Pachyderm", RedirectURIs: []string{r.with.Issuer.LegacyRedirect()}, TrustedPeers: s.Peers, At: s.PeersAt,
		}
		if err := r.addClient(ctx, c, own, connectors, w); err != nil {
			return s.PeersAt.Explain(err)
		}
	}
	return nil
}

func (r *Reconciler) addClient(ctx context.Context, c declared.Client, own string, connectors []string, w *wanted) error {
	given, err := r.resolve(c.Secret, "secret")
	if err != nil {
		return err
	}
	pkce := oidcclient.PKCE(c.PKCE)
	if pkce == "" && c.At.InFile() {
		pkce = oidcclient.PKCERequired // as pachctl idp create-client has it
	}
	switch pkce {
	case "", oidcclient.PKCERequired, oidcclient.PKCEOptional, oidcclient.PKCEUntilUsed:
	default:
		return fault.New(fault.Invalid, "pkce: %q is neither required nor optional", c.PKCE).At("pkce")
	}
	d := oidcclient.Client{
		ID: c.ID, Name: cmp.Or(c.Name, c.ID), Secret: given, RedirectURIs: c.RedirectURIs, TrustedPeers: c.TrustedPeers,
		AllowedConnectors: c.Allowed, Public: c.Public, PostLogoutRedirectURIs: c.PostLogout, LogoutURI: c.LogoutURI, PKCE: pkce,
	}
	if given == "" && !c.Public && c.ID != own {
		return fault.New(fault.Invalid, "client %q has no secret, and nobody would learn one that is made", c.ID).
			Next("write secret: ${file:/run/secrets/NAME}, or public: true for a program that cannot keep one").At("secret")
	}
	if err := r.with.Issuer.Registry.CheckDeclaredClient(ctx, d, connectors); err != nil {
		return err
	}
	w.add(entry{kind: managed.Client, id: c.ID, at: c.At, client: d, Entry: managed.Entry{Origin: c.At.String(), Digest: r.digest(d)}})
	return nil
}

func (r *Reconciler) checkAuth(_ context.Context, s declared.State, w *wanted) error {
	a := s.Auth
	if a == nil {
		return nil
	}
	given, err := r.resolve(a.ClientSecret, "client_secret")
	if err != nil {
		return a.At.Explain(err)
	}
	d := login.Config{
		Issuer: a.Issuer, ClientID: a.ClientID, ClientSecret: given, RedirectURI: a.RedirectURI, Scopes: a.Scopes,
		RequireEmailVerified: a.RequireEmailVerified, LocalhostIssuer: a.LocalhostIssuer, UserAccessibleIssuerHost: a.UserAccessibleIssuerHost,
	}
	w.add(entry{kind: managed.AuthConfig, at: a.At, auth: d, Entry: managed.Entry{Origin: a.At.String(), Digest: r.digest(d)}})
	return nil
}

func (r *Reconciler) checkRoles(_ context.Context, s declared.State, w *wanted) error {
	for _, b := range s.Roles {
		who, err := principal.Parse(b.Principal)
		if err == nil {
			err = access.CheckClusterRoles(who, b.Roles)
		}
		if err == nil && len(b.Roles) == 0 {
			err = fault.New(fault.Invalid, "no roles are given").Next("name some, or remove the entry")
		}
		if err == nil && w.find(managed.RoleBinding, who.String()) != nil {
			err = fault.New(fault.Invalid, "%s is given twice, in several spellings", who).Next("keep one")
		}
		if err != nil {
			return b.At.Explain(err)
		}
		roles := slices.Clone(b.Roles)
		slices.Sort(roles)
		roles = slices.Compact(roles)
		w.add(entry{kind: managed.RoleBinding, id: who.String(), at: b.At, roles: roles, Entry: managed.Entry{
			Origin: b.At.String(), Digest: r.digest(who, roles),
		}})
	}
	return nil
}

func (r *Reconciler) checkGroups(_ context.Context, s declared.State, w *wanted) error {
	for _, g := range s.Groups {
		name, err := principal.OfGroup(g.Name)
		if err == nil && slices.ContainsFunc(w.groups, func(other group) bool { return other.name == name }) {
			err = fault.New(fault.Invalid, "%s is given twice, in several spellings", name).Next("keep one")
		}
		if err != nil {
			return g.At.Explain(err)
		}
		out := group{name: name, written: g.Name, at: g.At}
		for _, member := range g.Members {
			who, err := principal.Parse(member)
			if err == nil && !slices.Contains([]principal.Kind{principal.User, principal.Robot, principal.Pipeline}, who.Kind()) {
				err = fault.New(fault.Invalid, "%s cannot be in a group: groups have users, robots and pipelines as members", who)
			}
			if err != nil {
				return g.At.Explain(err)
			}
			out.members = append(out.members, who)
		}
		slices.Sort(out.members)
		out.members = slices.Compact(out.members)
		w.groups = append(w.groups, out)
	}
	return nil
}
