package issuer

import (
	"context"
	"encoding/json"
	"net/http"

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
	delete(doc, "introspection_endpoint")
	doc["authorization_response_iss_parameter_supported"] = true
	h.discovery, err = json.MarshalIndent(doc, "", "  ")
	return err
}
