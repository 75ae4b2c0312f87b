package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/config.md")

// reference is docs/config.md: generated, so that it cannot be wrong.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration of pachd

Generated from the code by ` + "`make generate`" + `; do not edit.

    pachd --data-dir DIR [--config pachd.yaml]

Each setting has a key in the YAML file and an environment variable, which wins.
Unknown keys in the file are errors; unknown variables are ignored.

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

Of upstream's variables these are read too: AUTH_ROOT_TOKEN, ACTIVATE_AUTH, SESSION_DURATION_MINUTES,
CLUSTER_DEPLOYMENT_ID, PACHYDERM_PUBLIC_HOST, PACHYDERM_PUBLIC_TLS.
`)
	return b.String()
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
