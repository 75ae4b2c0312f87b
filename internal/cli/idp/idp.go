package idp

import (
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"pachyderm/internal/cli/idp/migration"
	"pachyderm/internal/cli/idp/traces"
	"pachyderm/internal/cli/idp/trust"
	"pachyderm/internal/cli/kit"
)

// Commands are those of idp.
func Commands(k *kit.Kit) []*cobra.Command {
	below := []*cobra.Command{
		newConnector(k), schema(k), callback(k),
		createConnector(k), updateConnector(k), getConnector(k), listConnector(k), deleteConnector(k), approveConnector(k),
		checkConnector(k), testConnector(k),
		setConfig(k), getConfig(k),
		createClient(k), updateClient(k), getClient(k), listClient(k), deleteClient(k),
		linkIdentity(k), unlinkIdentity(k),
		trust.Command(k), migration.Command(k),
	}
	return []*cobra.Command{kit.Group("idp", "Connect identity providers and manage OIDC clients",
		`An identity provider (IdP), such as Auth0 or Okta, knows the people of an
organisation. A connector lets them sign in here with it. An OIDC client is an
application that signs people in through Pachyderm.`,
		"  pachctl idp new-connector auth0 --domain acme.eu.auth0.com\n"+
			"  pachctl idp create-connector --config auth0.yaml\n  pachctl idp list-connector",
		append(below, traces.Commands(k)...)...,
	)}
}

// enterprise is where identities are managed: at the enterprise context, if
// there is one.
const enterprise = true

// idOptions are those of a command about one connector or client.
type idOptions struct {
	id  string
	out string
}

// documentFlag adds --config to a command that needs a document.
func documentFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "-", "file with the document; - is standard input")
}

// takeID takes the id from the arguments if the document has none.
func takeID(c *cobra.Command, noun string, id *string, args []string) error {
	switch {
	case len(args) == 0, *id == args[0]:
	case *id == "":
		*id = args[0]
	default:
		return kit.Usagef(c, "the document is for %s %q and the command for %q: use one of them", noun, *id, args[0])
	}
	return nil
}

// printYAML prints v for scripts, and as upstream does for people: with the
// names that its yaml tags have, and a blank line behind it.
func printYAML(k *kit.Kit, out string, v, forPeople any) error {
	text, err := yaml.Marshal(forPeople)
	if err != nil {
		return err
	}
	return k.PrintResult(out, v, func() { k.Printf("%s\n", text) })
}
