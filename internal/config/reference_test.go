package config

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/config/declared"
)

var update = flag.Bool("update", false, "rewrite docs/config.md")

// reference is docs/config.md: generated, so that it cannot be wrong.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration of pachd

Generated from the code by ` + "`make generate`" + `; do not edit.

    pachd --data-dir DIR [--config pachd.yaml]

Each setting has a key in the YAML file and an environment variable, which wins.
Unknown keys in the file are errors; unknown variables are ignored. ` + "`pachd config check FILE`" + ` reads a file
and says what is wrong with it.

| key | variable | default | meaning |
|---|---|---|---|
`)
	for _, s := range standardSettings() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.key, s.variable, standardOf(s), s.doc)
	}
	b.WriteString(`
An example:

` + "```yaml" + `
publicURL: https://pach.example.com
listen:
  grpc: 0.0.0.0:30650
  http: 0.0.0.0:30658
tls:
  certFile: /etc/pachd/tls.crt
  keyFile: /etc/pachd/tls.key
database:
  url: postgres://pachd:password@db.example.com:5432/pachyderm
` + "```" + `

## What there should be

The section ` + "`bootstrap`" + ` declares objects: pachd makes them at its start and whenever the file changes, keeps
everybody from changing them over the API, and removes those whose entries are gone
([decision 0027](decisions/0027-declared-state.md)). What is not declared is left alone.

| key | meaning |
|---|---|
`)
	for f := range reflect.TypeFor[declared.Document]().Fields() {
		fmt.Fprintf(&b, "| `bootstrap.%s` | %s |\n", f.Tag.Get("json"), f.Tag.Get("doc"))
	}
	b.WriteString(`
` + "```yaml" + `
bootstrap:
  connectors:
    - id: auth0
      name: Auth0
      type: oidc
      config:
        issuer: https://example.eu.auth0.com/
        clientID: hegmOc5rTotLPu5ByRDXOvBAzgs3wuw5
        clientSecret: ${file:/run/secrets/auth0}
        redirectURI: https://pach.example.com/callback
        insecureEnableGroups: true
  clients:
    - id: dashboard
      name: Dashboard
      secret: ${file:/run/secrets/dashboard}
      redirect_uris: [https://dashboard.example.com/callback]
  roleBindings:
    group:admins: [clusterAdmin]
    user:alice@example.com: [clusterAdmin]
  groups:
    admins: [user:bob@example.com]
  identityConfig:
    id_token_expiry: 1h
  rootTokenFile: /run/secrets/root-token
` + "```" + `

## Upstream's variables

They mean what they mean upstream. What cannot be honoured stops the start with its reason, and what has no effect is
logged.

| variable | here |
|---|---|
`)
	variables := upstreamVariables()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, fate(variables[name]))
	}
	return b.String()
}

// fate is what becomes of a variable.
func fate(v upstreamVariable) string {
	switch {
	case v.setting != "":
		return "sets `" + v.setting + "`"
	case v.unneeded != "":
		return "no effect: " + v.unneeded
	case v.refused != "" && v.taken != nil:
		return "refused, unless it is " + v.taken[0] + ": " + v.refused
	case v.refused != "":
		return "refused: " + v.refused
	}
	return v.used
}

func standardSettings() []setting {
	c := standard()
	return settingsOf(reflect.ValueOf(&c).Elem(), "")
}

// standardOf is the value of a setting that was not set.
func standardOf(s setting) string {
	value := s.value.Interface()
	if d, ok := value.(Duration); ok {
		value = time.Duration(d)
	}
	if s.value.Kind() != reflect.Bool && s.value.IsZero() {
		return ""
	}
	return fmt.Sprintf("`%v`", value)
}

func TestReference_Current(t *testing.T) {
	text := reference()
	path := filepath.Join("..", "..", "docs", "config.md")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, string(got)); diff != "" {
		t.Errorf("run make generate:\n%s", diff)
	}
	for _, s := range standardSettings() {
		if s.doc == "" {
			t.Errorf("%s has no doc", s.key)
		}
	}
}
