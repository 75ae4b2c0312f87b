package config

import (
	"fmt"
	"strings"
)

// Reference is docs/config.md: generated, so that it cannot be wrong.
func Reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration of pachd

Generated from the code by ` + "`make generate`" + `; do not edit.

    pachd --data-dir DIR [--config pachd.yaml]

Each setting has a key in the YAML file and an environment variable, which wins.
Unknown keys in the file are errors; unknown variables are ignored.

| key | variable | default | meaning |
|---|---|---|---|
`)
	for _, s := range Settings() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", s.Key, s.Variable, code(s.Default()), s.Doc)
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

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}
