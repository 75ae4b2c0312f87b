package loginctx

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/dexidp/dex/storage"
)

// Login is one HTTP request of a login: what our side knows that Dex does not
// hand on. It travels in the context, and by state where Dex has no context.
type Login struct {
	Params  url.Values           `json:"-"` // query of the request that began it
	Request *storage.AuthRequest `json:"-"`
	Err     error                `json:"-"` // why the connector, or our check of its answer, refused
	Code    string               `json:"-"` // id of the HTTP request

	// What the auth request keeps until its person has signed in: the hash of the
	// browser's cookie, the response mode that the application asked for, the
	// revision of the connector once one has been read, the address that the browser
	// reached us by, what the connector wants back, and the form that the provider's
	// response came in, if it came in one.
	Browser  string     `json:"browser"`
	Mode     string     `json:"mode,omitempty"`
	Revision string     `json:"revision"`
	Host     string     `json:"host,omitempty"` // by which the browser came at the beginning
	Inner    []byte     `json:"inner,omitempty"`
	Answer   url.Values `json:"answer,omitempty"`
	Trace    string     `json:"trace,omitempty"` // of the request that began it
	// MaxAge is how old the proof may be that the provider has of who the person is,
	// in seconds: 0 has it ask. Nil if nobody said.
	MaxAge *int64 `json:"max_age,omitempty"`

	// Proved is when the person proved to the provider who they are; zero if that is
	// not known.
	Proved time.Time `json:"-"`
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

// Data is what an auth request keeps of the login, as Dex's connector data.
func (l *Login) Data() ([]byte, error) { return json.Marshal(l) }

// Open reads what Data made.
func Open(data []byte) (*Login, error) {
	l := &Login{}
	return l, json.Unmarshal(data, l)
}
