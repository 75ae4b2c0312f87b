package declared

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/strict"
)

// State is all that is declared, with the place of each part.
type State struct {
	Connectors []Connector
	Clients    []Client
	// Peers are ids of clients that may request tokens for the client that pachd is.
	Peers    []string
	PeersAt  Place
	Roles    []Roles
	Groups   []Group
	Settings *Settings
	Auth     *Auth
	// Secrets replace those of the clients with these ids: upstream's charts give
	// them apart from the rest.
	Secrets map[string]secret.Text
}

// Connector is one that is declared.
type Connector struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Type    string         `json:"type"`
	Version int64          `json:"version"`
	Config  map[string]any `json:"config"`
	At      Place          `json:"-"`
}

// Client is an OIDC client that is declared, with the keys of the document that
// pachctl idp create-client takes.
type Client struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	RedirectURIs []string    `json:"redirect_uris"`
	Secret       secret.Text `json:"secret"`
	TrustedPeers []string    `json:"trusted_peers"`
	Allowed      []string    `json:"allowed_connectors"`
	PKCE         string      `json:"pkce"`
	Public       bool        `json:"public"`
	PostLogout   []string    `json:"post_logout_redirect_uris"`
	LogoutURI    *string     `json:"backchannel_logout_uri"`
	At           Place       `json:"-"`
}

// Roles are the roles of a principal on the cluster.
type Roles struct {
	Principal string
	Roles     []string
	At        Place
}

// Group is a group with members.
type Group struct {
	Name    string
	Members []string
	At      Place
}

// Settings are the issuer's, as upstream names them.
type Settings struct {
	Issuer              string `json:"issuer"`
	IDTokenExpiry       string `json:"id_token_expiry"`
	RotationTokenExpiry string `json:"rotation_token_expiry"`
	At                  Place  `json:"-"`
}

// Auth is where pachd signs people in, as upstream names it.
type Auth struct {
	Issuer                   string      `json:"issuer"`
	ClientID                 string      `json:"client_id"`
	ClientSecret             secret.Text `json:"client_secret"`
	RedirectURI              string      `json:"redirect_uri"`
	Scopes                   []string    `json:"scopes"`
	RequireEmailVerified     bool        `json:"require_email_verified"`
	LocalhostIssuer          bool        `json:"localhost_issuer"`
	UserAccessibleIssuerHost string      `json:"user_accessible_issuer_host"`
	At                       Place       `json:"-"`
}

// Place is where something is declared.
type Place struct {
	source *source
	field  string // in the source
}

// source is a file, or the value of a variable.
type source struct {
	name string
	data []byte
	file bool
}

// String names the file and key, or the variable.
func (p Place) String() string {
	switch {
	case p.source == nil:
		return "pachd's configuration"
	case !p.source.file:
		return p.source.name
	}
	key, _, _ := strings.Cut(p.field, "[")
	return fmt.Sprintf("%s, %s", p.source.name, key)
}

// InFile reports whether it is a file, and not a variable.
func (p Place) InFile() bool { return p.source != nil && p.source.file }

// Explain says of a fault where its cause stands: source, key and line. It must not
// be called without error.
func (p Place) Explain(err error) error {
	if p.source == nil || fault.KindOf(err) == fault.Internal {
		return err
	}
	field := p.field
	if at := fault.FieldOf(err); at != "" {
		field = strings.TrimPrefix(field+"."+at, ".")
	}
	found := fault.Prefix(err, "%s", strings.TrimSuffix(p.source.name+": "+p.field, ": "))
	line := strict.LineOf(p.source.data, field)
	if line == 0 {
		line = strict.LineOf(p.source.data, p.field)
	}
	if line > 0 {
		found = found.OnLine(line)
	}
	return found.At(field)
}

func (p Place) item(n int) Place      { return Place{p.source, fmt.Sprintf("%s[%d]", p.field, n)} }
func (p Place) member(k string) Place { return Place{p.source, strings.TrimPrefix(p.field+"."+k, ".")} }

// Names of upstream's variables that declare something.
const (
	idpConnectors        = "IDP_CONNECTORS"
	idpConfig            = "IDP_CONFIG"
	idpClients           = "IDP_CLIENTS"
	idpAdditionalClients = "IDP_ADDITIONAL_CLIENTS"
	authConfig           = "AUTH_CONFIG"
	authClusterRBAC      = "AUTH_CLUSTER_RBAC"
	trustedPeers         = "TRUSTED_PEERS"
	authClientSecret     = "AUTH_CLIENT_SECRET" //nolint:gosec // a name
	consoleOAuthID       = "CONSOLE_OAUTH_ID"
	consoleOAuthSecret   = "CONSOLE_OAUTH_SECRET" //nolint:gosec // a name
	determinedID         = "DETERMINED_OAUTH_ID"
	determinedSecret     = "DETERMINED_OAUTH_SECRET"
)

// Variables are upstream's variables that declare something, and what.
func Variables() map[string]string {
	return map[string]string{
		idpConnectors: "connectors", idpConfig: "identityConfig", idpClients: "clients", idpAdditionalClients: "clients, more of them",
		authConfig: "authConfig", authClusterRBAC: "roleBindings", trustedPeers: "trustedPeers",
		authClientSecret: "the secret in authConfig and of its client", consoleOAuthID: "the id of the client that CONSOLE_OAUTH_SECRET is for",
		consoleOAuthSecret: "the secret of Console's client", determinedID: "the id of the client that DETERMINED_OAUTH_SECRET is for",
		determinedSecret: "the secret of Determined's client",
	}
}

// Read puts together what the section bootstrap of a file declares, whose text is
// data, and upstream's variables. Fault: Invalid.
func Read(doc Document, file string, data []byte, environ map[string]secret.Text) (State, error) {
	r := reader{environ: environ}
	own := func(key string) Place { return Place{&source{file, data, true}, "bootstrap." + key} }
	r.connectors(own("connectors"), doc.Connectors)
	r.clients(own("clients"), doc.Clients)
	r.roles(own("roleBindings"), doc.RoleBindings)
	r.settings(own("identityConfig"), doc.IdentityConfig)
	r.auth(own("authConfig"), doc.AuthConfig)
	r.peers(own("trustedPeers"), doc.TrustedPeers)
	for _, name := range slices.Sorted(maps.Keys(doc.Groups)) {
		r.state.Groups = append(r.state.Groups, Group{name, doc.Groups[name], own("groups").member(name)})
	}
	r.secrets()
	return r.state, r.err
}

// reader remembers the first mistake.
type reader struct {
	environ map[string]secret.Text
	state   State
	err     error
}

func (r *reader) fail(at Place, err error) {
	if r.err == nil && err != nil {
		r.err = at.Explain(err)
	}
}

// variable decodes a variable of upstream's, if it is set, and refuses to have the
// same from a file.
func (r *reader) variable(name string, own Place, fromFile bool, into any) (Place, bool) {
	text := r.environ[name].Reveal()
	if strings.TrimSpace(text) == "" {
		return own, false
	}
	at := Place{source: &source{name: name, data: []byte(text)}}
	if fromFile {
		r.fail(at, fault.New(fault.Invalid, "%s declares the same", own).Next("keep one of the two"))
		return at, false
	}
	if err := strict.Decode([]byte(text), into); err != nil {
		r.fail(at, err)
		return at, false
	}
	return at, true
}

func (r *reader) connectors(at Place, docs []map[string]any) {
	at, _ = r.variable(idpConnectors, at, docs != nil, &docs)
	for n, doc := range docs {
		c, err := connectorOf(doc)
		c.At = at.item(n)
		r.fail(c.At, err)
		for _, other := range r.state.Connectors {
			if other.ID == c.ID && err == nil {
				r.fail(c.At, fault.New(fault.Invalid, "connector %q is declared twice", c.ID).Next("remove one").At("id"))
			}
		}
		r.state.Connectors = append(r.state.Connectors, c)
	}
}

// connectorOf reads a document, whose keys may be in any case, as pachctl takes and
// prints them. Upstream's values have the version under another name, which counts
// for nothing there, and the settings as an object or as text.
func connectorOf(doc map[string]any) (c Connector, err error) {
	keys := map[string]any{}
	for key, value := range doc {
		lower := strings.ToLower(strings.ReplaceAll(key, "_", ""))
		switch {
		case lower == "configversion":
			continue
		case lower == "jsonconfig":
			text, _ := value.(string)
			if text == "" || text == "null" {
				continue
			}
			var config map[string]any
			if err := strict.Decode([]byte(text), &config); err != nil {
				return c, fault.Prefix(err, "unable to deserialize JSON").OnLine(0).At(key)
			}
			keys["config"] = config
			continue
		case slices.Contains([]string{"id", "name", "type", "version", "config"}, lower):
			key = lower
		}
		if _, twice := keys[key]; twice {
			return c, fault.New(fault.Invalid, "%s is given twice", key).Next("remove one").At(key)
		}
		keys[key] = value
	}
	return c, strict.DecodeValue(keys, &c)
}

func (r *reader) clients(at Place, docs []map[string]any) {
	from, upstream := r.variable(idpClients, at, docs != nil, &docs)
	r.addClients(from, docs, upstream)
	var more []map[string]any
	if from, given := r.variable(idpAdditionalClients, at, false, &more); given {
		r.addClients(from, more, true)
	}
}

func (r *reader) addClients(at Place, docs []map[string]any, upstream bool) {
	for n, doc := range docs {
		var c Client
		if upstream {
			doc = snakeCase(doc)
		}
		c.At = at.item(n)
		err := strict.DecodeValue(doc, &c)
		r.fail(c.At, err)
		for _, other := range r.state.Clients {
			if other.ID == c.ID && err == nil {
				r.fail(c.At, fault.New(fault.Invalid, "client %q is declared twice", c.ID).Next("remove one").At("id"))
			}
		}
		r.state.Clients = append(r.state.Clients, c)
	}
}

// snakeCase takes the keys that upstream's messages have as JSON as well: redirectUris
// is redirect_uris.
func snakeCase(doc map[string]any) map[string]any {
	out := make(map[string]any, len(doc))
	for key, value := range doc {
		var b strings.Builder
		for i, c := range key {
			if 'A' <= c && c <= 'Z' && i > 0 {
				b.WriteByte('_')
			}
			b.WriteString(strings.ToLower(string(c)))
		}
		out[b.String()] = value
	}
	return out
}

func (r *reader) roles(at Place, bindings map[string][]string) {
	at, _ = r.variable(authClusterRBAC, at, bindings != nil, &bindings)
	for _, who := range slices.Sorted(maps.Keys(bindings)) {
		r.state.Roles = append(r.state.Roles, Roles{who, bindings[who], at.member(who)})
	}
}

func (r *reader) settings(at Place, doc map[string]any) {
	at, upstream := r.variable(idpConfig, at, doc != nil, &doc)
	if doc == nil || r.err != nil {
		return
	}
	if upstream {
		doc = snakeCase(doc)
	}
	s := Settings{At: at}
	r.fail(at, strict.DecodeValue(doc, &s))
	r.state.Settings = &s
}

func (r *reader) auth(at Place, doc map[string]any) {
	at, upstream := r.variable(authConfig, at, doc != nil, &doc)
	if doc == nil || r.err != nil {
		return
	}
	if upstream {
		doc = snakeCase(doc)
	}
	a := Auth{At: at}
	r.fail(at, strict.DecodeValue(doc, &a))
	r.state.Auth = &a
}

func (r *reader) peers(at Place, ids []string) {
	r.state.PeersAt, _ = r.variable(trustedPeers, at, ids != nil, &ids)
	r.state.Peers = ids
}

// secrets takes those that upstream's charts give apart from their clients.
func (r *reader) secrets() {
	r.state.Secrets = map[string]secret.Text{}
	if s := r.environ[authClientSecret]; s != "" {
		at := Place{source: &source{name: authClientSecret}}
		if r.state.Auth == nil {
			r.fail(at, fault.New(fault.Invalid, "it is the secret of the client in AUTH_CONFIG, which is not set").Next("set both or neither"))
			return
		}
		r.state.Auth.ClientSecret = s
		r.state.Secrets[r.state.Auth.ClientID] = s
	}
	for id, name := range map[string]string{consoleOAuthID: consoleOAuthSecret, determinedID: determinedSecret} {
		if client, s := r.environ[id], r.environ[name]; client != "" && s != "" {
			r.state.Secrets[client.Reveal()] = s
		}
	}
	for n, c := range r.state.Clients {
		if s, ok := r.state.Secrets[c.ID]; ok {
			r.state.Clients[n].Secret = s
		}
	}
}
