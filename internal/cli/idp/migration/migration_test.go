package migration_test

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pfs"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/cli/idp/migration"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/cli/kit/kittest"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

const (
	oldRoot  = "the-root-token-of-the-old-one"
	oldRobot = "a-token-that-a-robot-has-there"
)

// upstream answers as upstream's 2.x does, with secrets in clear.
type upstream struct {
	identity.UnimplementedAPIServer
	provider *op.Provider
	masked   bool
}

func (u upstream) ListIDPConnectors(context.Context, *identity.ListIDPConnectorsRequest) (*identity.ListIDPConnectorsResponse, error) {
	shown := u.provider.ClientSecret
	if u.masked {
		shown = "***"
	}
	config, err := structpb.NewStruct(map[string]any{
		"issuer": u.provider.Issuer, "clientID": u.provider.ClientID, "clientSecret": shown,
		"redirectURI": "https://old.example.com/dex/callback", "insecureEnableGroups": true,
	})
	return &identity.ListIDPConnectorsResponse{Connectors: []*identity.IDPConnector{
		{Id: "demo", Name: "Demo", Type: "oidc", ConfigVersion: 3, Config: config},
	}}, err
}

func (u upstream) ListOIDCClients(context.Context, *identity.ListOIDCClientsRequest) (*identity.ListOIDCClientsResponse, error) {
	return &identity.ListOIDCClientsResponse{Clients: []*identity.OIDCClient{
		{Id: "dash", Name: "Dash", Secret: "the-secret-of-dash", RedirectUris: []string{"https://dash.example.com/callback"}},
		{Id: "pachd", Name: "pachd", Secret: "s", RedirectUris: []string{"https://old.example.com/authorization-code/callback"}},
	}}, nil
}

func (u upstream) GetIdentityServerConfig(context.Context, *identity.GetIdentityServerConfigRequest) (*identity.GetIdentityServerConfigResponse, error) {
	return &identity.GetIdentityServerConfigResponse{Config: &identity.IdentityServerConfig{Issuer: "https://old.example.com/dex"}}, nil
}

type upstreamAuth struct{ auth.UnimplementedAPIServer }

// upstreamPFS lists a project and a repo, as upstream's does: one message for each.
type upstreamPFS struct{}

func (upstreamPFS) register(s *grpc.Server) {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "pfs_v2.API", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{
		{StreamName: "ListProject", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(&pfs.ListProjectRequest{}); err != nil {
				return err
			}
			return stream.SendMsg(&pfs.ProjectInfo{Project: &pfs.Project{Name: "genomics"}})
		}},
		{StreamName: "ListRepo", ServerStreams: true, Handler: func(_ any, stream grpc.ServerStream) error {
			var asked pfs.ListRepoRequest
			if err := stream.RecvMsg(&asked); err != nil || asked.GetType() != "user" {
				return err
			}
			return stream.SendMsg(&pfs.RepoInfo{Repo: &pfs.Repo{Name: "images", Type: "user", Project: &pfs.Project{Name: "genomics"}}})
		}},
	}}, upstreamPFS{})
}

func (upstreamAuth) GetRoleBinding(ctx context.Context, req *auth.GetRoleBindingRequest) (*auth.GetRoleBindingResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); strings.Join(md.Get("authn-token"), "") != oldRoot {
		return nil, status.Error(codes.Unauthenticated, "no authentication token")
	}
	roles := func(names ...string) *auth.Roles {
		r := &auth.Roles{Roles: map[string]bool{}}
		for _, n := range names {
			r.Roles[n] = true
		}
		return r
	}
	switch r := req.GetResource(); r.GetType().String() + " " + r.GetName() {
	case "PROJECT genomics":
		return &auth.GetRoleBindingResponse{Binding: &auth.RoleBinding{Entries: map[string]*auth.Roles{"user:alice@example.com": roles("projectOwner")}}}, nil
	case "REPO genomics/images":
		return &auth.GetRoleBindingResponse{Binding: &auth.RoleBinding{Entries: map[string]*auth.Roles{
			"robot:ci": roles("repoWriter"), "pipeline:genomics/align": roles("repoReader"),
		}}}, nil
	case "CLUSTER ":
	default:
		return nil, status.Errorf(codes.NotFound, "%v", r)
	}
	return &auth.GetRoleBindingResponse{Binding: &auth.RoleBinding{Entries: map[string]*auth.Roles{
		"user:alice@example.com": roles("clusterAdmin"), "robot:ci": roles("repoReader", "debugger"),
		"pach:root": roles("clusterAdmin"), "internal:auth-server": roles("clusterAdmin"),
	}}}, nil
}

func (upstreamAuth) ExtractAuthTokens(context.Context, *auth.ExtractAuthTokensRequest) (*auth.ExtractAuthTokensResponse, error) {
	return &auth.ExtractAuthTokensResponse{Tokens: []*auth.TokenInfo{
		{Subject: "robot:ci", HashedToken: secret.Hash(oldRobot)},
		{Subject: "robot:past", HashedToken: secret.Hash("another"), Expiration: timestamppb.New(time.Now().Add(-time.Hour))},
	}}, nil
}

// world has both installations as contexts of one configuration.
type world struct {
	*pachdtest.Server
	kittest.Terminal
}

func newWorld(t *testing.T, masked bool) world {
	t.Helper()
	s := pachdtest.Start(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	identity.RegisterAPIServer(server, upstream{provider: optest.Start(t, s.Issuer.Callback()), masked: masked})
	auth.RegisterAPIServer(server, upstreamAuth{})
	upstreamPFS{}.register(server)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	file := filepath.Join(t.TempDir(), "config.json")
	text, err := json.Marshal(map[string]any{"v2": map[string]any{"active_context": "new", "contexts": map[string]any{
		"new": map[string]string{"pachd_address": "grpc://" + s.GRPC, "session_token": s.RootToken},
		"old": map[string]string{"pachd_address": "grpc://" + l.Addr().String(), "session_token": oldRoot},
	}}})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	commands := func(k *kit.Kit) []*cobra.Command { return []*cobra.Command{migration.Command(k)} }
	return world{s, kittest.Terminal{T: t, Commands: commands, Vars: map[string]string{"PACH_CONFIG": file}}}
}

func TestImport_BringsWhatAnotherHas(t *testing.T) {
	w := newWorld(t, false)
	callback := w.Issuer.Callback()
	plan := w.Want(0, "", "import --from old", "create", "connector", "register the callback "+callback, "beside https://old.example.com/dex/callback",
		"clusterAdmin", "user:alice@example.com", "projectOwner on the project genomics", "repoWriter on the repo genomics/images",
		"comes with that", "debugger, repoReader", "never expires", "https://old.example.com/dex", "people sign in anew",
		"Nothing was changed", "--apply")
	if list, err := w.API.Identity.ListIDPConnectors(w.Root(), &identity.ListIDPConnectorsRequest{}); err != nil || len(list.GetConnectors()) != 0 {
		t.Errorf("the plan made %v, %v", list, err)
	}
	// What has expired there is refused here; all else is made.
	done := w.Want(1, "", "import --from old --apply", "done", "failed", "token expiration is in the past", "run the command again")
	again := w.Want(1, "", "import --from old --apply", "exists")
	for _, said := range []string{plan, done, again} {
		for _, hidden := range []string{optest.Start(t, callback).ClientSecret, "the-secret-of-dash", oldRoot, oldRobot, w.RootToken} {
			if strings.Contains(said, hidden) {
				t.Errorf("%q is printed", hidden)
			}
		}
		if strings.Contains(said, "internal:") || strings.Contains(said, "pach:root") {
			t.Errorf("roles of the installation itself: %s", said)
		}
	}
	if n := strings.Count(again, "done"); n != 0 {
		t.Errorf("made once more: %s", again)
	}
	who, err := w.WhoAmI(pachdtest.As(t.Context(), oldRobot))
	if err != nil || who.GetUsername() != "robot:ci" {
		t.Errorf("the robot with its old token: %v, %v", who, err)
	}
	who, err = w.WhoAmI(pachdtest.As(t.Context(), w.Alice()))
	if err != nil || who.GetUsername() != pachdtest.Alice {
		t.Errorf("she signs in by the connector: %v, %v", who, err)
	}
	for r, want := range map[*auth.Resource]string{pachdtest.Project("genomics"): pachdtest.Alice + " projectOwner", pachdtest.Repo("genomics/images"): "robot:ci repoWriter"} {
		bound, err := w.Bound(w.Root(), r)
		who, role, _ := strings.Cut(want, " ")
		if err != nil || len(bound) != 1 || strings.Join(bound[who], " ") != role {
			t.Errorf("bound on %v: %v, %v", r, bound, err)
		}
	}
	bound, err := w.Bound(w.Root(), pachdtest.Cluster())
	if err != nil || strings.Join(bound[pachdtest.Alice], " ") != "clusterAdmin" || strings.Join(bound["robot:ci"], " ") != "debugger repoReader" {
		t.Errorf("bound: %v, %v", bound, err)
	}
}

// Nobody loses a role that they have here, and what is here stays.
func TestImport_AddsOnly(t *testing.T) {
	w := newWorld(t, false)
	if err := w.Bind(pachdtest.Cluster(), "robot:ci", "idpAdmin"); err != nil {
		t.Fatal(err)
	}
	w.Want(1, "", "import --from old --apply", "failed")
	bound, err := w.Bound(w.Root(), pachdtest.Cluster())
	if err != nil || strings.Join(bound["robot:ci"], " ") != "debugger idpAdmin repoReader" {
		t.Errorf("bound: %v, %v", bound, err)
	}
}

func TestImport_SecretThatIsNotShown(t *testing.T) {
	w := newWorld(t, true)
	w.Want(0, "", "import --from old", "cannot", "shows *** in place of a secret")
}

func TestImport_FromWhere(t *testing.T) {
	w := newWorld(t, false)
	w.Want(2, "", "import", "--from CONTEXT")
	w.Want(2, "", "import --from old --from-values x.yaml", "--from CONTEXT")
	w.Want(1, "", "import --from-values /nosuch.yaml", "cannot read /nosuch.yaml")
	w.Want(1, "", "import --from nosuch", `there is no context "nosuch"`)
	w.Want(1, "", "import --from new", "is this installation itself")
}

// An installation that does not run any more has left the values of its chart.
func TestImport_FromHelmValues(t *testing.T) {
	w := newWorld(t, false)
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "values.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	p := optest.Start(t, w.Issuer.Callback())
	file := write(`deployTarget: AMAZON
oidc:
  issuerURI: https://old.example.com/dex
  upstreamIDPs:
  - id: demo
    name: Demo
    type: oidc
    jsonConfig: '{"issuer": "` + p.Issuer + `", "clientID": "` + p.ClientID + `", "clientSecret": "` + p.ClientSecret + `", "redirectURI": "https://old.example.com/dex/callback"}'
  additionalClients:
  - {id: dash, name: Dash, secret: the-secret-of-dash, redirectURIs: ["https://dash.example.com/callback"]}
pachd:
  storage: {amazon: {bucket: b}}
  pachAuthClusterRoleBindings:
    user:alice@example.com: [clusterAdmin]
`)
	w.Want(0, "", "import --from-values "+file, "create", "connector", "demo", "dash", "clusterAdmin on the cluster", "https://old.example.com/dex",
		"pachctl idp import --from-values "+file+" --apply")
	said := w.Want(0, "", "import --from-values "+file+" --apply", "done")
	if strings.Contains(said, p.ClientSecret) || strings.Contains(said, "the-secret-of-dash") {
		t.Errorf("a secret is printed: %s", said)
	}
	who, err := w.WhoAmI(pachdtest.As(t.Context(), w.Alice()))
	if err != nil || who.GetUsername() != pachdtest.Alice {
		t.Errorf("she signs in by the connector: %v, %v", who, err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"no mapping":      {"- a\n", "is not a values file of Helm"},
		"another's shape": {"oidc: [a]\n", "is not a values file of Helm"},
		"in a Secret":     {"oidc: {upstreamIDPsSecretName: idps}\n", "the Secret idps"},
		"no JSON":         {"oidc: {upstreamIDPs: [{id: a, jsonConfig: '{'}]}\n", "jsonConfig of the connector a is not JSON"},
	} {
		t.Run(name, func(t *testing.T) { w.Want(1, "", "import --from-values "+write(c.text), c.want) })
	}
}

// Another installation knows a name in several spellings, which are one here: what it
// says of one of them takes nothing from who has that name.
func TestImport_NameThatIsSpeltOtherwise(t *testing.T) {
	w := newWorld(t, false)
	if err := w.Bind(pachdtest.Cluster(), "user:bob@example.com", "idpAdmin"); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.yaml")
	values := `pachd:
  pachAuthClusterRoleBindings:
    user:Bob@Example.com: [repoReader]
    user:BOB@example.com: [debugger]
`
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Want(0, "", "import --from-values "+file+" --apply", "done", "user:bob@example.com")
	bound, err := w.Bound(w.Root(), pachdtest.Cluster())
	if got := strings.Join(bound["user:bob@example.com"], " "); err != nil || got != "debugger idpAdmin repoReader" {
		t.Errorf("bound: %v, %v", bound, err)
	}
}

// What another installation calls its things moves no cursor.
func TestImport_NamesThatSteerATerminal(t *testing.T) {
	w := newWorld(t, false)
	file := filepath.Join(t.TempDir(), "values.yaml")
	values := "oidc:\n  issuerURI: \"https://old\\e[2J.example.com\"\n" +
		"  additionalClients:\n  - {id: \"da\\e]0;owned\\ash\", secret: a, redirectURIs: [\"https://a\\n.example.com/\\u009b31m\"]}\n"
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"import --from-values " + file, "import --from-values " + file + " --apply"} {
		_, said := w.Run("", strings.Fields(command)...)
		if strings.ContainsFunc(said, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || strings.Contains(said, "\n.example") {
			t.Errorf("%s prints %q", command, said)
		}
	}
}
