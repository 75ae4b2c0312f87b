// Package setuplink has the commands of pachctl idp setup-link: links by which the
// administrator of an identity provider prepares a connector.
package setuplink
