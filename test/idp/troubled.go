package idp

import (
	"crypto/tls"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Trouble is what is the matter with a Troubled provider.
type Trouble string

// The troubles; Stop is one more, of a provider that refuses connections.
const (
	None          Trouble = "none"
	Hangs         Trouble = "hangs" // takes connections and says nothing
	Garbage       Trouble = "garbage"
	Outdated      Trouble = "outdated" // shows a certificate that has expired
	AnotherIssuer Trouble = "another issuer"
)

// Troubled is an OpenID provider of which connectors can be made, and that can
// then fall into trouble. Nobody signs in there.
type Troubled struct {
	*inProcess

	Issuer string
	CA     *CA

	mu       sync.Mutex
	trouble  Trouble
	released chan struct{}
	good     tls.Certificate
	expired  tls.Certificate
	keys     string
}

// StartTroubled runs one that is well; nil is for a new CA.
func StartTroubled(tb testing.TB, ca *CA) *Troubled {
	tb.Helper()
	if ca == nil {
		ca = NewCA(tb)
	}
	address, pair := FreeAddress(tb), newRSA(tb)
	p := &Troubled{
		Issuer: "https://" + address, CA: ca, trouble: None, released: make(chan struct{}), good: ca.Certificate(tb).TLS, expired: ca.Expired(tb).TLS,
		keys: encode(tb, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: pair.key.Public(), KeyID: "1", Algorithm: "RS256", Use: "sig"}}}),
	}
	p.inProcess = &inProcess{tb: tb, address: address, handler: p, tls: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: p.certificate}}
	tb.Cleanup(func() { p.Fall(None); p.Stop() })
	p.Start()
	return p
}

// Fall has the provider in trouble from now on, also where it had connections.
func (p *Troubled) Fall(into Trouble) {
	p.tb.Helper()
	p.mu.Lock()
	p.trouble = into
	close(p.released)
	p.released = make(chan struct{})
	p.mu.Unlock()
	p.Stop()
	p.Start()
}

func (p *Troubled) now() (Trouble, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trouble, p.released
}

func (p *Troubled) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	trouble, released := p.now()
	switch trouble {
	case Hangs:
		<-released
	case Outdated:
		return &p.expired, nil
	}
	return &p.good, nil
}

// ServeHTTP is what there is to know of it.
func (p *Troubled) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trouble, _ := p.now()
	name := p.Issuer
	switch trouble {
	case Garbage:
		_, _ = io.WriteString(w, "<html>The proxy is tired</html>")
		return
	case AnotherIssuer:
		name += "/elsewhere"
	}
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/keys" {
		_, _ = io.WriteString(w, p.keys)
		return
	}
	_, _ = io.WriteString(w, encode(p.tb, map[string]any{
		"issuer": name, "authorization_endpoint": p.Issuer + "/auth", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/keys",
		"response_types_supported": []string{"code"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	}))
}
