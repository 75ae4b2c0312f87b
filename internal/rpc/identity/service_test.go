package identity_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	identitypb "pachyderm/api/identity"
	"pachyderm/internal/pachd/pachdtest"
)

// Upstream's identity tests: what is off for everybody, and what an ordinary
// caller may not do whatever they send.
func TestIdentityService_AdministratorsOnly(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		robot, _ := h.Robot("nobody", 0)
		calls := map[string]func() error{
			"SetIdentityServerConfig": func() error {
				_, err := h.API.Identity.SetIdentityServerConfig(robot, &identitypb.SetIdentityServerConfigRequest{})
				return err
			},
			"CreateIDPConnector": func() error {
				_, err := h.API.Identity.CreateIDPConnector(robot, &identitypb.CreateIDPConnectorRequest{Connector: &identitypb.IDPConnector{}})
				return err
			},
			"UpdateOIDCClient": func() error {
				_, err := h.API.Identity.UpdateOIDCClient(robot, &identitypb.UpdateOIDCClientRequest{})
				return err
			},
		}
		for _, method := range []string{
			"GetIdentityServerConfig", "GetIDPConnector", "UpdateIDPConnector", "ListIDPConnectors", "DeleteIDPConnector",
			"CreateOIDCClient", "GetOIDCClient", "ListOIDCClients", "DeleteOIDCClient", "DeleteAll",
		} {
			calls[method] = func() error { return h.Call(robot, "/identity_v2.API/"+method) }
		}
		for method, call := range calls {
			err := call()
			if !strings.HasPrefix(err.Error(), "rpc error: code = PermissionDenied desc = robot:nobody is not authorized to perform this operation") {
				t.Errorf("%s: %v", method, err)
			}
		}
		h.Deactivate(h.Root())
		for method, call := range calls {
			if err := call(); err.Error() != "rpc error: code = Unimplemented desc = the auth service is not activated" {
				t.Errorf("%s while off: %v", method, err)
			}
		}
	})
}

func TestIdentityService_Lifecycle(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		document := func(name string, version int64) *identitypb.IDPConnector {
			config, err := structpb.NewStruct(map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			return &identitypb.IDPConnector{Id: "mock", Name: name, Type: "mockCallback", ConfigVersion: version, Config: config}
		}
		steps := []struct {
			name string
			do   func() error
		}{
			{"create connector", func() error {
				_, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: document("first", 0)})
				return err
			}},
			{"update connector", func() error {
				_, err := h.API.Identity.UpdateIDPConnector(h.Root(), &identitypb.UpdateIDPConnectorRequest{Connector: document("second", 1)})
				return err
			}},
			{"create client", func() error {
				_, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "app", Name: "app", Secret: "a-secret"}})
				return err
			}},
			{"update client", func() error {
				_, err := h.API.Identity.UpdateOIDCClient(h.Root(), &identitypb.UpdateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: "app", Name: "new", RedirectUris: []string{"http://localhost:1/x"}}})
				return err
			}},
		}
		for _, s := range steps {
			if err := s.do(); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		one, err := h.API.Identity.GetIDPConnector(h.Root(), &identitypb.GetIDPConnectorRequest{Id: "mock"})
		if diff := cmp.Diff(document("second", 1), one.GetConnector(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("connector: %v\n%s", err, diff)
		}
		client, err := h.API.Identity.GetOIDCClient(h.Root(), &identitypb.GetOIDCClientRequest{Id: "app"})
		if diff := cmp.Diff(&identitypb.OIDCClient{Id: "app", Name: "new", RedirectUris: []string{"http://localhost:1/x"}}, client.GetClient(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("client: %v\n%s", err, diff)
		}
		if _, err := h.API.Identity.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{Issuer: h.HTTP + "/elsewhere"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.API.Identity.DeleteAll(h.Root(), &identitypb.DeleteAllRequest{}); err != nil {
			t.Fatal(err)
		}
		connectors, err := h.API.Identity.ListIDPConnectors(h.Root(), &identitypb.ListIDPConnectorsRequest{})
		if err != nil || len(connectors.GetConnectors()) != 0 {
			t.Errorf("connectors are left: %v, %v", connectors, err)
		}
		clients, err := h.API.Identity.ListOIDCClients(h.Root(), &identitypb.ListOIDCClientsRequest{})
		if err != nil || len(clients.GetClients()) != 1 || clients.GetClients()[0].GetId() != "pachd" {
			t.Errorf("clients are left: %v, %v", clients, err)
		}
		settings, err := h.API.Identity.GetIdentityServerConfig(h.Root(), &identitypb.GetIdentityServerConfigRequest{})
		if diff := cmp.Diff(&identitypb.IdentityServerConfig{}, settings.GetConfig(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("settings: %v\n%s", err, diff)
		}
		if got := h.Issuer.URL(); got != h.HTTP {
			t.Errorf("the issuer is %s, not %s again", got, h.HTTP)
		}
	})
}
