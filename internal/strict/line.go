package strict

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// LineOf is the line of a document on which a field such as config.rootCAs[1]
// stands, counted from 1, or 0 if it is not there. Keys on the top may be in any
// case.
func LineOf(data []byte, field string) int {
	var root yaml.Node
	if field == "" || yaml.Unmarshal(data, &root) != nil || len(root.Content) == 0 {
		return 0
	}
	return lineOf(root.Content[0], field, true)
}

// lineOf matches keys rather than splitting the path: a key may have dots.
func lineOf(n *yaml.Node, path string, top bool) int {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if line := lineOfMember(n.Content[i], n.Content[i+1], path, top); line > 0 {
				return line
			}
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			rest, ok := strings.CutPrefix(path, fmt.Sprintf("[%d]", i))
			switch {
			case ok && rest == "":
				return item.Line
			case ok:
				return lineOf(item, strings.TrimPrefix(rest, "."), false)
			}
		}
	}
	return 0
}

// lineOfMember matches a key in any case on the top, as Decode does.
func lineOfMember(key, value *yaml.Node, path string, top bool) int {
	if len(key.Value) > len(path) {
		return 0
	}
	begin, rest := path[:len(key.Value)], path[len(key.Value):]
	switch {
	case begin != key.Value && (!top || !strings.EqualFold(begin, key.Value)):
		return 0
	case rest == "":
		return key.Line
	case rest[0] == '.':
		return lineOf(value, rest[1:], false)
	case rest[0] == '[':
		return lineOf(value, rest, false)
	}
	return 0
}
