package connector

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"time"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/secret"
	"pachyderm/internal/strict"
)

// Deps is what connectors take from the issuer.
type Deps struct {
	Now func() time.Time
	Log *slog.Logger
	// Callback is where identity providers send people back to: the issuer
	// plus "/callback".
	Callback string
	// Outside is the same as browsers reach it, where that is another address.
	Outside func() string
	// AllowHTTP lets providers on other hosts be spoken to without TLS.
	AllowHTTP bool
	// Reach is how far connections go to what documents name.
	Reach fetch.Reach
	// LoginParams are the query parameters of the login request that is known
	// to the provider by state.
	LoginParams func(state string) url.Values
	// MaxAge is how old the proof may be that the login request known by state asks
	// for, in seconds, or nil.
	MaxAge func(state string) *int64
	// FormURL is our page that posts the request of the login known by state.
	FormURL func(state string) string
	// ClientKeys sign where a provider wants private_key_jwt.
	ClientKeys clientauth.Keys
	// References finds secrets that stand outside of documents.
	References *secret.References
	// TrustedProxies are where an authproxy connector believes headers from.
	TrustedProxies []netip.Prefix
	// Promote is called, by a sign-in, for a connector whose nextClientSecret is seen
	// to work in place of its clientSecret.
	Promote func(id string)

	promoted func()
}

// ForDeclared are those of a document that pachd's configuration declares, if it
// does.
func (d Deps) ForDeclared(does bool) Deps {
	if does && d.References != nil {
		d.References = d.References.ForDeclared()
	}
	return d
}

// ForOutsider are those of a document of somebody who is nobody here: it can name
// nothing that is on the server, and leads no further than reach.
func (d Deps) ForOutsider(reach fetch.Reach) Deps {
	d.References, d.Reach, d.Promote = &secret.References{}, reach, nil
	return d
}

func (d Deps) rules() document.Rules {
	return document.Rules{Callback: d.Callback, AllowHTTP: d.AllowHTTP, Reach: d.Reach}
}

// answeredAt takes the address that browsers have for us where a document
// gives that one.
func (d Deps) answeredAt(redirectURI string) Deps {
	if redirectURI != "" && redirectURI != d.Callback && d.Outside != nil && redirectURI == d.Outside() {
		d.Callback = redirectURI
	}
	return d
}

// Provider is an opened connector, and what is known of who is behind it. What
// else it can do is said by the interfaces of this package.
type Provider struct {
	dexconn.Connector
	site     probe.Site
	callback string
}

// Callback is where the provider sends people back to, of the ways that lead
// to us.
func (p *Provider) Callback() string { return p.callback }

// Issuer is what the provider's subjects belong to, or "" for types whose
// provider has no such name.
func (p *Provider) Issuer() string { return p.site.Issuer }

// Ping asks the provider whether it is up: of one that is no Pinger, any answer
// at its address will do.
func (p *Provider) Ping(ctx context.Context) error {
	if c, ok := p.Connector.(Pinger); ok {
		return c.Ping(ctx)
	}
	return p.site.Ping(ctx)
}

// Open makes a connector ready from its configuration. It does no network
// I/O, so a provider that is down does not matter; what is wrong with the
// configuration is a fault that names the key.
func Open(id, typ string, config map[string]any, d Deps) (*Provider, error) {
	k, err := kindNamed(typ)
	if err != nil {
		return nil, err
	}
	if d.Promote != nil {
		promote := d.Promote
		d.promoted = func() { promote(id) }
	}
	if _, err := EmailDomains(config); err != nil {
		return nil, err
	}
	config = maps.Clone(config)
	for _, c := range keysOfCommon() {
		delete(config, c.Path)
	}
	// A misspelt key comes before a reference that leads nowhere.
	doc := reflect.New(k.document)
	if err := strict.DecodeValue(config, doc.Interface(), "config"); err != nil {
		return nil, err
	}
	for _, key := range k.keys {
		value := key.In(doc.Elem())
		if key.Path == "redirectURI" {
			d = d.answeredAt(value.String())
		}
		if err := d.resolve(key, value); err != nil {
			return nil, err
		}
		if err := d.checkFiles(key, value); err != nil {
			return nil, err
		}
	}
	if err := d.checkReach(typ, config); err != nil {
		return nil, err
	}
	c, site, err := k.open(id, doc.Interface(), d)
	if err != nil {
		return nil, err
	}
	return &Provider{c, site, d.Callback}, nil
}

// checkReach refuses, where connections may go to public addresses only, types that make
// connections of their own, unless they go to one place if the document names no other.
// Fault: Precondition.
func (d Deps) checkReach(typ string, config map[string]any) error {
	ours, fixed := []string{"oidc", "saml", "oauth"}, []string{"github", "gitlab", "google", "microsoft"}
	if d.Reach == fetch.Anywhere || slices.Contains(ours, typ) || slices.Contains(fixed, typ) && SameDestination(typ, config, nil) {
		return nil
	}
	return fault.New(fault.Precondition, "a connector of type %s may lead to a private network, and what is sent here may not", typ).
		Next("ask a clusterAdmin to connect it")
}

// Verify opens the connector and, of a Checker, pings its provider: a document
// is not stored if it cannot work.
func Verify(ctx context.Context, id, typ string, config map[string]any, d Deps) error {
	p, err := Open(id, typ, config, d)
	if err != nil {
		return err
	}
	c, ok := p.Connector.(Checker)
	if !ok {
		return nil
	}
	err = c.Ping(ctx)
	if fault.Is(err, fault.Unauthenticated) {
		// That is who signs in, and not who writes the document.
		return fault.As(fault.Precondition, err)
	}
	return err
}

// Equal compares as documents: a number that came as JSON is another Go type
// than the same one stored.
func Equal(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// Redact copies a configuration with secret.Mask in place of its secrets. Of a
// type that is not known here, any value may be one.
func Redact(typ string, config map[string]any) map[string]any {
	out := maps.Clone(config)
	_, known := kinds()[typ]
	secrets := secretsOf(typ)
	for key, value := range out {
		if (!known || slices.Contains(secrets, key)) && !isReference(value) {
			out[key] = secret.Mask
		}
	}
	return out
}

// Merge applies a change to a stored configuration: keys that the change does
// not give stay, null removes one, and secret.Mask keeps a stored secret, so
// that what was read can be written back (RFC 7396, JSON Merge Patch). A mask
// for which nothing is stored stays, for CheckSecrets to refuse.
func Merge(typ string, stored, change map[string]any) map[string]any {
	secrets := secretsOf(typ)
	return merge(stored, change, func(key string) bool { return slices.Contains(secrets, key) })
}

func merge(stored, change map[string]any, isSecret func(string) bool) map[string]any {
	out := maps.Clone(stored)
	if out == nil {
		out = map[string]any{}
	}
	for key, value := range change {
		nested, ok := value.(map[string]any)
		switch {
		case value == nil:
			delete(out, key)
		case value == secret.Mask && isSecret(key) && out[key] != nil:
		case ok:
			old, _ := out[key].(map[string]any)
			out[key] = merge(old, nested, func(string) bool { return false })
		default:
			out[key] = value
		}
	}
	return out
}

// SameDestination reports whether two documents of a type send their secrets to
// the same place.
func SameDestination(typ string, a, b map[string]any) bool {
	for _, k := range kinds()[typ].keys {
		if (k.Is("dest") || k.Is("url")) && a[k.Path] != b[k.Path] {
			return false
		}
	}
	return true
}

// CheckSecrets refuses a mask that stands for nothing: a new connector has no
// stored secret to keep.
func CheckSecrets(typ string, config map[string]any) error {
	for _, key := range secretsOf(typ) {
		if config[key] == secret.Mask {
			return fault.New(fault.Invalid, "config.%s is %s, which stands for a stored secret, and none is stored", key, secret.Mask).
				Next("write the secret itself").At("config." + key)
		}
	}
	return nil
}
