package connector

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/dexidp/dex/connector"

	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
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
	// LoginParams are the query parameters of the login request that is known
	// to the provider by state.
	LoginParams func(state string) url.Values
	// FormURL is our page that posts the request of the login known by state.
	FormURL func(state string) string
	// References finds secrets that stand outside of documents.
	References References
	// TrustedProxies are where an authproxy connector believes headers from.
	TrustedProxies []netip.Prefix
}

// common are the keys of config that every type has.
type common struct {
	EmailDomains []string `json:"emailDomains" doc:"e-mail domains, such as example.com, whose people are sent here when they give their address"`
}

// Provider is an opened connector, and what is known of who is behind it.
type Provider struct {
	connector.Connector
	site     probe.Site
	callback string
}

// Callback is where the provider sends people back to, of the ways that lead
// to us.
func (p *Provider) Callback() string { return p.callback }

// Issuer is what the provider's subjects belong to, or "" for types whose
// provider has no such name.
func (p *Provider) Issuer() string {
	if i, ok := p.Connector.(interface{ Issuer() string }); ok {
		return cmp.Or(i.Issuer(), p.site.Issuer)
	}
	return p.site.Issuer
}

// Open makes a connector ready from its configuration. It does no network
// I/O, so a provider that is down does not matter; what is wrong with the
// configuration is a fault that names the key.
func Open(id, typ string, config map[string]any, d Deps) (*Provider, error) {
	k, err := kindNamed(typ)
	if err != nil {
		return nil, err
	}
	if _, err := EmailDomains(config); err != nil {
		return nil, err
	}
	config = maps.Clone(config)
	for _, c := range keysOfCommon() {
		delete(config, c.path)
	}
	// A misspelt key comes before a reference that leads nowhere.
	if err := decode(config, reflect.New(k.shape).Interface()); err != nil {
		return nil, err
	}
	if config, err = d.resolve(typ, config); err != nil {
		return nil, err
	}
	return k.open(id, config, d)
}

// Probe opens the connector and asks its provider whether it is there, for
// types that have such a question.
func Probe(ctx context.Context, id, typ string, config map[string]any, d Deps) error {
	p, err := Open(id, typ, config, d)
	if err != nil {
		return err
	}
	return p.Probe(ctx)
}

// Probe asks the provider what a sign-in will need of it, for types that have
// such a question: a connector is not stored if it cannot work.
func (p *Provider) Probe(ctx context.Context) error {
	if c, ok := p.Connector.(interface{ Probe(context.Context) error }); ok {
		return c.Probe(ctx)
	}
	return nil
}

// AsksFirst reports whether a sign-in asks the provider before the browser is
// sent there.
func (p *Provider) AsksFirst() bool {
	_, ours := p.Connector.(interface{ Probe(context.Context) error })
	_, lazily := p.Connector.(interface{ Reach(context.Context) error })
	return ours || lazily || p.site.Base == ""
}

// Alive is Probe for any type: of a provider without such a question it asks
// no more than any answer at its address.
func (p *Provider) Alive(ctx context.Context) error {
	if c, ok := p.Connector.(interface{ Probe(context.Context) error }); ok {
		return c.Probe(ctx)
	}
	if c, ok := p.Connector.(interface{ Reach(context.Context) error }); ok {
		return c.Reach(ctx)
	}
	return p.site.Reach(ctx)
}

// Redact copies a configuration with secret.Mask in place of its secrets. Of a
// type that is not known here, any value may be one.
func Redact(typ string, config map[string]any) map[string]any {
	out := maps.Clone(config)
	_, known := kinds()[typ]
	secrets := secretsOf(typ)
	for key, value := range out {
		if (!known || slices.Contains(secrets, key)) && !IsReference(value) {
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
	for _, k := range keysOf(kinds()[typ].shape, "") {
		if (k.is("dest") || k.is("url")) && a[k.path] != b[k.path] {
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
