package connector_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/document"
)

// what says of a type what the reference's reader must know of it as a whole.
func what() map[string]string {
	return map[string]string{
		"oidc": "Any OpenID Connect provider. Our own: nonce and PKCE always, every claim checked by its type.",
		"saml": "Any SAML 2.0 identity provider. Our own. Set one of `metadataURL`, `metadataFile`, `metadata` and `ssoURL`; our metadata is " +
			"at `{issuer}/saml/ID/metadata`.",
		"ldap":   "OpenLDAP, Active Directory and other directories. Our own: pachd asks for the password on its own page.",
		"oauth":  "A provider with OAuth 2.0 and an address that says who signed in, but no OpenID Connect. Our own.",
		"github": "GitHub, and GitHub Enterprise Server by `hostName`.",
		"gitlab": "gitlab.com, and a GitLab of one's own by `baseURL`.", "gitea": "gitea.com, and a Gitea or Forgejo of one's own by `baseURL`.",
		"google":          "Google, with groups of Google Workspace by a service account. It is asked when somebody first signs in.",
		"microsoft":       "Microsoft Entra ID by Graph, which knows the names of groups. Without need of names, type `oidc` is stricter.",
		"bitbucket-cloud": "Bitbucket Cloud.", "linkedin": "LinkedIn.",
		"openshift":       "The users of an OpenShift cluster, by their names. It is asked when somebody first signs in.",
		"keystone":        "OpenStack Keystone. pachd asks for the password on its own page.",
		"atlassian-crowd": "Atlassian Crowd. pachd asks for the password on its own page.",
		"authproxy": "A proxy in front of `{issuer}/callback/ID` that signs people in and says who they are in headers. Off unless " +
			"`trustedProxies` of pachd's configuration names the proxy; only headers that are named here are believed, `userHeader` " +
			"aside.",
	}
}

// The reference of all types is made from what pachd holds documents to.
func TestReferencePage_IsCurrent(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Connector documents\n\nGenerated from the code by `make generate`; do not edit. The guides for common providers are in " +
		"[docs/guides](guides/README.md).\n\n" +
		"A document is YAML or JSON with `type`, `id`, `name`, `version` and, under `config`, the keys of its type. A secret (S) is shown as " +
		"`***`, and may be `${env:NAME}` or `${file:/path}` on the server; a required key is marked R.\n" +
		"`pachctl idp schema TYPE` prints the same for editors.\n\n## Every type\n\n")
	table(&b, connector.CommonKeys())
	explained := what()
	for _, typ := range connector.Types() {
		if strings.HasPrefix(typ, "mock") {
			continue // to try pachd itself out
		}
		if explained[typ] == "" {
			t.Errorf("nothing says what %s is", typ)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", typ, explained[typ])
		table(&b, connector.Keys(typ))
	}
	file := filepath.Join("..", "..", "docs", "connectors.md")
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(kept)); diff != "" {
		t.Errorf("docs/connectors.md is not current: run make generate (-want +got):\n%s", diff)
	}
}

func table(b *strings.Builder, keys []document.Key) {
	b.WriteString("| key | | meaning |\n|---|---|---|\n")
	for _, k := range keys {
		if k.Doc == "" && k.Type.Kind() == reflect.Struct {
			continue // its own keys follow
		}
		mark := ""
		if slices.Contains(k.Rules, "required") {
			mark += "R"
		}
		if slices.Contains(k.Rules, "secret") {
			mark += "S"
		}
		doc := strings.ReplaceAll(k.Doc, "|", "\\|")
		if len(k.OneOf) > 0 {
			doc += " (" + strings.Join(k.OneOf, ", ") + ")"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", k.Path, mark, doc)
	}
}
