package witness

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

// Witness is for one sign-in, which is one goroutine.
type Witness struct {
	// Claims are what the provider said; tokens and secrets are never among them.
	Claims map[string]any
	Uses   []Use
}

type key struct{}

// In lets connectors tell w what they see.
func In(ctx context.Context, w *Witness) context.Context { return context.WithValue(ctx, key{}, w) }

// Saw tells the witness of ctx, if there is one.
func Saw(ctx context.Context, claims map[string]any, uses ...Use) {
	if w, ok := ctx.Value(key{}).(*Witness); ok {
		w.Claims, w.Uses = claims, uses
	}
}
