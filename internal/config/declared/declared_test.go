package declared_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pachyderm/internal/cli/idp/oidcclient"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// What pachctl idp create-client takes can be declared.
func TestClient_HasTheKeysOfItsDocument(t *testing.T) {
	keys := func(v any) map[string]bool {
		all := map[string]bool{}
		for f := range reflect.TypeOf(v).Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
				all[name] = true
			}
		}
		return all
	}
	theirs, ours := keys(oidcclient.Document{}), keys(declared.Client{})
	for key := range theirs {
		if !ours[key] {
			t.Errorf("%s cannot be declared", key)
		}
	}
	if len(ours) != len(theirs) {
		t.Errorf("declared %v, documents have %v", ours, theirs)
	}
}

func TestDocument_NeverShown(t *testing.T) {
	d := declared.Document{Connectors: []map[string]any{{"config": map[string]any{"clientSecret": "hunter2"}}}}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(format, d); strings.Contains(text, "hunter2") {
			t.Errorf("%s shows it: %s", format, text)
		}
	}
	if strings.Contains(d.LogValue().String(), "hunter2") {
		t.Error("the log shows it")
	}
}

// Whatever stands in a variable, it is taken or refused with the variable's name.
func FuzzRead_Variables(f *testing.F) {
	for _, text := range []string{
		`[{"id": "a", "name": "A", "type": "oidc", "jsonConfig": "{\"clientSecret\": \"hunter2\"}"}]`, "- id: a\n  config: {clientSecret: hunter2}",
		"[{id: a, ID: b}]", "[{jsonConfig: '{'}]", "a: [b]", "- - - x", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, name := range []string{"IDP_CONNECTORS", "IDP_CLIENTS", "IDP_CONFIG", "AUTH_CONFIG", "AUTH_CLUSTER_RBAC", "TRUSTED_PEERS"} {
			_, err := declared.Read(declared.Document{}, "", nil, map[string]secret.Text{name: secret.Text(text)})
			if err != nil && (!fault.Is(err, fault.Invalid) || !strings.HasPrefix(fault.Message(err), name)) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
