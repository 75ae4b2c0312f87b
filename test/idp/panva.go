package idp

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Panva is the certified OpenID provider oidc-provider. Its own pages take any
// password of somebody whom it knows. The claims email, groups and the like are
// in its UserInfo only, and it insists on PKCE.
type Panva struct {
	*process

	Issuer                 string
	ClientID, ClientSecret string
	People                 []Person
}

// PanvaOptions are what it may demand of the relying party.
type PanvaOptions struct {
	PushedOnly bool `json:"pushedOnly"` // authorization requests are pushed (PAR), or refused
	// AuthMethod is the only token_endpoint_auth_method; "" for several.
	AuthMethod string `json:"authMethod,omitempty"`
	KeysURL    string `json:"keysURL,omitempty"` // the client's jwks_uri
}

// StartPanva runs it for a relying party with the given callbacks.
func StartPanva(tb testing.TB, callbacks ...string) *Panva {
	tb.Helper()
	return StartPanvaWith(tb, PanvaOptions{}, callbacks...)
}

// StartPanvaWith is StartPanva with demands.
func StartPanvaWith(tb testing.TB, o PanvaOptions, callbacks ...string) *Panva {
	tb.Helper()
	port := freePort(tb, 20000, 30000)
	p := &Panva{Issuer: fmt.Sprintf("http://127.0.0.1:%d", port), ClientID: "pachyderm", ClientSecret: "a-secret-for-panva-that-is-long-enough", People: []Person{Alice, Bob}}
	p.process = &process{
		tb: tb, dir: tb.TempDir(), env: []string{"CLIENT_SECRET=" + p.ClientSecret, "PEOPLE=" + encode(tb, p.People), "OPTIONS=" + encode(tb, o)},
		args:  append([]string{nodeProgram(tb, "oidc-provider"), filepath.Join(testDir(tb), "oidc-provider.mjs"), fmt.Sprint(port)}, callbacks...),
		ready: answers(NewClient(tb), p.Issuer+"/.well-known/openid-configuration"),
	}
	tb.Cleanup(p.Stop)
	p.Start()
	return p
}
