package identity_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	identitypb "pachyderm/api/identity"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/pachd/pachdtest"
)

func TestIDPConnector_BothFormsWithoutSecrets(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, h *pachdtest.Server) {
		p := optest.Start(t, h.Issuer.Callback())
		config := map[string]any{
			"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.Issuer.Callback(),
			"insecureEnableGroups": true, "forwardedLoginParams": []any{"login_hint"},
		}
		asStruct, err := structpb.NewStruct(config)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		for id, c := range map[string]*identitypb.IDPConnector{
			"struct":               {Config: asStruct},
			"json":                 {JsonConfig: string(asJSON)},
			"both":                 {Config: asStruct, JsonConfig: `{"no": "matter"}`},
			"json-beside-an-empty": {Config: &structpb.Struct{}, JsonConfig: string(asJSON)},
		} {
			c.Id, c.Name, c.Type, c.ConfigVersion = id, "Demo", "oidc", 1
			if _, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: c}); err != nil {
				t.Errorf("%s: %v", id, err)
				continue
			}
			// The same again at the stored version changes nothing.
			if _, err := h.API.Identity.UpdateIDPConnector(h.Root(), &identitypb.UpdateIDPConnectorRequest{Connector: c}); err != nil {
				t.Errorf("%s again: %v", id, err)
			}
			res, err := h.API.Identity.GetIDPConnector(h.Root(), &identitypb.GetIDPConnectorRequest{Id: id})
			got := res.GetConnector()
			if err != nil || got.GetConfigVersion() != 1 || got.GetJsonConfig() != "" {
				t.Errorf("%s: %v, %v", id, got, err)
			}
			shown := map[string]any{}
			for k, v := range config {
				shown[k] = v
			}
			shown["clientSecret"] = "***"
			if diff := cmp.Diff(shown, got.GetConfig().AsMap()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
		all, err := h.API.Identity.ListIDPConnectors(h.Root(), &identitypb.ListIDPConnectorsRequest{})
		if err != nil || len(all.GetConnectors()) != 4 {
			t.Errorf("listed %v, %v", all, err)
		}
		for _, c := range all.GetConnectors() {
			if c.GetConfig().AsMap()["clientSecret"] != "***" {
				t.Errorf("%s shows its secret in the list", c.GetId())
			}
		}
	})
}

func TestIDPConnector_RefusedWithField(t *testing.T) {
	h := pachdtest.Start(t)
	for text, c := range map[string]struct {
		connector *identitypb.IDPConnector
		code      codes.Code
		field     string
	}{
		"validate request: connector is required": {nil, codes.InvalidArgument, ""},
		"no id specified":                         {&identitypb.IDPConnector{}, codes.InvalidArgument, "id"},
		"no type specified":                       {&identitypb.IDPConnector{Id: "x"}, codes.InvalidArgument, "type"},
		"no name specified":                       {&identitypb.IDPConnector{Id: "x", Type: "oidc"}, codes.InvalidArgument, "name"},
		"no configs are defined":                  {&identitypb.IDPConnector{Id: "x", Type: "oidc", Name: "X", JsonConfig: "null"}, codes.InvalidArgument, "config"},
		`unknown connector type "x"`:              {&identitypb.IDPConnector{Id: "x", Type: "x", Name: "X", JsonConfig: `{"a":1}`}, codes.InvalidArgument, "type"},
		"unable to deserialize JSON":              {&identitypb.IDPConnector{Id: "x", Type: "oidc", Name: "X", JsonConfig: `{"a":`}, codes.InvalidArgument, "jsonConfig"},
		"unable to open connector":                {&identitypb.IDPConnector{Id: "x", Type: "oidc", Name: "X", JsonConfig: `{"clientId":"a"}`}, codes.InvalidArgument, "config.clientId"},
	} {
		_, err := h.API.Identity.CreateIDPConnector(h.Root(), &identitypb.CreateIDPConnectorRequest{Connector: c.connector})
		pachdtest.Want(t, err, c.code, text)
		if pachdtest.Info(err).GetMetadata()["field"] != c.field {
			t.Errorf("%s: field %q, want %q", text, pachdtest.Info(err).GetMetadata()["field"], c.field)
		}
	}
	_, err := h.API.Identity.GetIDPConnector(h.Root(), &identitypb.GetIDPConnectorRequest{Id: "nosuch"})
	pachdtest.Want(t, err, codes.NotFound, `"nosuch"`, "ID does not exist")
	_, err = h.API.Identity.DeleteIDPConnector(h.Root(), &identitypb.DeleteIDPConnectorRequest{Id: "nosuch"})
	pachdtest.Want(t, err, codes.NotFound, `"nosuch"`)
	_, err = h.API.Identity.SetIdentityServerConfig(h.Root(), &identitypb.SetIdentityServerConfigRequest{Config: &identitypb.IdentityServerConfig{IdTokenExpiry: "soon"}})
	pachdtest.Want(t, err, codes.InvalidArgument, "id_token_expiry")
	if got := pachdtest.Info(err).GetMetadata()["field"]; got != "id_token_expiry" {
		t.Errorf("field %q", got)
	}
}
