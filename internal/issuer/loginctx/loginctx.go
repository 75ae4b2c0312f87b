package loginctx

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/dexidp/dex/storage"
)

// Login is one HTTP request of a login: what our side knows that Dex does not
// hand on. It travels in the context, and by state where Dex has no context.
type Login struct {
	Browser  string     // hash of the browser's cookie
	Params   url.Values // query of the login request
	Revision string     // of the connector, once one has been read
	Request  *storage.AuthRequest
	Err      error // why the connector, or our check of its answer, refused
}

type key struct{}

// NewContext gives the context of the login's request.
func NewContext(ctx context.Context, l *Login) context.Context {
	return context.WithValue(ctx, key{}, l)
}

// FromContext is the login that a request belongs to, or nil.
func FromContext(ctx context.Context) *Login {
	l, _ := ctx.Value(key{}).(*Login)
	return l
}

// Envelope is what an auth request keeps, as Dex's connector data, until its
// person has signed in: the browser and the connector revision it began with,
// and what the connector itself wants back.
type Envelope struct {
	Browser  string `json:"browser"`
	Revision string `json:"revision"`
	Inner    []byte `json:"inner,omitempty"`
	// Answer is the form that the provider's response came in, if it came in one.
	Answer url.Values `json:"answer,omitempty"`
}

// Envelope makes the connector data of the login's auth request.
func (l *Login) Envelope(inner []byte) ([]byte, error) {
	return Envelope{Browser: l.Browser, Revision: l.Revision, Inner: inner}.Bytes()
}

// Bytes is what OpenEnvelope reads.
func (e Envelope) Bytes() ([]byte, error) { return json.Marshal(e) }

// OpenEnvelope reads what Envelope made.
func OpenEnvelope(data []byte) (e Envelope, err error) {
	err = json.Unmarshal(data, &e)
	return e, err
}
