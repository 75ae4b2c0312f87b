// Package idp has the commands of pachctl idp: connectors to identity providers
// with their documents and presets, OIDC clients, and which identity is whose.
package idp
