package identity_test

import (
	"testing"

	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

// A client's own secret and redirect URI are a session of whoever opens a link,
// if its ID tokens begin sessions.
func TestOIDCClients_ThatBeginSessionsBelongToClusterAdmin(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		admin, _ := h.Robot("apps", 0)
		if err := h.Bind(pachdtest.Cluster(), "robot:apps", "oidcAppAdmin"); err != nil {
			t.Fatal(err)
		}
		client := func(id string) *identitypb.OIDCClient {
			return &identitypb.OIDCClient{Id: id, Name: id, RedirectUris: []string{"https://evil.example.com/"}, Secret: "known", TrustedPeers: []string{"mine"}}
		}
		attempts := func(id string) map[string]error {
			_, created := h.API.Identity.CreateOIDCClient(admin, &identitypb.CreateOIDCClientRequest{Client: client(id)})
			_, extended := h.API.Pach.CreateOIDCClient(admin, &pachpb.CreateOIDCClientRequest{Client: client(id)})
			_, updated := h.API.Identity.UpdateOIDCClient(admin, &identitypb.UpdateOIDCClientRequest{Client: client(id)})
			_, rotated := h.API.Pach.UpdateOIDCClient(admin, &pachpb.UpdateOIDCClientRequest{Id: id, NewSecret: true})
			_, deleted := h.API.Identity.DeleteOIDCClient(admin, &identitypb.DeleteOIDCClientRequest{Id: id})
			return map[string]error{"create": created, "create by pach_v1": extended, "update": updated, "rotate": rotated, "delete": deleted}
		}
		for _, err := range attempts("pachd") {
			pachdtest.Want(t, err, codes.PermissionDenied, "robot:apps is not authorized", "CLUSTER_MODIFY_BINDINGS")
		}
		before := attempts("pachyderm")
		for _, what := range []string{"create", "update", "rotate", "delete"} {
			if before[what] != nil {
				t.Errorf("%s a client of no meaning here: %v", what, before[what])
			}
		}
		if _, err := h.API.Auth.SetConfiguration(h.Root(), &authpb.SetConfigurationRequest{Configuration: h.Client()}); err != nil {
			t.Fatal(err)
		}
		for _, err := range attempts("pachyderm") {
			pachdtest.Want(t, err, codes.PermissionDenied, "robot:apps is not authorized", "CLUSTER_MODIFY_BINDINGS")
		}
		for what, attempt := range map[string]func() error{
			"update": func() error {
				_, err := h.API.Identity.UpdateOIDCClient(h.Root(), &identitypb.UpdateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "pachyderm", Name: "Pachyderm"}})
				return err
			},
			"create": func() error {
				_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: client("pachd")})
				return err
			},
		} {
			if err := attempt(); err != nil {
				t.Errorf("%s by root: %v", what, err)
			}
		}
	})
}

// Upstream's Console adds itself as a trusted peer of pachd, which nobody need have
// registered.
func TestUpdateOIDCClient_PachdItself(t *testing.T) {
	h := pachdtest.Start(t)
	console := &identitypb.OIDCClient{Id: "console", Name: "console", RedirectUris: []string{"https://console.example.com/oauth/callback/"}}
	if _, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: console}); err != nil {
		t.Fatal(err)
	}
	apps, _ := h.Robot("apps", 0)
	admin, _ := h.Robot("admin", 0)
	for who, role := range map[string]string{"robot:apps": "oidcAppAdmin", "robot:admin": "clusterAdmin"} {
		if err := h.Bind(pachdtest.Cluster(), who, role); err != nil {
			t.Fatal(err)
		}
	}
	peer := &identitypb.UpdateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "pachd", TrustedPeers: []string{"console"}}}
	_, err := h.API.Identity.UpdateOIDCClient(apps, peer)
	pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_MODIFY_BINDINGS")
	for range 2 {
		if _, err := h.API.Identity.UpdateOIDCClient(admin, peer); err != nil {
			t.Fatal(err)
		}
	}
	all, err := h.API.Identity.ListOIDCClients(apps, &identitypb.ListOIDCClientsRequest{})
	if err != nil || len(all.GetClients()) != 2 || all.GetClients()[1].GetTrustedPeers()[0] != "console" {
		t.Errorf("listed: %v, %v", all, err)
	}
	// What asks for tokens that begin sessions is not an ordinary application any more.
	_, err = h.API.Identity.UpdateOIDCClient(apps, &identitypb.UpdateOIDCClientRequest{Client: console})
	pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_MODIFY_BINDINGS")
	h.Connect()
	if who, err := h.WhoAmI(pachdtest.As(t.Context(), h.Alice())); err != nil || who.GetUsername() != pachdtest.Alice {
		t.Errorf("pachd's own way in: %v, %v", who, err)
	}
}
