package endpoint

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"

	"pachyderm/internal/secret"
)

// ErrCredentials is for a header that has no client in it.
var ErrCredentials = errors.New("no client's credentials")

// Credentials are those of the client that makes a request, by HTTP Basic or by the
// form (RFC 6749, 2.3.1), one of them only. Error: ErrCredentials, or an *Error.
func Credentials(r *http.Request, form url.Values) (id, given string, err error) {
	if r.Header.Get("Authorization") == "" {
		return form.Get("client_id"), form.Get("client_secret"), nil
	}
	user, password, ok := r.BasicAuth()
	name, errName := url.QueryUnescape(user)
	plain, errSecret := url.QueryUnescape(password)
	switch {
	case !ok || errName != nil || errSecret != nil:
		return "", "", ErrCredentials
	case form.Has("client_secret") || form.Has("client_id") && form.Get("client_id") != name:
		return "", "", InvalidRequest("the client authenticates in two ways: use one")
	}
	return name, plain, nil
}

// CheckVerifier compares a verifier with the challenge that the code or device was
// asked for with (RFC 7636, 4.6). A verifier without challenge is a downgrade
// (RFC 9700, 4.8.2). Error: *Error.
func CheckVerifier(challenge, verifier string, needsPKCE bool) error {
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case challenge == "" && verifier != "":
		return InvalidGrant("a code_verifier was sent, but the authorization request had no code_challenge")
	case challenge == "" && needsPKCE:
		return InvalidGrant("PKCE is required: send code_challenge with code_challenge_method=S256 (RFC 7636)")
	case challenge != "" && !secret.Same(base64.RawURLEncoding.EncodeToString(sum[:]), challenge):
		return InvalidGrant("the code_verifier does not match the code_challenge")
	}
	return nil
}
