package api

import _ "embed"

//go:embed openapi.swagger.json
var openAPI []byte

// OpenAPI describes the methods as they are served over REST (OpenAPI 2.0).
func OpenAPI() []byte { return openAPI }
