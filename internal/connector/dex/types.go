package dex

import (
	"log/slog"
	"net/netip"
	"reflect"
	"slices"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
)

// Deps is what Dex's connectors need of the server around them.
type Deps struct {
	Now   func() time.Time
	Log   *slog.Logger
	Rules document.Rules
	// TrustedProxies are where authproxy believes headers from.
	TrustedProxies []netip.Prefix
}

// Type is one of Dex's types of connectors.
type Type struct {
	// Document is the struct of its documents.
	Document reflect.Type
	// Open makes a connector from a pointer to one, without network I/O, and says
	// where its provider is. Faults: Invalid, Precondition.
	Open func(id string, doc any, d Deps) (dexconn.Connector, probe.Site, error)
}

// Types are all of them, by name.
func Types() map[string]Type {
	return map[string]Type{
		"github":          of[githubDoc]("github"),
		"gitlab":          of[gitlabDoc]("gitlab"),
		"gitea":           of[giteaDoc]("gitea"),
		"google":          of[googleDoc]("google"),
		"microsoft":       of[microsoftDoc]("microsoft"),
		"bitbucket-cloud": of[bitbucketDoc]("bitbucket-cloud"),
		"linkedin":        of[linkedinDoc]("linkedin"),
		"openshift":       of[openshiftDoc]("openshift"),
		"keystone":        of[keystoneDoc]("keystone"),
		"atlassian-crowd": of[crowdDoc]("atlassian-crowd"),
		"authproxy":       of[authproxyDoc]("authproxy"),
		"mockCallback":    of[mockCallbackDoc]("mockCallback"),
		"mockPassword":    of[mockPasswordDoc]("mockPassword"),
	}
}

// opener is a pointer to the struct of a type's documents: Dex's keys, with our
// rules for them.
type opener[T any] interface {
	*T
	open(id string, d Deps) (dexconn.Connector, error)
	site() probe.Site
}

func of[T any, D opener[T]](typ string) Type {
	return Type{reflect.TypeFor[T](), func(id string, doc any, d Deps) (dexconn.Connector, probe.Site, error) {
		if err := d.Rules.Check(typ, doc); err != nil {
			return nil, probe.Site{}, err
		}
		o := doc.(D)
		c, err := o.open(id, d)
		if err != nil && fault.KindOf(err) == fault.Internal { // Dex's, which has no other words for a document
			err = fault.New(fault.Invalid, "config: %v", err).At("config")
		}
		return c, o.site(), err
	}}
}

func nonEmpty(list ...string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == "" })
}
