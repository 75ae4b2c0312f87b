package claims

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/people/identity"
)

// Scopes by which a client may know something of a person.
const (
	Email   = "email"
	Groups  = "groups"
	Profile = "profile"
)

// Person is what a client may know of a person, by its scopes.
type Person struct {
	Email             string   `json:"email,omitempty"`
	EmailVerified     *bool    `json:"email_verified,omitempty"`
	Groups            []string `json:"groups,omitempty"`
	Name              string   `json:"name,omitempty"`
	PreferredUsername string   `json:"preferred_username,omitempty"`
}

// For says no more of a person whose connector nobody has approved (any
// more) than their name: applications believe what our tokens say.
func For(who identity.Identity, p storage.Claims, scopes []string) (out Person) {
	if !who.Approved {
		p.EmailVerified, p.Groups = false, nil
	}
	for _, scope := range scopes {
		switch scope {
		case Email:
			out.Email, out.EmailVerified = p.Email, &p.EmailVerified
		case Groups:
			out.Groups = p.Groups
		case Profile:
			out.Name, out.PreferredUsername = p.Username, p.PreferredUsername
		}
	}
	return out
}

// Audience is one text, or a list of more.
type Audience []string

// MarshalJSON is json.Marshaler's.
func (a Audience) MarshalJSON() ([]byte, error) {
	if len(a) == 1 {
		return json.Marshal(a[0])
	}
	return json.Marshal([]string(a))
}

// Common is what both tokens say.
type Common struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud"`
	Expiry   int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	ID       string   `json:"jti"`
	Grant    string   `json:"sid"`
}

// ID is what an ID token says.
type ID struct {
	Common
	Party      string     `json:"azp,omitempty"`
	Nonce      string     `json:"nonce,omitempty"`
	AuthTime   int64      `json:"auth_time,omitempty"`
	AccessHash string     `json:"at_hash"`
	CodeHash   string     `json:"c_hash,omitempty"`
	Federated  *Federated `json:"federated_claims,omitempty"`
	Person
}

// Federated is what an ID token says of where its person comes from.
type Federated struct {
	ConnectorID string `json:"connector_id,omitempty"`
	UserID      string `json:"user_id,omitempty"`
}

// Access is what an access token says (RFC 9068).
type Access struct {
	Common
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

// Half is the first half of a hash, as at_hash and c_hash have it (OpenID
// Connect Core, 3.3.2.11), for algorithms with SHA-256: RS256 and ES256.
func Half(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
