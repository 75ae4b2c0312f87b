package activation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/internal/cli/kit/kittest"
	"pachyderm/internal/pachd/pachdtest"
)

// world is a pachd, and somebody at a terminal.
type world struct {
	*pachdtest.Server
	kittest.Terminal
	t    *testing.T
	file string // pachctl's configuration
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, file := pachdtest.Start(t), filepath.Join(t.TempDir(), "config.json")
	return &world{s, kittest.Terminal{T: t, Commands: Commands, Vars: map[string]string{"PACH_CONFIG": file, "PACHD_ADDRESS": s.GRPC}}, t, file}
}

func (w *world) holds(token string) bool {
	w.t.Helper()
	data, err := os.ReadFile(w.file)
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return strings.Contains(string(data), token)
}

// off switches authentication off, as somebody with the root token.
func (w *world) off() {
	w.t.Helper()
	w.Deactivate(w.Root())
}

func TestActivate_TokenIsShownAndKept(t *testing.T) {
	w := newWorld(t)
	w.off()
	said := w.Want(0, "", "activate -o json", `"root_token": "`)
	_, after, _ := strings.Cut(said, `"root_token": "`)
	token, _, _ := strings.Cut(after, `"`)
	if who, err := w.WhoAmI(pachdtest.As(t.Context(), token)); err != nil || who.GetUsername() != "pach:root" {
		t.Errorf("the token is %s's: %v", who.GetUsername(), err)
	}
	if !w.holds(token) {
		t.Error("it is not the session")
	}
}

func TestActivate_ActiveAlready(t *testing.T) {
	w := newWorld(t)
	w.Want(0, "", "activate", "is active already")
	w.Want(0, "made-up-token\n", "activate --supply-root-token", "is not the root token, and nothing was changed")
	if w.holds("made-up-token") {
		t.Error("a token that is worth nothing became the session")
	}
	_, robot := w.Robot("ci", 0)
	w.Want(0, robot, "activate --supply-root-token", "is not the root token")
	if w.holds(robot) {
		t.Error("a robot's token became the session")
	}
	w.Want(0, w.RootToken, "activate --supply-root-token")
	if !w.holds(w.RootToken) {
		t.Error("the root token did not become the session")
	}
	w.Want(1, "\n", "activate --supply-root-token", "no root token was given, and nothing was changed")
}

func TestActivate_RegistersAClient(t *testing.T) {
	w := newWorld(t)
	w.off()
	w.Want(0, "", "activate --client-id mine --redirect http://localhost:30657/authorization-code/callback")
	root := w.rootOfSession()
	c, err := w.API.Auth.GetConfiguration(pachdtest.As(t.Context(), root), &auth.GetConfigurationRequest{})
	if err != nil || c.GetConfiguration().GetClientId() != "mine" || !c.GetConfiguration().GetLocalhostIssuer() {
		t.Errorf("configured: %v, %v", c, err)
	}
	// A second run changes the client that pachd is already.
	w.Want(0, "", "activate --client-id mine --redirect http://localhost:30657/other", "is active already")
	got, err := w.API.Identity.GetOIDCClient(pachdtest.As(t.Context(), root), &identity.GetOIDCClientRequest{Id: "mine"})
	if err != nil || strings.Join(got.GetClient().GetRedirectUris(), " ") != "http://localhost:30657/other" {
		t.Errorf("registered: %v, %v", got, err)
	}
}

// rootOfSession is the session that pachctl keeps.
func (w *world) rootOfSession() string {
	w.t.Helper()
	data, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(data), `"session_token": "`)
	token, _, _ := strings.Cut(after, `"`)
	return token
}

// What cannot be finished is taken back: the issuer and the client are as before.
func TestActivate_FailureIsTakenBack(t *testing.T) {
	w := newWorld(t)
	w.Want(0, w.RootToken, "activate --supply-root-token")
	before, err := w.API.Identity.GetIdentityServerConfig(w.Root(), &identity.GetIdentityServerConfigRequest{})
	if err != nil {
		t.Fatal(err)
	}
	w.Want(1, "", "activate --client-id mine --issuer http://127.0.0.1:9/other --redirect com.example.app:/callback", "failed to configure OIDC client ID")
	clients, err := w.API.Identity.ListOIDCClients(w.Root(), &identity.ListOIDCClientsRequest{})
	if err != nil || len(clients.GetClients()) != 1 || clients.GetClients()[0].GetId() != "pachd" {
		t.Errorf("left behind: %v, %v", clients, err)
	}
	after, err := w.API.Identity.GetIdentityServerConfig(w.Root(), &identity.GetIdentityServerConfigRequest{})
	if err != nil || after.GetConfig().GetIssuer() != before.GetConfig().GetIssuer() {
		t.Errorf("the issuer was %s and is %s: %v", before.GetConfig().GetIssuer(), after.GetConfig().GetIssuer(), err)
	}
}

// Another's client is not taken over.
func TestActivate_ClientOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	w.Want(0, w.RootToken, "activate --supply-root-token")
	_, err := w.API.Identity.CreateOIDCClient(w.Root(), &identity.CreateOIDCClientRequest{Client: &identity.OIDCClient{
		Id: "console", Name: "console", Secret: "a-long-enough-secret", RedirectUris: []string{"https://console.example.com/cb"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.Want(1, "", "activate --client-id console", "choose another with --client-id")
	got, err := w.API.Identity.GetOIDCClient(w.Root(), &identity.GetOIDCClientRequest{Id: "console"})
	if err != nil || strings.Join(got.GetClient().GetRedirectUris(), " ") != "https://console.example.com/cb" {
		t.Errorf("it is %v, %v", got, err)
	}
}

func TestDeactivate_AsksFirst(t *testing.T) {
	w := newWorld(t)
	w.Want(0, w.RootToken, "activate --supply-root-token")
	for _, answer := range []string{"n\n", "\n", ""} {
		if code, said := w.Run(answer, "deactivate"); code == 0 {
			t.Errorf("%q: %s", answer, said)
		}
	}
	if _, err := w.WhoAmI(w.Root()); err != nil {
		t.Errorf("after a no: %v", err)
	}
	w.Want(0, "y\n", "deactivate")
	if w.holds(w.RootToken) {
		t.Error("a token that is worth nothing any more is kept")
	}
	w.Want(0, "", "activate")
}

func TestRotateRootToken_BecomesTheSessionOfRootOnly(t *testing.T) {
	w := newWorld(t)
	w.Want(0, w.RootToken, "activate --supply-root-token")
	const next = "a-new-root-token-0123456789abcdef"
	w.Want(0, next+"\n", "rotate-root-token --supply-token -", next)
	if !w.holds(next) || w.holds(w.RootToken) {
		t.Error("the session of root is not the new token")
	}
	if _, err := w.WhoAmI(w.Root()); err == nil {
		t.Error("the old token is still worth something")
	}
	w.Want(1, "\n", "rotate-root-token --supply-token -", "no root token was given")
}

func TestGetConfig_SecretIsMasked(t *testing.T) {
	w := newWorld(t)
	w.Want(0, w.RootToken, "activate --supply-root-token")
	w.Want(0, "", "activate --client-id mine")
	said := w.Want(0, "", "get-config", `"client_id": "mine"`, `"client_secret": "***"`)
	// What was shown can be given back: *** keeps the secret.
	w.Want(0, strings.Replace(said, `"email"`, `"email", "offline_access"`, 1), "set-config")
	w.Want(0, "", "get-config", `"offline_access"`, `"client_secret": "***"`)
	w.Want(1, `{"client_idd": "x"}`, "set-config", "client_idd")
	w.Want(1, `{"issuer": 3}`, "set-config", "issuer")
	if said := w.Want(0, `{"issuer": "`+w.HTTP+`", "client_id": "mine", "redirect_uri": "http://localhost:30657/authorization-code/callback"}`, "set-config"); said != "" {
		t.Errorf("of a client that is registered: %s", said)
	}
	w.Want(0, `{"issuer": "`+w.HTTP+`", "client_id": "later", "redirect_uri": "http://localhost:30657/"}`, "set-config", `client "later" is not registered`)
	w.Want(0, "{}", "set-config")
	if said := w.Want(0, "", "get-config -o yaml"); strings.Contains(said, "mine") {
		t.Errorf("after {}: %s", said)
	}
}
