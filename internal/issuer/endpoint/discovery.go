package endpoint

import "encoding/json"

// Discovery corrects Dex's discovery document: what we add to the protocol, and what we
// do not serve. The address of a path below the issuer is at's.
func Discovery(dex []byte, at func(path string) string) ([]byte, error) {
	doc := map[string]any{}
	if err := json.Unmarshal(dex, &doc); err != nil {
		return nil, err
	}
	doc["authorization_response_iss_parameter_supported"] = true
	doc["response_modes_supported"] = []string{"query", FormPost}
	doc["revocation_endpoint"] = at("/revoke")
	doc["introspection_endpoint"] = at("/introspect")
	doc["end_session_endpoint"] = at("/logout")
	doc["backchannel_logout_supported"], doc["backchannel_logout_session_supported"] = true, true
	doc["request_uri_parameter_supported"] = false // true where it is not said (OpenID Connect Discovery, 3)
	return json.MarshalIndent(doc, "", "  ")
}
