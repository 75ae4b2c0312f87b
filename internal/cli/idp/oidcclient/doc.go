// Package oidcclient has the commands of pachctl idp about OIDC clients, and the
// document that one is registered with.
package oidcclient
