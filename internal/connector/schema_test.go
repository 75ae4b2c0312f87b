package connector_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector"
	"pachyderm/internal/strict"
)

var update = flag.Bool("update", false, "rewrite api/connector/*.schema.json")

var schemaDir = filepath.Join("..", "..", "api", "connector")

// pachctl prints the schemas and must not link the connectors: what it embeds
// is what the connectors say.
func TestSchema_IsCurrent(t *testing.T) {
	all := map[string]string{}
	for _, typ := range connector.Types() {
		data, err := connector.Schema(typ)
		if err != nil {
			t.Fatal(err)
		}
		all[typ+".schema.json"] = string(data) + "\n"
	}
	kept, err := filepath.Glob(filepath.Join(schemaDir, "*.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		for _, file := range kept {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}
		kept = nil
		for name, text := range all {
			file := filepath.Join(schemaDir, name)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			kept = append(kept, file)
		}
	}
	for _, file := range kept {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		if diff := cmp.Diff(all[name], string(data)); diff != "" {
			t.Errorf("api/connector/%s is not current: run make generate (-want +got):\n%s", name, diff)
		}
		delete(all, name)
	}
	for name := range all {
		t.Errorf("api/connector/%s is missing: run make generate", name)
	}
}

// TestSchema_ExplainsEveryKey is for those who write documents with an editor that
// shows the schema.
func TestSchema_ExplainsEveryKey(t *testing.T) {
	for _, typ := range connector.Types() {
		s := schemaOf(t, typ)
		config, _ := s.Properties["config"]
		for name, key := range config.Properties {
			if key.Description == "" && key.Properties == nil {
				t.Errorf("%s: config.%s has no description", typ, name)
			}
			for inner, key := range key.Properties {
				if key.Description == "" {
					t.Errorf("%s: config.%s.%s has no description", typ, name, inner)
				}
			}
		}
	}
}

// schema is as much of JSON Schema as ours use.
type schema struct {
	Type                 string            `json:"type"`
	Const                any               `json:"const"`
	Enum                 []string          `json:"enum"`
	Description          string            `json:"description"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties json.RawMessage   `json:"additionalProperties"`
	Items                *schema           `json:"items"`
	AnyOf                []schema          `json:"anyOf"`
}

func schemaOf(t *testing.T, typ string) schema {
	t.Helper()
	data, err := connector.Schema(typ)
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(data, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// faults lists where a value does not conform.
func (s schema) faults(at string, value any) []string {
	if len(s.AnyOf) > 0 {
		for _, one := range s.AnyOf {
			if len(one.faults(at, value)) == 0 {
				return nil
			}
		}
		return []string{at + ": none fits"}
	}
	if s.Const != nil && s.Const != value {
		return []string{at + ": another value"}
	}
	switch v := value.(type) {
	case map[string]any:
		return s.objectFaults(at, v)
	case []any:
		if s.Type != "array" && s.Type != "" {
			return []string{at + ": a list"}
		}
		var all []string
		for _, item := range v {
			if s.Items != nil {
				all = append(all, s.Items.faults(at+"[]", item)...)
			}
		}
		return all
	case string:
		if s.Type != "string" && s.Type != "" || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			return []string{at + ": text"}
		}
	case bool:
		if s.Type != "boolean" && s.Type != "" {
			return []string{at + ": a switch"}
		}
	default:
		if s.Type != "integer" && s.Type != "" {
			return []string{at + ": a number"}
		}
	}
	return nil
}

func (s schema) objectFaults(at string, members map[string]any) []string {
	if s.Type != "object" && s.Type != "" {
		return []string{at + ": an object"}
	}
	var all []string
	for _, name := range s.Required {
		if _, ok := members[name]; !ok {
			all = append(all, at+"."+name+": missing")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if key, ok := s.Properties[name]; ok {
			all = append(all, key.faults(at+"."+name, members[name])...)
		} else if string(s.AdditionalProperties) == "false" {
			all = append(all, at+"."+name+": unknown")
		}
	}
	return all
}

func TestSchema_RefusesWhatPachdRefuses(t *testing.T) {
	s := schemaOf(t, "oidc")
	for name, c := range map[string]struct {
		old, new string
		want     []string
	}{
		"the page's document": {},
		"a misspelt key":      {"clientID", "clientId", []string{".config.clientID: missing", ".config.clientId: unknown"}},
		"a misspelt key above": {
			"name: Auth0", "nam: Auth0", []string{".name: missing", ".nam: unknown"},
		},
		"the page's stray comma":   {"Check: false", "Check: false,", []string{".config.insecureSkipIssuerCallbackDomainCheck: text"}},
		"text for a list":          {"\n  - login_hint", " login_hint", []string{".config.forwardedLoginParams: text"}},
		"a number for text":        {"hegmOc5rTotLPu5ByRDXOvBAzgs3wuw5", "7", []string{".config.clientID: a number"}},
		"a key of another type":    {"issuer", "metadataURL", []string{".config.issuer: missing", ".config.metadataURL: unknown"}},
		"a document of other type": {"type: oidc", "type: saml", []string{".type: another value"}},
	} {
		t.Run(name, func(t *testing.T) {
			var document map[string]any
			if err := strict.Decode([]byte(strings.Replace(page, c.old, c.new, 1)), &document); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, s.faults("", document)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
