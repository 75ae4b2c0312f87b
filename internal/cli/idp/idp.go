package idp

import (
	"slices"

	"github.com/spf13/cobra"

	"pachyderm/internal/cli/idp/life"
	"pachyderm/internal/cli/idp/migration"
	"pachyderm/internal/cli/idp/oidcclient"
	"pachyderm/internal/cli/idp/setuplink"
	"pachyderm/internal/cli/idp/traces"
	"pachyderm/internal/cli/idp/trust"
	"pachyderm/internal/cli/kit"
)

// Commands are those of idp.
func Commands(k *kit.Kit) []*cobra.Command {
	below := []*cobra.Command{
		newConnector(k), schema(k), callback(k),
		createConnector(k), updateConnector(k), getConnector(k), listConnector(k), deleteConnector(k), approveConnector(k),
		checkConnector(k), testConnector(k), plan(k),
		setConfig(k), getConfig(k),
		linkIdentity(k), unlinkIdentity(k),
		trust.Command(k), setuplink.Command(k), migration.Command(k),
	}
	return []*cobra.Command{kit.Group("idp", "Connect identity providers and manage OIDC clients",
		`An identity provider (IdP), such as Auth0 or Okta, knows the people of an
organisation. A connector lets them sign in here with it. An OIDC client is an
application that signs people in through Pachyderm.`,
		"  pachctl idp new-connector auth0 --domain acme.eu.auth0.com\n"+
			"  pachctl idp create-connector --config auth0.yaml\n  pachctl idp list-connector",
		slices.Concat(below, oidcclient.Commands(k), life.Commands(k), traces.Commands(k))...,
	)}
}

// idOptions are those of a command about one connector.
type idOptions struct {
	id  string
	out string
}
