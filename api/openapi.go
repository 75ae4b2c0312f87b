package api

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed openapi.swagger.json
var openAPI []byte

// OpenAPI describes the methods as they are served over REST below basePath
// (OpenAPI 2.0). The generator names the document after one of its files and
// knows no base path.
func OpenAPI(basePath, version string) ([]byte, error) {
	document := map[string]any{}
	if err := json.Unmarshal(openAPI, &document); err != nil {
		return nil, fmt.Errorf("the generated description: %w", err)
	}
	document["info"] = map[string]string{"title": "Pachyderm", "version": version}
	document["basePath"] = basePath
	document["securityDefinitions"] = map[string]any{"token": map[string]string{
		"type": "apiKey", "in": "header", "name": "Authorization",
		"description": "Bearer and a token, such as pachctl auth get-robot-token gives",
	}}
	document["security"] = []any{map[string]any{"token": []string{}}}
	return json.MarshalIndent(document, "", "  ")
}
