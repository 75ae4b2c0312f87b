package chart

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"pachyderm/deploy/helm"
)

// schema is what values.schema.json uses of JSON Schema (draft 7).
type schema struct {
	Type       types             `yaml:"type"`
	Enum       []string          `yaml:"enum"`
	Minimum    *float64          `yaml:"minimum"`
	Maximum    *float64          `yaml:"maximum"`
	MinLength  int               `yaml:"minLength"`
	Properties map[string]schema `yaml:"properties"`
	Additional *schema           `yaml:"additionalProperties"`
	Items      *schema           `yaml:"items"`
	Dialect    string            `yaml:"$schema"`
}

// types are one or several.
type types []string

func (t *types) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = types{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

// typeOf is what JSON calls the type of a node.
func typeOf(n *yaml.Node) string {
	switch n.ShortTag() {
	case "!!map":
		return "object"
	case "!!seq":
		return "array"
	case "!!int":
		return "integer"
	case "!!float":
		return "number"
	case "!!bool":
		return "boolean"
	case "!!null":
		return "null"
	}
	return "string"
}

// check reports what of a node is not as the schema wants it. It does not repeat
// values, which may be secret.
func (s schema) check(n *yaml.Node, at string, report func(n *yaml.Node, key, text string)) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	is := typeOf(n)
	if is == "null" && at != "" {
		return // removes the value, in Helm
	}
	if len(s.Type) > 0 && !slices.Contains(s.Type, is) && (is != "integer" || !slices.Contains(s.Type, "number")) {
		report(n, at, fmt.Sprintf("is of type %s, and has to be %s", is, s.Type[0]))
		return
	}
	number, err := strconv.ParseFloat(n.Value, 64)
	isNumber := err == nil && (is == "integer" || is == "number")
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, n.Value):
		report(n, at, fmt.Sprintf("has to be one of %q", s.Enum))
	case isNumber && s.Minimum != nil && number < *s.Minimum:
		report(n, at, fmt.Sprintf("has to be %v or more", *s.Minimum))
	case isNumber && s.Maximum != nil && number > *s.Maximum:
		report(n, at, fmt.Sprintf("has to be %v or less", *s.Maximum))
	case is == "string" && len(n.Value) < s.MinLength:
		report(n, at, "must not be empty")
	}
	switch {
	case is == "array" && s.Items != nil:
		for i, item := range n.Content {
			s.Items.check(item, fmt.Sprintf("%s[%d]", at, i), report)
		}
	case is == "object":
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if of, ok := s.Properties[key]; ok {
				of.check(n.Content[i+1], join(at, key), report)
			} else if s.Additional != nil {
				s.Additional.check(n.Content[i+1], join(at, key), report)
			}
		}
	}
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}

func readSchema() (s schema, err error) {
	data, err := fs.ReadFile(helm.Chart, root+"/values.schema.json")
	if err != nil {
		return s, err
	}
	return s, yaml.Unmarshal(data, &s) // JSON is YAML
}
