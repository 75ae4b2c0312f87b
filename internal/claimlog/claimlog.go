package claimlog

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Use is what a connector makes of one of the provider's claims.
type Use struct {
	As    string // one of the constants
	Claim string // the claim's name, or of SAML the attribute's
}

// What a claim can be used as.
const (
	UserID   = "user id"
	Email    = "e-mail address"
	Verified = "e-mail address is verified"
	Name     = "name"
	Username = "preferred user name"
	Groups   = "groups"
)

// Step is something that a connector did: a request to its provider, a search in a
// directory.
type Step struct {
	Name   string
	Detail string // what came of it; no secrets, and nothing that the person typed
	Err    error
	Began  time.Time
	Took   time.Duration
}

// maxSteps bounds the steps of one sign-in: a provider decides how many requests
// it has us make.
const maxSteps = 50

// Seen is what a Log has at one time.
type Seen struct {
	// Claims are what the provider said; tokens and secrets are never among them.
	Claims map[string]any
	Uses   []Use
	Steps  []Step
}

// Log is the claim log of one sign-in. A connector that took too long may still
// write to it, so that it is read by Seen.
type Log struct {
	now  func() time.Time
	mu   sync.Mutex
	seen Seen
}

// New makes a log.
func New(now func() time.Time) *Log { return &Log{now: now} }

// Seen is what there is by now. What it returns must not be changed.
func (l *Log) Seen() Seen {
	if l == nil {
		return Seen{}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return Seen{l.seen.Claims, l.seen.Uses, append([]Step(nil), l.seen.Steps...)}
}

type key struct{}

// In lets connectors record what they see.
func In(ctx context.Context, l *Log) context.Context { return context.WithValue(ctx, key{}, l) }

func of(ctx context.Context) *Log {
	l, _ := ctx.Value(key{}).(*Log)
	return l
}

// Record writes to the log of ctx, if there is one.
func Record(ctx context.Context, claims map[string]any, uses ...Use) {
	if l := of(ctx); l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.seen.Claims, l.seen.Uses = claims, uses
	}
}

// Begin notes a step in the log of ctx, if there is one. The function that it
// returns ends it, with a detail to be made of its arguments.
func Begin(ctx context.Context, name string) func(err error, detail string, a ...any) {
	l := of(ctx)
	if l == nil {
		return func(error, string, ...any) {}
	}
	began := l.now()
	return func(err error, detail string, a ...any) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.seen.Steps) < maxSteps {
			l.seen.Steps = append(l.seen.Steps, Step{name, fmt.Sprintf(detail, a...), err, began, l.now().Sub(began)})
		}
	}
}
