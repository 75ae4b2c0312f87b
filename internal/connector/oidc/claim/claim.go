package claim

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// Set is what a provider says of a person, with numbers as json.Number.
type Set map[string]any

// Has reports whether a claim is there and not empty.
func (s Set) Has(key string) bool { return s[key] != nil && s[key] != "" }

// Text is "" for a claim that is absent.
func (s Set) Text(key string) (string, error) {
	switch v := s[key].(type) {
	case nil:
		return "", nil
	case string:
		return v, nil
	}
	return "", fault.New(fault.Unauthenticated,
		"the provider's claim %q is %s where the specification requires text", fetch.Clean(key), KindOf(s[key]))
}

// ID is a claim that identifies a person.
func (s Set) ID(key string) (string, error) {
	const limit = 255 // OpenID Connect Core, 2
	id, err := s.Text(key)
	switch {
	case err != nil:
		return "", err
	case id == "":
		return "", fault.New(fault.Unauthenticated, "the provider does not say who this is: its claim %q is missing or empty", fetch.Clean(key))
	case len(id) > limit || strings.ContainsFunc(id, unicode.IsControl):
		return "", fault.New(fault.Unauthenticated,
			"the provider's claim %q is not a user id: it is longer than %d bytes or has control characters", fetch.Clean(key), limit)
	}
	return id, nil
}

// KindOf says of a value what it is, for messages.
func KindOf(v any) string {
	switch v.(type) {
	case nil:
		return "missing"
	case string:
		return "text"
	case bool:
		return "true or false"
	case json.Number:
		return "a number"
	case []any:
		return "a list"
	}
	return "an object"
}

// SameText reports whether both are text, and the same.
func SameText(a, b any) bool {
	s, ok := a.(string)
	return ok && b == s
}

// IsProtocol tells claims about the token from claims about the person.
func IsProtocol(key string) bool {
	switch key {
	case "iss", "sub", "aud", "azp", "exp", "nbf", "iat", "jti", "nonce", "at_hash", "c_hash", "s_hash", "auth_time", "acr", "amr", "sid":
		return true
	}
	return false
}

// Names lists the claims about the person that were sent, for the message that
// one is missing; their values are nobody's business.
func (s Set) Names() string {
	const limit = 30
	var names []string
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !IsProtocol(key) && len(names) < limit {
			names = append(names, fetch.Clean(key))
		}
	}
	if len(names) == 0 {
		return "nothing else"
	}
	return strings.Join(names, ", ")
}

// Audience is whom a token is meant for (RFC 7519, 4.1.3).
func (s Set) Audience() ([]string, error) {
	var audience []string
	switch aud := s["aud"].(type) {
	case string:
		audience = []string{aud}
	case []any:
		for _, a := range aud {
			name, ok := a.(string)
			if !ok {
				return nil, fault.New(fault.Unauthenticated, "the audience of the ID token is not text")
			}
			audience = append(audience, name)
		}
	}
	return audience, nil
}

// Time reads a NumericDate (RFC 7519, 2), fractions dropped.
func (s Set) Time(key string) (time.Time, error) {
	const limit = 1 << 40 // the year 36812: beyond it, time.Duration says nothing
	n, _ := s[key].(json.Number)
	f, err := n.Float64()
	if err != nil || f < 0 || f > limit {
		return time.Time{}, fault.New(fault.Unauthenticated, "the ID token's %s is missing or is not a time", key)
	}
	return time.Unix(int64(f), 0), nil
}
