package reconcile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/pachd"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// site is a pachd with a configuration file, and a provider that its people are at.
type site struct {
	*pachdtest.Server
	t       *testing.T
	file    string
	dir     string
	url     string // of the database; empty for SQLite in dir
	environ []string
	op      *op.Provider
}

// each runs f with a pachd whose configuration declares nothing yet.
func each(t *testing.T, f func(t *testing.T, s *site)) {
	t.Run("sqlite", func(t *testing.T) { f(t, newSite(t, "")) })
	t.Run("postgres", func(t *testing.T) { f(t, newSite(t, dbtest.ReadyPostgresURL(t))) })
}

func newSite(t *testing.T, databaseURL string) *site {
	s := &site{t: t, dir: t.TempDir(), file: filepath.Join(t.TempDir(), "pachd.yaml"), url: databaseURL, environ: rootToken()}
	s.write("")
	s.start()
	s.environ = append(s.environ, "PACHD_LISTEN_HTTP="+s.Pachd.HTTP())
	s.op = optest.Start(t, s.Issuer.Callback())
	return s
}

// rootToken is one for all replicas.
func rootToken() []string { return []string{"PACHD_AUTH_ROOT_TOKEN=root-token-of-a-test"} }

func (s *site) write(bootstrap string) {
	s.t.Helper()
	if bootstrap != "" {
		bootstrap = "bootstrap:\n" + bootstrap
	}
	if err := os.WriteFile(s.file, []byte(bootstrap), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) start() {
	s.t.Helper()
	s.Server = pachdtest.StartWith(s.t, s.dir, s.file, s.environ, s.database)
}

func (s *site) database(c *config.Config) {
	if s.url != "" {
		c.Database.URL = secret.Text(s.url)
	}
}

func (s *site) restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// tryRestart is the reason why pachd does not start.
func (s *site) tryRestart() string {
	s.t.Helper()
	s.Stop()
	_, err := pachdtest.TryWith(s.t, s.dir, s.file, s.environ, s.database)
	if err == nil {
		s.t.Fatal("it started")
	}
	return fault.Message(err)
}

// connector declares the provider.
func (s *site) connector(name string) string {
	return fmt.Sprintf(`  connectors:
  - id: demo
    name: %s
    type: oidc
    config:
      issuer: %s
      clientID: %s
      clientSecret: %s
      redirectURI: %s
      insecureEnableGroups: true
`, name, s.op.Issuer, s.op.ClientID, s.op.ClientSecret, s.Issuer.Callback())
}

func (s *site) connectors() (names []string) {
	s.t.Helper()
	all, err := s.API.Identity.ListIDPConnectors(s.Root(), &identity.ListIDPConnectorsRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all.GetConnectors() {
		names = append(names, c.GetId()+" "+c.GetName())
	}
	return names
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func (s *site) wantLog(parts ...string) {
	s.t.Helper()
	for line := range strings.Lines(s.Log.String()) {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			return
		}
	}
	s.t.Errorf("no line of the log has all of %q:\n%s", parts, s.Log.String())
}

func TestConnector_DeclaredSignsPeopleIn(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.write(s.connector("Demo") + "  roleBindings:\n    group:admins: [clusterAdmin]\n")
		s.restart()
		s.wantLog("done=added", "connector/demo", s.file+", bootstrap.connectors")
		session := s.Alice()
		who, err := s.WhoAmI(pachdtest.As(t.Context(), session))
		if err != nil || who.GetUsername() != pachdtest.Alice {
			t.Fatalf("%v, %v", who, err)
		}
		// It is approved, so that its groups count.
		if _, err := s.API.Auth.GetRobotToken(pachdtest.As(t.Context(), session), &auth.GetRobotTokenRequest{Robot: "ci"}); err != nil {
			t.Error(err)
		}
		if strings.Contains(s.Log.String(), s.op.ClientSecret) {
			t.Error("the secret is in the log")
		}
		s.restart()
		if strings.Contains(s.Log.String(), "declared state") {
			t.Errorf("a restart without a change changed something:\n%s", s.Log.String())
		}
		if _, err := s.WhoAmI(pachdtest.As(t.Context(), session)); err != nil {
			t.Errorf("the session after a restart: %v", err)
		}
	})
}

func TestConnector_ChangedAndRemovedWithItsEntry(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.write(s.connector("Demo"))
		s.restart()
		session := s.Alice()
		s.write(s.connector("Our people"))
		s.Declared.Look(t.Context())
		want(t, "changed", s.connectors(), []string{"demo Our people"})
		s.wantLog("done=changed", "connector/demo")
		if _, err := s.WhoAmI(pachdtest.As(t.Context(), session)); err != nil {
			t.Errorf("the session after a change of the name: %v", err)
		}
		s.write("")
		s.Declared.Look(t.Context())
		want(t, "removed", s.connectors(), nil)
		s.wantLog("done=removed", "connector/demo")
		if _, err := s.WhoAmI(pachdtest.As(t.Context(), session)); err == nil {
			t.Error("the session outlives its connector")
		}
		if s.Users()[pachdtest.Alice] == nil {
			t.Error("the person's history is gone")
		}
	})
}

// Nobody may change over the API what is declared, whatever their role; beside it
// everything can be made.
func TestDeclared_RefusedOverTheAPI(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.write(s.connector("Demo") + `  clients:
  - id: app
    name: App
    secret: app-secret-value
    redirect_uris: [https://app.example.com/cb]
  roleBindings:
    user:bob@example.com: [projectCreator]
  groups:
    engineers: ['user:bob@example.com']
  identityConfig:
    id_token_expiry: 1h
  authConfig:
    issuer: ` + s.Issuer.URL() + `
    client_id: pachd
    redirect_uri: ` + s.HTTP + `/authorization-code/callback
    localhost_issuer: true
    require_email_verified: true
`)
		s.restart()
		api := s.API
		s.Robot("admin", 0)
		s.Robot("idp", 0)
		for who, role := range map[string]string{"robot:admin": "clusterAdmin", "robot:idp": "idpAdmin"} {
			if err := s.Bind(pachdtest.Cluster(), who, role); err != nil {
				t.Fatal(err)
			}
		}
		admin, _ := s.Robot("admin", 0)
		idp, _ := s.Robot("idp", 0)
		c := &identity.IDPConnector{Id: "demo", Name: "Other"}
		app := &identity.OIDCClient{Id: "app", Name: "Other"}
		where := "change it in " + s.file + ", bootstrap."
		_, err := api.Identity.UpdateIDPConnector(idp, &identity.UpdateIDPConnectorRequest{Connector: c})
		pachdtest.Want(t, err, codes.FailedPrecondition,
			"identity.UpdateIDPConnector() is disabled when the Identity Connectors are set via environment.", where+"connectors")
		bad := &identity.IDPConnector{Id: "demo", Type: "saml"}
		_, err = api.Identity.UpdateIDPConnector(idp, &identity.UpdateIDPConnectorRequest{Connector: bad})
		pachdtest.Want(t, err, codes.FailedPrecondition, "is disabled") // and not that it cannot become one
		for name, ctx := range map[string]func() error{
			"auth set-config": func() error {
				_, err := api.Auth.SetConfiguration(s.Root(), &auth.SetConfigurationRequest{Configuration: &auth.OIDCConfig{}})
				return err
			},
			"update-connector": func() error {
				_, err := api.Identity.UpdateIDPConnector(admin, &identity.UpdateIDPConnectorRequest{Connector: c})
				return err
			},
			"delete-connector": func() error {
				_, err := api.Identity.DeleteIDPConnector(s.Root(), &identity.DeleteIDPConnectorRequest{Id: "demo"})
				return err
			},
			"create-connector": func() error {
				config, err := structpb.NewStruct(map[string]any{
					"issuer": s.op.Issuer, "clientID": "x", "clientSecret": "another-secret", "redirectURI": s.Issuer.Callback(),
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = api.Identity.CreateIDPConnector(s.Root(), &identity.CreateIDPConnectorRequest{Connector: &identity.IDPConnector{
					Id: "demo", Name: "Demo", Type: "oidc", Config: config,
				}})
				return err
			},
			"update-client": func() error {
				_, err := api.Identity.UpdateOIDCClient(admin, &identity.UpdateOIDCClientRequest{Client: app})
				return err
			},
			"delete-client": func() error {
				_, err := api.Identity.DeleteOIDCClient(s.Root(), &identity.DeleteOIDCClientRequest{Id: "app"})
				return err
			},
			"set-config": func() error {
				_, err := api.Identity.SetIdentityServerConfig(s.Root(), &identity.SetIdentityServerConfigRequest{Config: &identity.IdentityServerConfig{}})
				return err
			},
			"set cluster": func() error { return s.Bind(pachdtest.Cluster(), "user:bob@example.com", "clusterAdmin") },
			"remove-member": func() error {
				_, err := api.Auth.ModifyMembers(s.Root(), &auth.ModifyMembersRequest{Group: "engineers", Remove: []string{"user:bob@example.com"}})
				return err
			},
		} {
			err := ctx()
			if name != "remove-member" {
				pachdtest.Want(t, err, codes.FailedPrecondition, "is disabled when the", "set via environment.", where)
			} else {
				pachdtest.Want(t, err, codes.FailedPrecondition, "bootstrap.groups")
			}
		}
		if _, err := api.Identity.DeleteAll(s.Root(), &identity.DeleteAllRequest{}); err != nil {
			t.Error(err)
		}
		want(t, "after all that", s.connectors(), []string{"demo Demo"})
		settings, err := api.Identity.GetIdentityServerConfig(s.Root(), &identity.GetIdentityServerConfigRequest{})
		if err != nil || settings.GetConfig().GetIdTokenExpiry() != "1h" {
			t.Errorf("settings: %v, %v", settings, err)
		}
		states, err := api.Pach.ListConnectorStates(s.Root(), &pach.ListConnectorStatesRequest{})
		if err != nil || len(states.GetStates()) != 1 || !states.GetStates()[0].GetManaged() {
			t.Errorf("the list does not say that it is managed: %v, %v", states, err)
		}
		shown, err := api.Pach.GetOIDCClient(s.Root(), &pach.GetOIDCClientRequest{Id: "app"})
		if err != nil || !shown.GetManaged() {
			t.Errorf("client: %v, %v", shown, err)
		}
		if err := s.Bind(pachdtest.Cluster(), "user:carol@example.com", "clusterAdmin"); err != nil {
			t.Errorf("beside it: %v", err)
		}
		_, err = api.Identity.CreateOIDCClient(s.Root(), &identity.CreateOIDCClientRequest{Client: &identity.OIDCClient{Id: "other", Name: "Other"}})
		if err != nil {
			t.Errorf("beside it: %v", err)
		}
	})
}

func TestRoles_ByHandStay(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const bob, carol = "user:bob@example.com", "user:carol@example.com"
		if err := s.Bind(pachdtest.Cluster(), bob, "idpAdmin"); err != nil {
			t.Fatal(err)
		}
		before, err := s.Bound(s.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		s.write("  roleBindings:\n    " + bob + ": [clusterAdmin]\n    " + carol + ": [projectCreator, idpAdmin]\n")
		s.restart()
		got, err := s.Bound(s.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "bob", got[bob], []string{"clusterAdmin", "idpAdmin"})
		want(t, "carol", got[carol], []string{"idpAdmin", "projectCreator"})
		s.write("  roleBindings:\n    " + carol + ": [projectCreator]\n")
		s.Declared.Look(t.Context())
		if got, err = s.Bound(s.Root(), pachdtest.Cluster()); err != nil {
			t.Fatal(err)
		}
		want(t, "carol with less", got[carol], []string{"projectCreator"})
		s.write("")
		s.Declared.Look(t.Context())
		if got, err = s.Bound(s.Root(), pachdtest.Cluster()); err != nil {
			t.Fatal(err)
		}
		want(t, "in the end", got, before)
	})
}

func TestGroups_BesideWhatOthersSay(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const bob, carol = "user:bob@example.com", "user:carol@example.com"
		_, err := s.API.Auth.ModifyMembers(s.Root(), &auth.ModifyMembersRequest{Group: "engineers", Add: []string{carol}})
		if err != nil {
			t.Fatal(err)
		}
		s.write("  groups:\n    engineers: ['" + bob + "', '" + carol + "']\n")
		s.restart()
		s.WantGroups(bob, "engineers")
		s.write("")
		s.Declared.Look(t.Context())
		s.WantGroups(bob)
		s.WantGroups(carol, "engineers")
	})
}

// What cannot be had stops the start, and on the way changes nothing.
func TestDeclared_MistakesNameTheirPlace(t *testing.T) {
	s := newSite(t, "")
	s.write(s.connector("Demo"))
	s.restart()
	good := s.connector("Demo")
	for name, test := range map[string]struct{ text, want string }{
		"a misspelt key of a connector": {strings.Replace(good, "clientID", "clientId", 1), "bootstrap.connectors[0]: unable to open connector: config.clientId: did you mean clientID"},
		"a role that there is not":      {"  roleBindings:\n    user:bob@example.com: [clusterAdmni]\n", "bootstrap.roleBindings.user:bob@example.com: "},
		"no principal":                  {"  roleBindings:\n    bob: [clusterAdmin]\n", "has no prefix"},
		"a client without a secret":     {"  clients:\n  - id: app\n    name: App\n", "bootstrap.clients[0]: client \"app\" has no secret"},
		"twice":                         {good + strings.TrimPrefix(good, "  connectors:\n"), "connector \"demo\" is declared twice"},
		"a bad lifetime":                {"  identityConfig: {id_token_expiry: soon}\n", "bootstrap.identityConfig: id_token_expiry \"soon\""},
		"root's roles":                  {"  roleBindings:\n    pach:root: [repoReader]\n", "pachd administrable"},
		"a section that there is not":   {"  connector: []\n", "did you mean connectors"},
	} {
		s.write("  roleBindings:\n    user:carol@example.com: [clusterAdmin]\n")
		s.write(test.text)
		s.Declared.Look(t.Context())
		s.wantLog("level=ERROR", "what there was stays")
		want(t, name, s.connectors(), []string{"demo Demo"})
		if got := s.tryRestart(); !strings.Contains(got, test.want) || !strings.Contains(got, s.file) || !strings.Contains(got, "(line ") {
			t.Errorf("%s: %s", name, got)
		}
		s.write(good)
		s.start()
	}
}

// A replica with an older declaration says so, and undoes nothing.
func TestReplicas_TheLatestDeclarationHolds(t *testing.T) {
	databaseURL := dbtest.ReadyPostgresURL(t)
	old := newSite(t, databaseURL)
	key, err := os.ReadFile(filepath.Join(old.dir, "sealing-key"))
	if err != nil {
		t.Fatal(err)
	}
	old.write("  roleBindings:\n    user:old@example.com: [clusterAdmin]\n")
	old.restart()
	replica := func(bootstrap string) *site {
		s := &site{t: t, dir: t.TempDir(), file: filepath.Join(t.TempDir(), "pachd.yaml"), url: databaseURL, environ: rootToken()}
		if err := os.WriteFile(filepath.Join(s.dir, "sealing-key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
		s.write(bootstrap)
		s.start()
		return s
	}
	next := replica("  roleBindings:\n    user:new@example.com: [clusterAdmin]\n")
	// Asked is the replica that would have changed it, which knows at once.
	holds := func(what string, asked *site, who, not string) {
		t.Helper()
		got, err := asked.Bound(asked.Root(), pachdtest.Cluster())
		if err != nil || got[who] == nil || got[not] != nil {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	holds("the later one", next, "user:new@example.com", "user:old@example.com")
	old.Ahead(11e9)
	old.Declared.Look(t.Context())
	old.wantLog("level=ERROR", "another replica declares something else", next.dir)
	holds("the older one looks", old, "user:new@example.com", "user:old@example.com")
	// One more with the older one begins, as a pod that is started again, or in a rollback.
	third := replica("  roleBindings:\n    user:old@example.com: [clusterAdmin]\n")
	third.wantLog("level=ERROR", "another replica declares something else")
	holds("the older one starts", third, "user:new@example.com", "user:old@example.com")
	next.Stop()
	old.Ahead(22e9)
	old.Declared.Look(t.Context())
	holds("replaced while it ran, it does not come back by itself", old, "user:new@example.com", "user:old@example.com")
	third.Ahead(11e9)
	third.Declared.Look(t.Context())
	holds("rolled back", third, "user:old@example.com", "user:new@example.com")
}

func TestVariables_OfUpstream(t *testing.T) {
	s := newSite(t, "")
	s.environ = append(s.environ,
		`IDP_CONNECTORS=[{"id": "demo", "name": "Demo", "type": "oidc", "configVersion": 4, "jsonConfig": "{\"issuer\": \"`+s.op.Issuer+
			`\", \"clientID\": \"pachyderm\", \"clientSecret\": \"`+s.op.ClientSecret+`\", \"redirectURI\": \"`+s.Issuer.Callback()+`\"}"}]`,
		"IDP_CONFIG=issuer: "+s.Issuer.URL()+"\nid_token_expiry: 2h\n",
		"IDP_CLIENTS=- id: pachd\n  name: pachd\n  redirect_uris: ["+s.HTTP+"/authorization-code/callback]\n- id: console\n  name: console\n  redirectUris: [https://c.example.com]\n",
		"IDP_ADDITIONAL_CLIENTS=[{id: more, name: More, secret: more-secret-value}]",
		"AUTH_CONFIG=issuer: "+s.Issuer.URL()+"\nclient_id: pachd\nredirect_uri: "+s.HTTP+"/authorization-code/callback\nlocalhost_issuer: true\n",
		"AUTH_CLIENT_SECRET=the-secret-of-pachd", "CONSOLE_OAUTH_ID=console", "CONSOLE_OAUTH_SECRET=the-secret-of-console",
		"AUTH_CLUSTER_RBAC=user:alice@example.com: [clusterAdmin]\n", "TRUSTED_PEERS=[console]", "PG_BOUNCER_PORT=5432",
		"POSTGRES_PORT=tcp://10.0.0.1:5432",
	)
	s.restart()
	want(t, "connectors", s.connectors(), []string{"demo Demo"})
	s.wantLog("PG_BOUNCER_PORT has no effect")
	s.wantLog("POSTGRES_PORT is passed over")
	peers, err := s.API.Identity.GetOIDCClient(s.Root(), &identity.GetOIDCClientRequest{Id: "pachd"})
	if err != nil {
		t.Fatal(err)
	}
	want(t, "trusted peers", peers.GetClient().GetTrustedPeers(), []string{"console"})
	session := s.Alice()
	if _, err := s.API.Auth.GetRobotToken(pachdtest.As(t.Context(), session), &auth.GetRobotTokenRequest{Robot: "ci"}); err != nil {
		t.Error(err)
	}
	_, err = s.API.Identity.DeleteIDPConnector(s.Root(), &identity.DeleteIDPConnectorRequest{Id: "demo"})
	pachdtest.Want(t, err, codes.FailedPrecondition, "identity.DeleteIDPConnector() is disabled", "change it in IDP_CONNECTORS")
	for _, hidden := range []string{s.op.ClientSecret, "the-secret-of-pachd", "the-secret-of-console", "more-secret-value"} {
		if strings.Contains(s.Log.String(), hidden) {
			t.Errorf("%s is in the log", hidden)
		}
	}
}

// Who holds a declared group's role gains and loses with it, and nothing is changed
// by asking.
func TestPlan_NamesPeople(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		s.write(s.connector("Demo") + "  roleBindings:\n    user:bob@example.com: [clusterAdmin]\n  groups:\n    ops: ['user:carol@example.com']\n")
		s.restart()
		s.Alice()
		before, err := s.Bound(s.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		s.write("  roleBindings:\n    group:ops: [idpAdmin]\n  groups:\n    ops: ['user:carol@example.com', 'user:dave@example.com']\n")
		environ := append(append([]string{}, s.environ...), "PACHD_LISTEN_CALLBACK=")
		if s.url != "" {
			environ = append(environ, "PACHD_DATABASE_URL="+s.url)
		}
		var out, errs strings.Builder
		if code := pachd.Main(t.Context(), []string{"config", "plan", "--data-dir", s.dir, s.file}, environ, &out, &errs); code != 0 {
			t.Fatal(errs.String())
		}
		want(t, "the plan", strings.Split(strings.TrimSpace(out.String()), "\n"), []string{
			"add role-binding/group:ops: idpAdmin, was none",
			"change group:ops: +user:dave@example.com",
			"remove role-binding/user:bob@example.com: none, was clusterAdmin",
			"remove connector/demo: was declared in " + s.file + ", bootstrap.connectors",
			"user:alice@example.com is signed out with connector demo",
			"user:bob@example.com loses clusterAdmin",
			"user:carol@example.com gains idpAdmin",
			"user:dave@example.com gains idpAdmin",
		})
		after, err := s.Bound(s.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "bindings after asking", after, before)
	})
}

func TestCheck_NeedsNoDatabase(t *testing.T) {
	s := newSite(t, "")
	check := func() (int, string) {
		var out strings.Builder
		code := pachd.Main(t.Context(), []string{"config", "check", s.file}, s.environ, &out, &out)
		return code, out.String()
	}
	s.write(s.connector("Demo"))
	if code, text := check(); code != 0 || !strings.Contains(text, "1 connectors") {
		t.Errorf("%d %s", code, text)
	}
	s.write(strings.Replace(s.connector("Demo"), "issuer:", "isuer:", 1))
	code, text := check()
	for _, part := range []string{s.file, "bootstrap.connectors[0]: unable to open connector: config.isuer", "did you mean issuer", "(line 7)"} {
		if code != 1 || !strings.Contains(text, part) {
			t.Errorf("%d %s", code, text)
		}
	}
}

// The file is looked at without being told.
func TestRun_NoticesTheFile(t *testing.T) {
	s := newSite(t, "")
	s.write(s.connector("Demo"))
	for s.connectors() == nil && t.Context().Err() == nil {
		if err := db.Pause(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
	}
}

// Replicas with one declaration start together, as those of a Deployment do.
func TestReplicas_StartTogether(t *testing.T) {
	first := newSite(t, dbtest.ReadyPostgresURL(t))
	key, err := os.ReadFile(filepath.Join(first.dir, "sealing-key"))
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := first.connector("Demo") + `  clients:
  - {id: app, name: App, secret: app-secret-value, redirect_uris: ['https://app.example.com/cb']}
  roleBindings:
    user:alice@example.com: [clusterAdmin]
  groups:
    engineers: ['user:bob@example.com']
`
	first.Stop()
	const replicas = 4
	var wg sync.WaitGroup
	failed := make([]error, replicas)
	started := make([]*pachdtest.Server, replicas)
	for n := range replicas {
		dir, file := t.TempDir(), filepath.Join(t.TempDir(), "pachd.yaml")
		if err := os.WriteFile(filepath.Join(dir, "sealing-key"), key, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("publicURL: "+first.Issuer.URL()+"\nbootstrap:\n"+bootstrap), 0o600); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { started[n], failed[n] = pachdtest.TryWith(t, dir, file, rootToken(), first.database) })
	}
	wg.Wait()
	if err := errors.Join(failed...); err != nil {
		t.Fatal(err)
	}
	for _, s := range started {
		s.Declared.Look(t.Context())
		if text := s.Log.String(); strings.Contains(text, "level=ERROR") {
			t.Error(text)
		}
	}
	one := site{Server: started[0], t: t}
	want(t, "connectors", one.connectors(), []string{"demo Demo"})
	got, err := one.Bound(one.Root(), pachdtest.Cluster())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "alice", got["user:alice@example.com"], []string{"clusterAdmin"})
	one.WantGroups("user:bob@example.com", "engineers")
}

// Whoever could make a token of a robot cannot, once it has a role that they could not
// give; so it is for declared roles and groups.
func TestRoles_EndTokensThatTheirMakersCouldNotMake(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		if err := s.Bind(pachdtest.Cluster(), "robot:maker", "robotUser"); err != nil {
			t.Fatal(err)
		}
		maker, _ := s.Robot("maker", 0)
		made := func(robot string) string {
			res, err := s.API.Auth.GetRobotToken(maker, &auth.GetRobotTokenRequest{Robot: robot})
			if err != nil {
				t.Fatal(err)
			}
			return res.GetToken()
		}
		bound, grouped := made("bound"), made("grouped")
		s.write("  roleBindings:\n    robot:bound: [clusterAdmin]\n    group:admins: [clusterAdmin]\n  groups:\n    admins: ['robot:grouped']\n")
		s.Declared.Look(t.Context())
		for name, token := range map[string]string{"bound": bound, "grouped": grouped} {
			if who, err := s.WhoAmI(pachdtest.As(t.Context(), token)); err == nil {
				t.Errorf("the token of robot %s, which is a clusterAdmin now, serves: %v", name, who)
			}
		}
	})
}

// What was bound by hand beside declared roles ends with all else when authentication
// is deactivated, and declared roles wait until it is active again.
func TestRoles_DeactivationForgetsThoseByHand(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		const bob = "user:bob@example.com"
		if err := s.Bind(pachdtest.Cluster(), bob, "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		s.write("  roleBindings:\n    " + bob + ": [projectCreator]\n")
		s.Declared.Look(t.Context())
		s.Deactivate(s.Root())
		s.Declared.Look(t.Context())
		if _, err := s.WhoAmI(s.Root()); err == nil {
			t.Error("declared roles have activated authentication")
		}
		s.wantLog("level=ERROR", "authentication is not active")
		if _, err := s.API.Auth.Activate(t.Context(), &auth.ActivateRequest{RootToken: s.RootToken}); err != nil {
			t.Fatal(err)
		}
		s.Declared.Look(t.Context())
		got, err := s.Bound(s.Root(), pachdtest.Cluster())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "bob", got[bob], []string{"projectCreator"})
	})
}

// A connector that an idpAdmin has made, and nobody approved, is another one once it
// is declared: who came through it before is nobody.
func TestConnector_UnapprovedIsAnotherOnceDeclared(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		if err := s.Bind(pachdtest.Cluster(), "robot:idp", "idpAdmin"); err != nil {
			t.Fatal(err)
		}
		idp, _ := s.Robot("idp", 0)
		config, err := structpb.NewStruct(map[string]any{
			"issuer": s.op.Issuer, "clientID": s.op.ClientID, "clientSecret": s.op.ClientSecret, "redirectURI": s.Issuer.Callback(),
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.API.Identity.CreateIDPConnector(idp, &identity.CreateIDPConnectorRequest{Connector: &identity.IDPConnector{
			Id: "demo", Name: "Demo", Type: "oidc", Config: config,
		}})
		if err != nil {
			t.Fatal(err)
		}
		session := s.Alice()
		s.write(s.connector("Demo"))
		s.Declared.Look(t.Context())
		if who, err := s.WhoAmI(pachdtest.As(t.Context(), session)); err == nil {
			t.Errorf("the session goes on: %v", who)
		}
	})
}

// Whoever declares nothing has nothing written for it.
func TestReplicas_NothingDeclaredNothingWritten(t *testing.T) {
	s := newSite(t, "")
	s.Declared.Look(t.Context())
	for _, table := range []string{"declaring_replicas", "declarations", "managed_objects"} {
		n := -1
		err := s.DB.View(t.Context(), func(tx *db.Tx) error { return tx.Row(t.Context(), []any{&n}, `SELECT COUNT(*) FROM `+table) })
		if err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", table, n, err)
		}
	}
}

// A folder for what is declared is for that alone: whoever writes connectors would
// send what is in it to wherever they like.
func TestConnector_SecretInAFolderForDeclarations(t *testing.T) {
	s := newSite(t, "")
	folder := t.TempDir()
	reference := "${file:" + filepath.Join(folder, "demo") + "}"
	if err := os.WriteFile(filepath.Join(folder, "demo"), []byte(s.op.ClientSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.environ = append(s.environ, "PACHD_SECRETS_DECLARED_FILES="+folder)
	s.write(strings.Replace(s.connector("Demo"), "clientSecret: "+s.op.ClientSecret, "clientSecret: "+reference, 1) +
		"  clients:\n  - {id: app, name: App, secret: '" + reference + "', redirect_uris: ['https://app.example.com/cb']}\n")
	s.restart()
	s.Alice()
	elsewhere := map[string]any{
		"issuer": s.op.Issuer, "clientID": "another", "clientSecret": reference, "redirectURI": s.Issuer.Callback(),
	}
	config, err := structpb.NewStruct(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	api := s.API
	for _, call := range []func(id string) error{
		func(id string) error {
			_, err := api.Identity.CreateIDPConnector(s.Root(), &identity.CreateIDPConnectorRequest{Connector: &identity.IDPConnector{
				Id: "x" + id, Name: "X", Type: "oidc", Config: config,
			}})
			return err
		},
		func(id string) error {
			_, err := api.Pach.StartConnectorTest(s.Root(), &pach.StartConnectorTestRequest{Document: &pach.ConnectorDocument{
				Connector: &identity.IDPConnector{Id: id, Name: "X", Type: "oidc", Config: config},
			}})
			return err
		},
	} {
		for _, id := range []string{"new", "demo"} {
			pachdtest.Want(t, call(id), codes.InvalidArgument, "may not be used")
		}
	}
	check, err := api.Pach.CheckConnector(s.Root(), &pach.CheckConnectorRequest{Document: &pach.ConnectorDocument{
		Connector: &identity.IDPConnector{Id: "demo", Config: config},
	}})
	if err != nil || !strings.Contains(check.String(), "may not be used") {
		t.Errorf("check of another document: %v, %v", check, err)
	}
	if check, err = api.Pach.CheckConnector(s.Root(), &pach.CheckConnectorRequest{Document: &pach.ConnectorDocument{Id: "demo"}}); err != nil ||
		strings.Contains(check.String(), "may not be used") {
		t.Errorf("check of what is declared: %v, %v", check, err)
	}
}

// A mistake is said once, and again if it comes back.
func TestLook_SaysAMistakeOnce(t *testing.T) {
	s := newSite(t, "")
	said := func() int { return strings.Count(s.Log.String(), "level=ERROR") }
	for n := range 3 {
		s.write("  connector: []\n")
		s.Declared.Look(t.Context())
		s.Declared.Look(t.Context())
		if got := said(); got != n+1 {
			t.Errorf("after mistake %d: said %d times", n+1, got)
		}
		s.write(s.connector("Demo"))
		s.Declared.Look(t.Context())
		s.Declared.Look(t.Context())
	}
}
