package endpoint

import (
	"net/url"

	"pachyderm/internal/fault"
)

// How an application wants to be answered (OAuth 2.0 Multiple Response Types,
// 2.1; OAuth 2.0 Form Post Response Mode).
const (
	ResponseMode = "response_mode"
	FormPost     = "form_post"
)

// CheckAuthorization holds an authorization request (OpenID Connect Core, 3.1.2.1)
// to what is served here. The error code is of RFC 6749, 4.1.2.1, or OpenID
// Connect Core, 3.1.2.6.
func CheckAuthorization(form url.Values, needsPKCE bool) (code string, err error) {
	method, kind := form.Get("code_challenge_method"), form.Get("response_type")
	switch {
	case form.Has("request"):
		return "request_not_supported", fault.New(fault.Invalid, "request objects are not taken").
			Next("send the parameters by themselves")
	case form.Has("request_uri"):
		return "request_uri_not_supported", fault.New(fault.Invalid, "request objects are not taken").
			Next("send the parameters by themselves")
	case kind != "code":
		return "unsupported_response_type", fault.New(fault.Invalid, "the response type %q is not served", short(kind)).
			Next("use the authorization code flow: response_type=code")
	case form.Get(ResponseMode) != "" && form.Get(ResponseMode) != "query" && form.Get(ResponseMode) != FormPost:
		return "invalid_request", fault.New(fault.Invalid, "the response mode %q is not served", short(form.Get(ResponseMode))).
			Next("use query or form_post")
	case form.Get("code_challenge") != "" && method != "S256":
		return "invalid_request", fault.New(fault.Invalid, "the PKCE method %q is not served", short(method)).
			Next("send code_challenge_method=S256 (RFC 7636)")
	case needsPKCE && form.Get("code_challenge") == "":
		return "invalid_request", fault.New(fault.Invalid, "PKCE is required").
			Next("send code_challenge with code_challenge_method=S256 (RFC 7636)")
	}
	// Nobody is signed in at the issuer itself: each sign-in asks a connector.
	if form.Get("prompt") == "none" {
		return "login_required", fault.New(fault.Unauthenticated, "the person has to be asked").Next("leave out prompt=none")
	}
	return "", nil
}

// short is what of a parameter is said again: refusals are logged, and anybody
// can send one.
func short(value string) string { return fault.Clean(value, 60) }
