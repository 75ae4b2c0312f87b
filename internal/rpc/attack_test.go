package rpc_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

const (
	attackerLoopback = "http://127.0.0.1:45678/callback"
	fresh            = "*" // stands for a name that nothing has yet
	mallories        = 1000
	madeUp           = "made-up-token-0123456789012345"
	attackerVerifier = "0123456789012345678901234567890123456789012"
)

// attack is one pachd with people who may everything, and one attacker: Bob,
// who has a single role somewhere, and an identity provider that says what he likes.
type attack struct {
	*pachdtest.Server
	t       *testing.T
	evil    *op.Provider
	session string
	rng     *rand.Rand
	made    int
	// texts are what the attacker writes into fields, by the name of the field, or of the
	// message and the field.
	texts map[string][]string
	// kept is all that came into the attacker's hands and may be a token, strange what
	// nobody was known by: it is looked at again at the end. sessions are the last of each
	// person by each connector and application.
	kept     map[string]bool
	strange  map[string]bool
	sessions map[[2]string]string
	reached  map[string]bool  // the methods that have been called with success
	refused  map[string]error // how they were refused last
}

func carol() op.Person {
	return op.Person{Email: "carol@example.com", Name: "Carol", Password: "x", Groups: []string{"admins"}}
}

// mallory is one of many who nobody has seen before.
func mallory(n int) op.Person {
	return op.Person{Email: fmt.Sprintf("mallory-%d@example.com", n), Name: fmt.Sprint("Mallory ", n), Password: "x", Groups: []string{"admins", "demo/admins"}}
}

func newAttack(t *testing.T, on *auth.Resource, role string) *attack {
	t.Helper()
	a := &attack{
		Server: pachdtest.Start(t), t: t, rng: rand.New(rand.NewPCG(1, uint64(len(role)))),
		kept: map[string]bool{}, strange: map[string]bool{}, sessions: map[[2]string]string{},
		reached: map[string]bool{}, refused: map[string]error{},
	}
	a.Connect()
	a.Alice()
	a.evil = evilProvider(t, a.Issuer.Callback())
	for who, role := range map[string]string{
		pachdtest.Alice: "clusterAdmin", "user:carol@example.com": "clusterAdmin", "group:admins": "clusterAdmin", "group:evil/admins": "clusterAdmin", "group:crew": "clusterAdmin", "robot:ops": "clusterAdmin",
	} {
		if err := a.Bind(pachdtest.Cluster(), who, role); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Bind(on, "user:bob@example.com", role); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*identity.OIDCClient{
		{Id: "console", Name: "Console", RedirectUris: []string{"https://console.example.com/callback"}},
		{Id: "pachd", Name: "pachd", RedirectUris: []string{a.Issuer.LegacyRedirect()}, TrustedPeers: []string{"console"}},
	} {
		if _, err := a.API.Identity.CreateOIDCClient(a.Root(), &identity.CreateOIDCClientRequest{Client: c}); err != nil {
			t.Fatal(err)
		}
	}
	a.session = a.authenticate(a.signIn("pachctl", "demo", optest.Bob))
	if a.session == "" {
		t.Fatal("Bob has no session")
	}
	a.kept[a.session], a.kept[madeUp] = true, true
	a.learn()
	return a
}

// evilProvider says of everybody that they are who they want to be.
func evilProvider(t *testing.T, callback string) *op.Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	alice := optest.Alice
	alice.Password = "x"
	people := []op.Person{alice, carol()}
	for n := range mallories {
		people = append(people, mallory(n))
	}
	p, err := op.New(op.Config{
		Issuer: "http://" + server.Listener.Addr().String(), ClientID: "pachyderm", ClientSecret: "evil-secret-value",
		RedirectURIs: []string{callback}, People: people,
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = p
	server.Start()
	t.Cleanup(server.Close)
	return p
}

// learn fills texts; what only some may see the attacker is given.
func (a *attack) learn() {
	const longEnough, bob, alice = "a-secret-that-is-long-enough", "user:bob@example.com", pachdtest.Alice
	a.texts = map[string][]string{
		// who
		"principal": {bob, "robot:ops", "group:admins"}, "user": {bob, alice}, "username": {bob, alice}, "subject": {"robot:ops", bob, "pach:root"},
		"robot": {"ops", "new"}, "creator": {bob}, "group": {"group:admins", "admins"}, "groups": {"group:admins", "admins"}, "add": {bob}, "remove": {alice},
		"roles": {"clusterAdmin"}, "new_name": {"user:bob@example.org", alice}, "RenameUserRequest.user": {"user:carol@example.com", bob},
		"ModifyMembersRequest.group": {"group:crew", "group:admins"}, "SetMaxAgeRequest.principal": {"group:crew", "group:admins"},

		// by which token
		"token": {madeUp}, "root_token": {madeUp + "-root"}, "hashed_token": {secret.Hash(madeUp)}, "secret": {longEnough}, "client_secret": {longEnough},
		"Trust.id": {fresh, "mine"}, "DeleteTrustRequest.id": {"mine"}, "Trust.robot": {"robot:ops"}, "Trust.claims": {""},
		"audience": {"https://pachyderm.example.com"},

		// from which provider
		"id": {"demo", "evil", "pachd", "pachctl", "console"}, "type": {"oidc"}, "name": {"evil", "", "default"}, "issuer": {a.evil.Issuer, ""},
		"json_config": {""}, "IDPConnector.id": {fresh, "demo", "evil"}, "DeleteIDPConnectorRequest.id": {"evil"},
		"ApproveConnectorRequest.id": {"evil"}, "SetConnectorEnabledRequest.id": {"evil"}, "RollBackConnectorRequest.id": {"demo"},
		"ConfirmConnectorRequest.id": {"demo"}, "allowed_connectors": {"demo", "evil"},
		"CreateSetupLinkRequest.connector_id": {"sent", "demo"}, "CreateSetupLinkRequest.type": {"oidc"}, "CreateSetupLinkRequest.preset": {""},

		// for which application
		"client_id": {"console", "pachd", "evil"}, "redirect_uris": {attackerLoopback}, "redirect_uri": {attackerLoopback},
		"post_logout_redirect_uris": {attackerLoopback}, "trusted_peers": {"console", "evil", "pachctl"}, "scopes": {"openid", "email"},
		"OIDCClient.id": {fresh, "console", "evil"}, "OIDCClient.name": {"evil"}, "DeleteOIDCClientRequest.id": {"console"},

		// to what
		"Project.name": {"default"}, "Repo.name": {"evil", "images"}, "Repo.type": {"user"}, "Branch.name": {"master"}, "Commit.id": {""}, "path": {"/a"},
		"AddClusterRequest.id": {"mine"}, "UpdateClusterRequest.id": {"mine"}, "HeartbeatRequest.id": {"mine"}, "DeleteClusterRequest.id": {"mine"},
	}
	a.learnIDs()
}

// learnIDs is what changes as things are made.
func (a *attack) learnIDs() {
	a.t.Helper()
	links, err := a.API.Pach.ListSetupLinks(a.Root(), &pach.ListSetupLinksRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	var ids []string
	for _, l := range links.GetLinks() {
		ids = append(ids, l.GetId())
	}
	a.texts["ApproveSetupLinkRequest.id"], a.texts["GetSetupLinkRequest.id"], a.texts["DeleteSetupLinkRequest.id"] = ids, ids, ids
	tokens, err := a.API.Pach.ListTokens(a.Root(), &pach.ListTokensRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	a.texts["RevokeSessionRequest.id"] = nil
	for _, one := range tokens.GetTokens() {
		if one.GetPrincipal() == pachdtest.Alice {
			a.texts["RevokeSessionRequest.id"] = append(a.texts["RevokeSessionRequest.id"], one.GetId())
		}
	}
	a.texts["revision"], a.texts["identity_id"] = nil, nil
	states, err := a.API.Pach.ListConnectorStates(a.Root(), &pach.ListConnectorStatesRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	past, err := a.API.Pach.ListConnectorRevisions(a.Root(), &pach.ListConnectorRevisionsRequest{Id: "demo"})
	if err == nil { // it is there
		a.texts["RollBackConnectorRequest.revision"] = nil
		for _, r := range past.GetRevisions() {
			a.texts["RollBackConnectorRequest.revision"] = append(a.texts["RollBackConnectorRequest.revision"], r.GetRevision())
		}
	}
	for _, s := range states.GetStates() {
		a.texts["revision"] = append(a.texts["revision"], s.GetRevision())
		if s.GetId() == "evil" {
			a.texts["ApproveConnectorRequest.revision"] = []string{s.GetRevision()}
		}
	}
	users, err := a.API.Pach.ListUsers(a.Root(), &pach.ListUsersRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, u := range users.GetUsers() {
		for _, i := range u.GetIdentities() {
			a.texts["identity_id"] = append(a.texts["identity_id"], i.GetId())
		}
	}
}

// calls are all unary methods: those that make or change something or look, and
// those that take away.
func calls() (first, last []protoreflect.MethodDescriptor) {
	protoregistry.GlobalFiles.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for n := range f.Services().Len() {
			s := f.Services().Get(n)
			if strings.HasPrefix(string(s.FullName()), "grpc.") {
				continue
			}
			for m := range s.Methods().Len() {
				switch d := s.Methods().Get(m); {
				case d.IsStreamingClient() || d.IsStreamingServer():
				case takesAway(string(d.Name())):
					last = append(last, d)
				default:
					first = append(first, d)
				}
			}
		}
		return true
	})
	byName := func(x, y protoreflect.MethodDescriptor) int {
		return strings.Compare(string(x.FullName()), string(y.FullName()))
	}
	slices.SortFunc(first, byName)
	slices.SortFunc(last, byName)
	slices.SortStableFunc(last, func(x, y protoreflect.MethodDescriptor) int { return cmp.Compare(endsAll(x), endsAll(y)) })
	return first, last
}

// endsAll is more for what less can be called after.
func endsAll(m protoreflect.MethodDescriptor) int {
	return slices.Index([]string{"license_v2.API.DeleteAll", "auth_v2.API.RotateRootToken", "enterprise_v2.API.Deactivate", "identity_v2.API.DeleteAll", "auth_v2.API.Deactivate"}, string(m.FullName()))
}

func reads(method string) bool {
	return strings.HasPrefix(method, "Get") || strings.HasPrefix(method, "List") || strings.HasPrefix(method, "Inspect") ||
		slices.Contains([]string{"WhoAmI", "PauseStatus", "Authorize", "Explain", "CheckConnector", "Check"}, method)
}

// takesAway says that less can be done after a method, for which it has to wait.
func takesAway(method string) bool {
	return strings.HasPrefix(method, "Set") && strings.Contains(method, "Config") ||
		slices.ContainsFunc([]string{"Delete", "Revoke", "Rotate", "Deactivate"}, func(verb string) bool { return strings.HasPrefix(method, verb) })
}

// fill writes hostile values into a message.
func (a *attack) fill(m protoreflect.Message, depth int) {
	switch s := m.Interface().(type) {
	case *structpb.Struct:
		config, err := structpb.NewStruct(a.config())
		if err != nil {
			a.t.Fatal(err)
		}
		proto.Merge(s, config)
		return
	case *durationpb.Duration:
		s.Seconds = []int64{0, 600, 48 * 3600}[a.rng.IntN(3)]
		return
	case *timestamppb.Timestamp:
		s.Seconds = time.Now().Unix() + []int64{-48 * 3600, 0, 3600}[a.rng.IntN(3)]
		return
	case *auth.Resource:
		if a.rng.IntN(4) > 0 {
			proto.Merge(s, []*auth.Resource{pachdtest.Cluster(), pachdtest.Project("default")}[a.rng.IntN(2)])
			return
		}
	}
	fields := m.Descriptor().Fields()
	for n := range fields.Len() {
		f := fields.Get(n)
		switch {
		case depth > 4 || depth > 0 && a.rng.IntN(16) == 0 || f.Kind() == protoreflect.MessageKind && fields.Len() > 1 && a.rng.IntN(4) == 0:
		case f.Kind() == protoreflect.StringKind && slices.Contains([]protoreflect.Name{"root_cas", "jwks", "page_token"}, f.Name()):
		case f.IsMap():
			if f.MapValue().Kind() == protoreflect.StringKind {
				m.Mutable(f).Map().Set(protoreflect.ValueOfString("x").MapKey(), protoreflect.ValueOfString("y"))
			}
		case f.IsList():
			list := m.Mutable(f).List()
			if f.Kind() == protoreflect.MessageKind {
				v := list.NewElement()
				a.fill(v.Message(), depth+1)
				list.Append(v)
			} else {
				list.Append(a.scalar(f))
			}
		case f.Kind() == protoreflect.MessageKind && f.Message().Name() == "StringList":
			m.Set(f, protoreflect.ValueOfMessage((&pach.StringList{Values: []string{a.text(f)}}).ProtoReflect()))
		case f.Kind() == protoreflect.MessageKind:
			v := m.NewField(f)
			a.fill(v.Message(), depth+1)
			m.Set(f, v)
		default:
			m.Set(f, a.scalar(f))
		}
	}
}

func (a *attack) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(a.text(f))
	case protoreflect.BoolKind:
		never, always := f.Name() == "public" || f.Name() == "draft", f.Name() == "enabled"
		return protoreflect.ValueOfBool(always || !never && a.rng.IntN(2) == 0)
	case protoreflect.EnumKind:
		values := f.Enum().Values()
		return protoreflect.ValueOfEnum(values.Get(a.rng.IntN(min(values.Len(), 5))).Number())
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(a.rng.IntN(2)))
	case protoreflect.Int64Kind:
		if f.Name() == "ttl" {
			return protoreflect.ValueOfInt64(600)
		}
		return protoreflect.ValueOfInt64(int64(a.rng.IntN(2)))
	}
	return f.Default()
}

func (a *attack) text(f protoreflect.FieldDescriptor) string {
	choices := a.texts[string(f.ContainingMessage().Name())+"."+string(f.Name())]
	if len(choices) == 0 {
		choices = a.texts[string(f.Name())]
	}
	if len(choices) == 0 {
		choices = []string{"", "x"}
	}
	if text := choices[a.rng.IntN(len(choices))]; text != fresh {
		return text
	}
	a.made++
	return fmt.Sprint("new-", a.made)
}

// config is a connector's: the attacker's provider, or another reading of what
// the organisation's own says.
func (a *attack) config() map[string]any {
	whole := map[string]any{
		"issuer": a.evil.Issuer, "clientID": a.evil.ClientID, "clientSecret": a.evil.ClientSecret, "redirectURI": a.Issuer.Callback(),
		"insecureEnableGroups": true,
	}
	other := map[string]any{"userIDKey": "name", "claimMapping": map[string]any{"groups": "email"}}
	if a.rng.IntN(8) == 0 {
		return other
	}
	return whole
}

// callEach calls methods many times as the attacker, keeps what looks like a
// token, and calls then after what may have changed something.
func (a *attack) callEach(methods []protoreflect.MethodDescriptor, then func(method string)) {
	for _, m := range methods {
		if _, err := a.WhoAmI(pachdtest.As(a.t.Context(), a.session)); err != nil {
			if s := a.authenticate(a.signIn("pachctl", "demo", optest.Bob)); s != "" {
				a.session, a.kept[s] = s, true
			}
		}
		ctx, changed := pachdtest.As(a.t.Context(), a.session), 0
		tries := 12
		if reads(string(m.Name())) {
			tries = 2
		}
		for range tries {
			in, out := newMessage(a.t, m.Input()), newMessage(a.t, m.Output())
			a.fill(in.ProtoReflect(), 0)
			bounded, cancel := context.WithTimeout(ctx, 2*time.Second) // of those that wait for somebody
			err := a.Conn.Invoke(bounded, "/"+string(m.Parent().FullName())+"/"+string(m.Name()), in, out)
			cancel()
			if err != nil {
				a.refused[string(m.FullName())] = err
				continue
			}
			a.reached[string(m.FullName())] = true
			a.keep(out.ProtoReflect())
			if changed++; changed == 1 && !reads(string(m.Name())) {
				then(string(m.Name()))
			}
		}
	}
}

func newMessage(t *testing.T, d protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return typ.New().Interface()
}

func (a *attack) keep(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsList() && f.Kind() == protoreflect.MessageKind:
			for n := range v.List().Len() {
				a.keep(v.List().Get(n).Message())
			}
		case f.IsList() || f.IsMap():
		case f.Kind() == protoreflect.MessageKind:
			a.keep(v.Message())
		case f.Kind() == protoreflect.StringKind && len(v.String()) >= 16:
			a.kept[v.String()] = true
		}
		return true
	})
}

// signIn signs somebody in to an application and returns the code that the
// application gets, or "" if there is none.
func (a *attack) signIn(client, connector string, who op.Person) string {
	sum := sha256.Sum256([]byte(attackerVerifier))
	q := url.Values{
		"client_id": {client}, "redirect_uri": {attackerLoopback}, "response_type": {"code"}, "state": {"s"}, "connector_id": {connector},
		"scope": {"openid email groups"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if client != "pachctl" {
		q.Set("scope", "openid email groups audience:server:client_id:pachd")
	}
	b := optest.NewBrowser(a.t, func(u *url.URL) bool { return u.Host == "127.0.0.1:45678" })
	page := b.Get(a.Issuer.Endpoint("/auth") + "?" + q.Encode())
	if !strings.Contains(page.Body, `name="password"`) {
		return page.URL.Query().Get("code")
	}
	return b.Submit(page, map[string]string{"email": who.Email, "password": who.Password}).URL.Query().Get("code")
}

// authenticate makes of a code for pachctl, or for one of the attacker's
// applications, a session.
func (a *attack) authenticate(code string, clients ...string) string {
	if code == "" {
		return ""
	}
	for _, client := range append(clients, "pachctl") {
		raw, err := a.Issuer.Redeem(a.t.Context(), client, attackerLoopback, code, attackerVerifier)
		if err != nil {
			continue
		}
		r, err := a.API.Auth.Authenticate(a.t.Context(), &auth.AuthenticateRequest{IdToken: raw})
		if err == nil {
			return r.GetPachToken()
		}
	}
	return ""
}

// signInEverywhere tries each connector as each person whom the evil provider
// knows, and each application with Alice, who opens a link and has signed in.
func (a *attack) signInEverywhere() {
	a.learnIDs()
	connectors, err := a.API.Identity.ListIDPConnectors(a.Root(), &identity.ListIDPConnectorsRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	alice := optest.Alice
	alice.Password = "x"
	for _, c := range connectors.GetConnectors() {
		a.made++
		for n, who := range []op.Person{alice, carol(), mallory(a.made % mallories), optest.Bob} {
			if s := a.authenticate(a.signIn("pachctl", c.GetId(), who)); s != "" {
				a.sessions[[2]string{c.GetId(), strconv.Itoa(n)}] = s
			}
		}
	}
	clients, err := a.API.Identity.ListOIDCClients(a.Root(), &identity.ListOIDCClientsRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range clients.GetClients() {
		if s := a.authenticate(a.signIn(c.GetId(), "demo", optest.Alice), c.GetId()); s != "" {
			a.sessions[[2]string{"", c.GetId()}] = s
		}
	}
}

// beyond lists what a token permits that is not among some permissions.
func (a *attack) beyond(token string, among []auth.Permission) (who string, more []auth.Permission) {
	ctx := pachdtest.As(a.t.Context(), token)
	w, err := a.WhoAmI(ctx)
	if err != nil {
		return "", nil
	}
	for _, r := range []*auth.Resource{pachdtest.Cluster(), pachdtest.Project("default")} {
		p, err := a.API.Auth.GetPermissions(ctx, &auth.GetPermissionsRequest{Resource: r})
		if err != nil {
			continue
		}
		more = append(more, slices.DeleteFunc(p.GetPermissions(), func(p auth.Permission) bool { return slices.Contains(among, p) })...)
	}
	return w.GetUsername(), more
}

// grantable is what a role permits, and what everybody may.
func (a *attack) grantable(role string) (all []auth.Permission, roles []string) {
	seen := map[string]bool{}
	for n := range auth.Permission_name {
		r, err := a.API.Auth.GetRolesForPermission(a.Root(), &auth.GetRolesForPermissionRequest{Permission: auth.Permission(n)})
		if err != nil {
			continue
		}
		for _, x := range r.GetRoles() {
			if seen[x.GetName()] = true; slices.Contains([]string{role, "projectCreator", "projectWriter"}, x.GetName()) {
				all = append(all, auth.Permission(n))
			}
		}
	}
	for name := range seen {
		roles = append(roles, name)
	}
	slices.Sort(roles)
	return all, roles
}

// lesserRoles are all but clusterAdmin, which may grant every role.
func lesserRoles(t *testing.T) []string {
	t.Helper()
	s := &attack{Server: pachdtest.Start(t), t: t}
	_, roles := s.grantable("")
	if len(roles) != 18 {
		t.Fatalf("%d roles: %v", len(roles), roles)
	}
	return slices.DeleteFunc(roles, func(r string) bool { return r == "clusterAdmin" })
}

// Whoever holds one role, whatever they call with whatever values, ends up with
// nothing that exceeds it. A new method is covered by existing.
func TestRole_CannotBecomeAnother(t *testing.T) {
	type held struct {
		on         *auth.Resource
		role, like string // like is the role that gives as much
	}
	all := map[string]held{
		"clusterAdmin on a project": {pachdtest.Project("default"), "clusterAdmin", "projectOwner"},
		"idpAdmin on a project":     {pachdtest.Project("default"), "idpAdmin", ""},
	}
	for _, role := range lesserRoles(t) {
		all[role] = held{pachdtest.Cluster(), role, role}
	}
	for name, h := range all {
		t.Run(name, func(t *testing.T) {
			a := newAttack(t, h.on, h.role)
			among, _ := a.grantable(h.like)
			first, last := calls()
			check := func(method string, tokens iter.Seq[string], unknown bool) {
				for token := range tokens {
					if a.strange[token] && !unknown {
						continue
					}
					who, more := a.beyond(token, among)
					if len(more) > 0 {
						t.Fatalf("%s has become %s after %s, with %d permissions more, such as %s", name, who, method, len(more), more[0])
					}
					a.strange[token] = who == ""
				}
			}
			look := func(method string, unknown bool) {
				a.signInEverywhere()
				check(method, maps.Values(a.sessions), unknown)
				check(method, maps.Keys(a.kept), unknown)
			}
			a.callEach(slices.Concat(first, first), func(method string) { look(method, false) })
			look("all but deletions", true)
			a.callEach(last, func(method string) { look(method, false) })
			look("everything", true)
		})
	}
}

// The attack sends values that each method takes: an administrator gets through.
func TestRole_AttackReachesEveryMethod(t *testing.T) {
	const bound, later = "is of whoever has a secret that was given in a browser, or to somebody else", "has nothing to work on, or the attack has ended before"
	not := map[string]string{
		"auth_v2.API.Authenticate": bound, "pach_v1.API.BeginRootSession": bound, "pach_v1.API.BeginSetup": bound, "pach_v1.API.SubmitSetup": bound,
		"pach_v1.API.CheckSetup": bound, "pach_v1.API.StartSetupTest": bound, "pach_v1.API.WaitSetupTest": bound, "pach_v1.API.WaitConnectorTest": bound,
		"pach_v1.API.TestTrust": bound, "pach_v1.API.ApproveSetupLink": later, "pach_v1.API.RevokeSession": later, "pach_v1.API.ConfirmConnector": later,
		"enterprise_v2.API.Deactivate": later, "auth_v2.API.Deactivate": later,
	}
	a := newAttack(t, pachdtest.Cluster(), "clusterAdmin")
	first, last := calls()
	for range 4 { // so that chance has no part in it
		a.callEach(first, func(string) { a.learnIDs() })
	}
	a.callEach(last, func(string) {})
	for _, m := range slices.Concat(first, last) {
		name, service := string(m.FullName()), string(m.Parent().FullName())
		if reads(string(m.Name())) || !slices.Contains([]string{"auth_v2.API", "enterprise_v2.API", "identity_v2.API", "license_v2.API", "pach_v1.API"}, service) {
			continue
		}
		if err := a.refused[name]; not[name] == "" && !a.reached[name] && status.Code(err) != codes.Unimplemented {
			t.Errorf("%s was never reached, last for %v", name, err)
		}
	}
}

// And the attack finds the way where there is one: once an administrator has
// approved the attacker's connector.
func TestRole_AttackSucceedsOnceApproved(t *testing.T) {
	a := newAttack(t, pachdtest.Cluster(), "idpAdmin")
	among, _ := a.grantable("idpAdmin")
	config, err := structpb.NewStruct(map[string]any{
		"issuer": a.evil.Issuer, "clientID": a.evil.ClientID, "clientSecret": a.evil.ClientSecret, "redirectURI": a.Issuer.Callback(),
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.API.Identity.CreateIDPConnector(pachdtest.As(t.Context(), a.session), &identity.CreateIDPConnectorRequest{
		Connector: &identity.IDPConnector{Id: "evil", Name: "evil", Type: "oidc", Config: config},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := a.authenticate(a.signIn("pachctl", "evil", carol()))
	if who, more := a.beyond(before, among); who != "user:carol@example.com" || len(more) > 0 {
		t.Errorf("before: %s has %d permissions more", who, len(more))
	}
	if _, err := a.API.Pach.ApproveConnector(a.Root(), &pach.ApproveConnectorRequest{Id: "evil", Revision: a.revision("evil")}); err != nil {
		t.Fatal(err)
	}
	if who, more := a.beyond(before, among); who != "user:carol@example.com" || len(more) == 0 {
		t.Errorf("after: %s has %d permissions more", who, len(more))
	}
}

func (a *attack) revision(id string) string {
	a.t.Helper()
	states, err := a.API.Pach.ListConnectorStates(a.Root(), &pach.ListConnectorStatesRequest{})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, s := range states.GetStates() {
		if s.GetId() == id {
			return s.GetRevision()
		}
	}
	return ""
}
