package connector

import (
	"encoding/json"
	"reflect"
	"strings"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/strict"
)

// Schema is the JSON Schema (2020-12) of a connector document of a type, for
// editors. Only the tests make it, which keep api/connector current.
func Schema(typ string) ([]byte, error) {
	k, err := kindNamed(typ)
	if err != nil {
		return nil, err
	}
	config := schemaOf(k.document)
	properties, _ := config["properties"].(map[string]any)
	for _, f := range keysOfCommon() {
		properties[f.Path] = schemaOfKey(f)
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Pachyderm connector of type " + typ, "type": "object",
		"required": []string{"id", "name", "type", "config"}, "additionalProperties": false,
		"properties": map[string]any{
			"id": map[string]any{
				"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", "description": "name of the connector in commands, such as auth0",
			},
			"name":    map[string]any{"type": "string", "minLength": 1, "description": "name that people see when they sign in"},
			"type":    map[string]any{"const": typ},
			"version": map[string]any{"type": "integer", "minimum": 0, "description": "number of this revision; 0 or absent for whatever is stored"},
			"config":  config,
		},
	}, "", "  ")
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[strict.Texts]():
		text := map[string]any{"type": "string"}
		return map[string]any{"anyOf": []any{text, map[string]any{"type": "array", "items": text}}}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	case t.Kind() == reflect.Slice:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem())}
	case t.Kind() == reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem())}
	case t.Kind() == reflect.Bool:
		return map[string]any{"type": "boolean"}
	case t.Kind() == reflect.String:
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Interface:
		return map[string]any{}
	case t.Kind() != reflect.Struct:
		return map[string]any{"type": "integer"}
	}
	properties, required := map[string]any{}, []string{}
	for _, k := range document.Keys(t) {
		if strings.Contains(k.Path, ".") {
			continue // in the schema of its object
		}
		properties[k.Path] = schemaOfKey(k)
		if k.Is("required") {
			required = append(required, k.Path)
		}
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func schemaOfKey(k document.Key) map[string]any {
	out := schemaOf(k.Type)
	if k.Doc != "" {
		out["description"] = k.Doc
	}
	if len(k.OneOf) > 0 {
		out["enum"] = k.OneOf
	}
	switch {
	case k.Is("secret"):
		out["writeOnly"] = true
		out["description"] = k.Doc + "; the secret itself, or ${env:NAME} or ${file:/path} on the server"
	case k.Is("url"), k.Is("web"), k.Is("callback"):
		out["format"] = "uri"
	}
	return out
}
