package connector

import (
	"embed"
	"strings"
)

//go:embed *.schema.json
var files embed.FS

const suffix = ".schema.json"

// Schema is the JSON Schema (2020-12) of a document of a type, and false for a
// type that is not known.
func Schema(typ string) ([]byte, bool) {
	data, err := files.ReadFile(typ + suffix)
	return data, err == nil
}

// Types are those that organisations use, sorted. The types mockCallback and
// mockPassword, which are for evaluation, are not among them.
func Types() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		return nil // an embedded directory can be read
	}
	var types []string
	for _, e := range entries {
		if typ := strings.TrimSuffix(e.Name(), suffix); !strings.HasPrefix(typ, "mock") {
			types = append(types, typ)
		}
	}
	return types
}
