package issuer

import (
	"context"
	"encoding/json"
	"net/http"

	"pachyderm/internal/issuer/endpoint"
	"pachyderm/internal/web/record"
)

// makeDiscovery corrects Dex's discovery document: what we add to the protocol,
// and what we do not serve.
func (h *handler) makeDiscovery() error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, h.url.AbsURL("/.well-known/openid-configuration"), nil)
	if err != nil {
		return err
	}
	doc := map[string]any{}
	if err := json.Unmarshal(record.Of(h.dex, r).Bytes(), &doc); err != nil {
		return err
	}
	doc["authorization_response_iss_parameter_supported"] = true
	doc["response_modes_supported"] = []string{"query", endpoint.FormPost}
	doc["revocation_endpoint"] = h.url.AbsURL("/revoke")
	doc["introspection_endpoint"] = h.url.AbsURL("/introspect")
	doc["end_session_endpoint"] = h.url.AbsURL("/logout")
	doc["backchannel_logout_supported"], doc["backchannel_logout_session_supported"] = true, true
	doc["request_uri_parameter_supported"] = false // true where it is not said (OpenID Connect Discovery, 3)
	h.discovery, err = json.MarshalIndent(doc, "", "  ")
	return err
}
