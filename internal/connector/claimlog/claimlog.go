package claimlog

import "context"

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

// Log is the claim log of one sign-in, which is one goroutine.
type Log struct {
	// Claims are what the provider said; tokens and secrets are never among them.
	Claims map[string]any
	Uses   []Use
}

type key struct{}

// In lets connectors record what they see.
func In(ctx context.Context, l *Log) context.Context { return context.WithValue(ctx, key{}, l) }

// Record writes to the log of ctx, if there is one.
func Record(ctx context.Context, claims map[string]any, uses ...Use) {
	if l, ok := ctx.Value(key{}).(*Log); ok {
		l.Claims, l.Uses = claims, uses
	}
}
