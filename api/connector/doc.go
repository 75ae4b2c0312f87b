// Package connector holds the JSON Schemas of connector documents, one for each
// type, so that pachctl can print them without linking the connectors. They are
// made by the test TestTheSchemasAreCurrent of internal/connector.
package connector
