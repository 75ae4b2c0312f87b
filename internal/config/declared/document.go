package declared

import (
	"fmt"
	"log/slog"
)

// Document is what is declared, as the section bootstrap of pachd.yaml has it. The
// json tag is the key; doc explains it in docs/config.md.
type Document struct {
	Connectors     []map[string]any    `json:"connectors" doc:"Connectors to identity providers: the documents that pachctl idp create-connector --config takes."`
	Clients        []map[string]any    `json:"clients" doc:"OIDC clients: the documents that pachctl idp create-client --config takes. A client that is not public needs its secret here."`
	TrustedPeers   []string            `json:"trustedPeers" doc:"Ids of clients that may request ID tokens for the client that pachd is itself."`
	RoleBindings   map[string][]string `json:"roleBindings" doc:"Roles on the cluster by principal, beside those that are bound by hand."`
	Groups         map[string][]string `json:"groups" doc:"Members by group, beside those that connectors and administrators put there."`
	IdentityConfig map[string]any      `json:"identityConfig" doc:"The issuer's settings: issuer, id_token_expiry and rotation_token_expiry, as pachctl idp set-config takes them."`
	AuthConfig     map[string]any      `json:"authConfig" doc:"Where pachd signs people in, as pachctl auth set-config takes it."`
	RootTokenFile  string              `json:"rootTokenFile" doc:"A file with the root token, in place of auth.rootToken. When it changes, the token before ends."`
}

// Format keeps secrets out of every %v, %+v and %#v.
func (d Document) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%d connectors, %d clients", len(d.Connectors), len(d.Clients))
}

// LogValue does the same for structured logs.
func (d Document) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(d)) }
