package connector

import (
	"context"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/connector/mock"

	"pachyderm/internal/connector/oidc"
	"pachyderm/internal/fault"
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
	// AllowHTTP lets providers on other hosts be spoken to without TLS.
	AllowHTTP bool
	// LoginParams are the query parameters of the login request that is known
	// to the provider by state.
	LoginParams func(state string) url.Values
}

// kind is one type of connector.
type kind struct {
	secrets []string
	open    func(config map[string]any, d Deps) (connector.Connector, error)
}

func kinds() map[string]kind {
	return map[string]kind{
		"oidc":         {secrets: []string{"clientSecret"}, open: openOIDC},
		"mockCallback": {open: openMockCallback},
		"mockPassword": {secrets: []string{"password"}, open: openMockPassword},
	}
}

// Types lists the types that can be used, sorted.
func Types() []string { return slices.Sorted(maps.Keys(kinds())) }

func kindNamed(typ string) (kind, error) {
	k, ok := kinds()[typ]
	if !ok {
		return kind{}, fault.New(fault.Invalid, "unknown connector type %q: use one of %v", typ, Types()).At("type")
	}
	return k, nil
}

// Open makes a connector ready from its configuration. It does no network
// I/O, so a provider that is down does not matter; what is wrong with the
// configuration is a fault that names the key.
func Open(typ string, config map[string]any, d Deps) (connector.Connector, error) {
	k, err := kindNamed(typ)
	if err != nil {
		return nil, err
	}
	return k.open(config, d)
}

// Probe opens the connector and asks its provider whether it is there, for
// types that have such a question.
func Probe(ctx context.Context, typ string, config map[string]any, d Deps) error {
	c, err := Open(typ, config, d)
	if err != nil {
		return err
	}
	if p, ok := c.(interface{ Probe(context.Context) error }); ok {
		return p.Probe(ctx)
	}
	return nil
}

// Issuer is the issuer that a connector's subjects belong to, or "" for types
// whose provider has no such name.
func Issuer(c connector.Connector) string {
	if i, ok := c.(interface{ Issuer() string }); ok {
		return i.Issuer()
	}
	return ""
}

// Redact copies a configuration with secret.Mask in place of its secrets. Of a
// type that is not known here, any value may be one.
func Redact(typ string, config map[string]any) map[string]any {
	out := maps.Clone(config)
	k, known := kinds()[typ]
	for key := range out {
		if !known || slices.Contains(k.secrets, key) {
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
	secrets := kinds()[typ].secrets
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

// CheckSecrets refuses a mask that stands for nothing: a new connector has no
// stored secret to keep.
func CheckSecrets(typ string, config map[string]any) error {
	for _, key := range kinds()[typ].secrets {
		if config[key] == secret.Mask {
			return fault.New(fault.Invalid, "config.%s is %s, which stands for a stored secret, and none is stored: write the secret itself", key, secret.Mask).At("config." + key)
		}
	}
	return nil
}

func openOIDC(config map[string]any, d Deps) (connector.Connector, error) {
	var c oidc.Config
	if err := decode(config, &c); err != nil {
		return nil, err
	}
	if err := c.Validate(d.Callback, d.AllowHTTP); err != nil {
		return nil, err
	}
	return oidc.Open(c, oidc.Deps{Now: d.Now, LoginParams: d.LoginParams, AllowHTTP: d.AllowHTTP, Log: d.Log})
}

// The mock connectors are Dex's, for tests and trials: mockCallback signs in
// the same made-up person without asking anything.
func openMockCallback(config map[string]any, d Deps) (connector.Connector, error) {
	var none struct{}
	if err := decode(config, &none); err != nil {
		return nil, err
	}
	return mock.NewCallbackConnector(d.Log), nil
}

func openMockPassword(config map[string]any, d Deps) (connector.Connector, error) {
	var c mock.PasswordConfig
	if err := decode(config, &c); err != nil {
		return nil, err
	}
	opened, err := c.Open("", d.Log)
	if err != nil {
		return nil, fault.New(fault.Invalid, "config: %v", err).At("config")
	}
	return opened, nil
}

func decode(config map[string]any, into any) error {
	err := strict.DecodeValue(config, into)
	if err == nil {
		return nil
	}
	return fault.New(fault.KindOf(err), "config.%s", fault.Message(err)).At("config." + fault.FieldOf(err))
}
