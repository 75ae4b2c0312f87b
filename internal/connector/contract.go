package connector

import (
	"context"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/ldap"
	"pachyderm/internal/connector/oidc"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/connector/saml"
)

// What a connector can do, once Open has made it.
//
// The ways to sign in are interfaces of Dex's, whose handlers call them, and our
// types implement those themselves: ones of ours would be copies, and each
// connector would need an adapter between the two. Package upstream puts our
// rules around them for Dex's handlers, package connectortest calls them for a test.
//
//	CallbackConnector  the browser goes to the provider and comes back: oidc,
//	                   saml, oauth and most of Dex's
//	PasswordConnector  we ask for name and password: ldap, keystone,
//	                   atlassian-crowd, mockPassword
//	RefreshConnector   what is known of a person is renewed without the person:
//	                   oidc, ldap and some of Dex's
//
// Their errors are faults, except those of Dex's connectors, which are for the
// log. Whatever else a connector can do has an interface below. Of one without
// any, only the addresses of its provider are known (probe.Site).

// Pinger asks its provider now for what a sign-in will need of it, which says
// whether the provider is up: oidc, saml, ldap, and google and openshift, which
// Dex cannot open before it has asked. Provider.Ping calls it for health. The
// LoginURL of one fails by itself if the provider is down.
//
// Faults: Unavailable if nobody answers, Precondition or Unauthenticated if the
// answer is not one that people could sign in with.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Checker speaks the protocol of its provider well enough to tell, without a
// person, what a sign-in will meet: oidc, saml and ldap. Check adds a step for
// each thing that it looked at, and is called by the function Check. A document
// of such a type is not stored before its provider has answered a ping (Verify).
type Checker interface {
	Pinger
	Check(ctx context.Context, r *probe.Report)
}

// FormPoster is a connector whose request may have to be posted to its provider
// by a page of ours, which LoginURL then leads to: saml. The page calls Form with
// what LoginURL had kept. Fault: Unauthenticated if that has no form.
type FormPoster interface {
	Form(pending []byte) (action string, fields map[string]string, err error)
}

// GroupReader reads the groups of somebody again by Refresh, without them, if it is set
// up so: ldap with groupSearch, oidc with groups.refresh.
type GroupReader interface {
	dexconn.RefreshConnector
	ReadsGroups() bool
}

// Replayer makes of claims that a sign-in has brought, as they were recorded, what a
// sign-in would make of them, and asks nobody: oidc, saml, ldap and oauth. Faults:
// those of a sign-in.
type Replayer interface {
	Replay(claims map[string]any) (dexconn.Identity, error)
}

// Expirer knows when something of a connector ends that it cannot work without: oidc,
// saml and ldap. What is not known yet is not among it.
type Expirer interface {
	Expiries() []probe.Expiry
}

// Describer is a connector that its provider can read about: saml. The issuer
// serves the XML at /saml/{connector}/metadata.
type Describer interface {
	SPMetadata() ([]byte, error)
}

var (
	_ Checker     = (*oidc.Connector)(nil)
	_ Checker     = (*saml.Connector)(nil)
	_ Checker     = (*ldap.Connector)(nil)
	_ GroupReader = (*oidc.Connector)(nil)
	_ GroupReader = (*ldap.Connector)(nil)
	_ Replayer    = (*oidc.Connector)(nil)
	_ Replayer    = (*saml.Connector)(nil)
	_ Replayer    = (*ldap.Connector)(nil)
	_ FormPoster  = (*saml.Connector)(nil)
	_ Expirer     = (*oidc.Connector)(nil)
	_ Expirer     = (*saml.Connector)(nil)
	_ Expirer     = (*ldap.Connector)(nil)
	_ Describer   = (*saml.Connector)(nil)
)
