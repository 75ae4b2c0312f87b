package identity_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	licensepb "pachyderm/api/license"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

// hostile are names by which a lesser role would write to an administrator's terminal, or
// be in the way of all who sign in.
func hostile() map[string]string {
	return map[string]string{
		"clipboard": "Okta\x1b]52;c;cm0=\x07", "line": "Okta\nokta - Okta", "direction": "Okta \u202eatko", "c1": "Okta\u009b2J",
		"null": "Okta\x00", "invisible": "Ok\u200bta", "separator": "Okta\u2028okta", "space": " Okta",
		"long": strings.Repeat("x", 256), "large": strings.Repeat("x", 3<<20),
	}
}

func TestNames_ThatCannotBeShown(t *testing.T) {
	h := pachdtest.Start(t)
	config, err := structpb.NewStruct(map[string]any{"username": "a", "password": "secret-of-a"})
	if err != nil {
		t.Fatal(err)
	}
	connector := func(id, name string) *identitypb.IDPConnector {
		return &identitypb.IDPConnector{Id: id, Name: name, Type: "mockPassword", Config: config}
	}
	client := func(id, name string, uris ...string) *identitypb.OIDCClient {
		return &identitypb.OIDCClient{Id: id, Name: name, RedirectUris: uris, Secret: "known-secret"}
	}
	if _, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: connector("stored", "Zürich 東京 🙂")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: client("stored", strings.Repeat("é", 255))}); err != nil {
		t.Fatal(err)
	}
	license := licensepb.NewAPIClient(h.Conn)
	member, err := license.AddCluster(h.Root(), &licensepb.AddClusterRequest{Id: "stored", Address: "grpc://stored:30650"})
	if err != nil {
		t.Fatal(err)
	}
	for what, name := range hostile() {
		for where, attempt := range map[string]func() error{
			"create connector": func() error {
				_, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: connector("new", name)})
				return err
			},
			"update connector": func() error {
				_, err := h.API.Identity.UpdateIDPConnector(h.Root(), &identitypb.UpdateIDPConnectorRequest{Connector: connector("stored", name)})
				return err
			},
			"create client": func() error {
				_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: client("new", name)})
				return err
			},
			"update client": func() error {
				_, err := h.API.Identity.UpdateOIDCClient(h.Root(), &identitypb.UpdateOIDCClientRequest{Client: client("stored", name)})
				return err
			},
			"client id": func() error {
				_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: client(name, "new")})
				return err
			},
			"set-up link": func() error {
				_, err := h.API.Pach.CreateSetupLink(h.Root(), &pachpb.CreateSetupLinkRequest{ConnectorId: "new", Name: name, Type: "oidc"})
				return err
			},
			"cluster": func() error {
				_, err := license.AddCluster(h.Root(), &licensepb.AddClusterRequest{Id: name, Address: "grpc://member:30650"})
				return err
			},
			"heartbeat": func() error {
				_, err := license.Heartbeat(t.Context(), &licensepb.HeartbeatRequest{Id: "stored", Secret: member.GetSecret(), Version: name})
				return err
			},
			"configuration": func() error {
				c := h.Client()
				c.ClientId = name
				_, err := h.API.Auth.SetConfiguration(h.Root(), &authpb.SetConfigurationRequest{Configuration: c})
				return err
			},
			"address of a cluster": func() error {
				_, err := license.AddCluster(h.Root(), &licensepb.AddClusterRequest{Id: "member", Address: name})
				return err
			},
		} {
			t.Run(where+"/"+what, func(t *testing.T) { pachdtest.Want(t, attempt(), codes.InvalidArgument) })
		}
	}
}

// Lists are read, and sent, as a whole.
func TestLists_NobodyMakesTooLong(t *testing.T) {
	h := pachdtest.Start(t)
	many := make([]string, 2000)
	for n := range many {
		many[n] = "https://app.example.com/callback"
	}
	for where, c := range map[string]*identitypb.OIDCClient{
		"redirect_uris": {RedirectUris: many}, "one": {RedirectUris: []string{"https://app.example.com/" + strings.Repeat("a", 64<<10)}},
		"trusted_peers": {TrustedPeers: many}, "secret": {Secret: strings.Repeat("s", 64<<10)},
	} {
		c.Id, c.Name = "app", "app"
		_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: c})
		pachdtest.Want(t, err, codes.InvalidArgument, "32768")
		if t.Failed() {
			t.Fatal(where)
		}
	}
	config, err := structpb.NewStruct(map[string]any{"issuer": "https://idp.example.com", "rootCAData": strings.Repeat("x", 200<<10)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{
		Connector: &identitypb.IDPConnector{Id: "large", Name: "large", Type: "oidc", Config: config},
	})
	pachdtest.Want(t, err, codes.InvalidArgument, "larger than 128 KiB")
}

// gRPC has one limit for all methods, which is that of files.
func TestRequests_AsLargeAsFilesAreRefused(t *testing.T) {
	h := pachdtest.Start(t)
	nobody, _ := h.Robot("nobody", 0)
	large := strings.Repeat("x", 5<<20)
	_, err := h.API.Auth.ModifyRoleBinding(nobody, &authpb.ModifyRoleBindingRequest{
		Resource: pachdtest.Cluster(), Principal: "robot:nobody", Roles: []string{large},
	})
	pachdtest.Want(t, err, codes.InvalidArgument, "4194304", "divide it")
	_, err = h.API.Pach.RevokeSession(nobody, &pachpb.RevokeSessionRequest{Id: large})
	pachdtest.Want(t, err, codes.InvalidArgument, "4194304")
	_, err = h.API.Auth.ModifyRoleBinding(nobody, &authpb.ModifyRoleBindingRequest{
		Resource: pachdtest.Cluster(), Principal: "robot:nobody", Roles: []string{large[:1<<20]},
	})
	if n := len(err.Error()); n > 5000 {
		t.Errorf("the answer to a large role has %d bytes", n)
	}
}
