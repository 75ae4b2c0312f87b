package probe

import (
	"net/url"
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
)

// JudgeCallback reads from how a provider takes the beginning of a sign-in
// whether it would send people back to redirect.
func JudgeCallback(redirect string, status int, location, body string) (string, error) {
	back, err := url.Parse(location)
	body = strings.ToLower(body)
	switch {
	case err == nil && strings.HasPrefix(location, redirect):
		code := back.Query().Get("error")
		switch code {
		case "", "login_required", "interaction_required", "consent_required", "account_selection_required":
			return "the provider sends people back to " + redirect, nil
		}
		description := back.Query().Get("error_description")
		return "", fault.New(fault.Precondition,
			"the provider knows the callback and refuses the request (%s)%s", fetch.Clean(code), fetch.Quote(description)).
			Next("%s", RemedyFor(code, description, "compare the client's grant types and scopes with the connector"))
	case status >= 400 && (strings.Contains(body, "redirect") || strings.Contains(body, "callback")):
		return "", fault.New(fault.Precondition, "the provider refuses to send people back to %s", redirect).
			Next("register exactly this callback with it")
	case status >= 400:
		return "", fault.New(fault.Precondition, "the provider refuses the beginning of a sign-in (HTTP status %d)", status).
			Next("register the callback %s with it, and compare the client ID", redirect)
	}
	return "", Skip("the provider shows its sign-in page first, so that it cannot be checked whether %s is registered", redirect)
}
