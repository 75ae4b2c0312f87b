// Package claims is what tokens and UserInfo say: of a person, as far as a client may
// know it by its scopes, and of themselves.
package claims
