package probe

import "strings"

// Demand is what a provider may demand of its clients and not every connector
// does.
type Demand struct {
	Name, Remedy string
	// OIDC says that connectors of type oidc do, if they are told to.
	OIDC bool
}

// The demands.
var (
	PushedRequests = Demand{
		"pushed authorization requests (PAR, RFC 9126)",
		"set pushedAuthorizationRequests to true in a connector of type oidc, or require_pushed_authorization_requests to false at the provider",
		true,
	}
	SignedRequests = Demand{
		"signed request objects (JAR, RFC 9101)", "set require_signed_request_object to false at the provider, for this client or for all", false,
	}
	BoundTokens = Demand{
		"tokens bound to a key of the client (DPoP, RFC 9449)", "set dpop_bound_access_tokens to false for this client at the provider", false,
	}
	SignedClients = Demand{
		"clients that sign what they say (private_key_jwt or client_secret_jwt)",
		"set tokenEndpointAuthMethod of a connector of type oidc to what the client has at the provider, or token_endpoint_auth_method to " +
			"client_secret_basic there", true,
	}
)

// demanded guesses from an error of a provider what it demands. Standards have
// no codes for most demands, so that the description decides.
func demanded(code, description string) (Demand, bool) {
	said := strings.ToLower(code + " " + description)
	for _, d := range []struct {
		demand Demand
		words  []string
	}{
		{PushedRequests, []string{"pushed authorization", "pushed_authorization", "request_uri"}},
		{SignedRequests, []string{"request object", "request_object"}},
		{BoundTokens, []string{"dpop"}},
		{SignedClients, []string{"private_key_jwt", "client_secret_jwt", "client_assertion", "client assertion"}},
	} {
		for _, word := range d.words {
			if strings.Contains(said, word) {
				return d.demand, true
			}
		}
	}
	return Demand{}, false
}

// RemedyFor is what to do about an error of a provider: otherwise, unless the
// error tells of a demand.
func RemedyFor(code, description, otherwise string) string {
	d, ok := demanded(code, description)
	switch {
	case !ok:
		return otherwise
	case d.OIDC:
		return d.Remedy
	}
	return d.Remedy + "; this server does not support " + d.Name
}
