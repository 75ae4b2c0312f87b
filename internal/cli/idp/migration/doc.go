// Package migration has the command pachctl idp import: what another installation
// has of connectors, OIDC clients, roles and robots' tokens, brought here.
package migration
