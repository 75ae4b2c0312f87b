package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"pachyderm/internal/fault"
)

func parse(data []byte) (*yaml.Node, error) {
	if len(data) > maxBytes {
		return nil, fault.New(fault.Invalid, "the document is %d bytes long; at most %d are allowed", len(data), maxBytes)
	}
	if json.Valid(data) {
		data = yamlOf(data)
	}
	var doc, second yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(data))
	switch err := reader.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, fault.New(fault.Invalid, "the document is empty")
	case err != nil:
		return nil, syntax(err)
	}
	switch err := reader.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, syntax(err)
	default:
		return nil, problem(&second, "", "a second document begins here").
			Next("give one document only")
	}
	root := doc.Content[0]
	return root, wellFormed(root, "", 1)
}

// syntax rewords a parser's error, whose text begins with "yaml: line 3: ".
func syntax(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	where := 0
	if line, rest, ok := strings.Cut(text, ": "); ok {
		if number, isLine := strings.CutPrefix(line, "line "); isLine {
			if n, bad := strconv.Atoi(number); bad == nil {
				where, text = n, rest
			}
		}
	}
	return fault.New(fault.Invalid, "this is neither valid YAML nor JSON: %s", text).OnLine(where)
}

// yamlOf rewrites the few forms of JSON that YAML does not share: the escape \/,
// surrogate pairs such as \ud83d\ude00, and characters like U+2028, which stand
// for themselves in JSON and break the line in YAML.
func yamlOf(document []byte) []byte {
	special := regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)|[^\x00-\x7e]`)
	return special.ReplaceAllFunc(document, func(s []byte) []byte {
		switch {
		case string(s) == `\/`:
			return []byte("/")
		case len(s) == len(`\ud83d\ude00`):
			var high, low rune
			if _, err := fmt.Sscanf(string(s), `\u%04x\u%04x`, &high, &low); err == nil {
				return fmt.Appendf(nil, `\U%08x`, utf16.DecodeRune(high, low))
			}
		case s[0] != '\\':
			if r, size := utf8.DecodeRune(s); size == len(s) && r != utf8.RuneError {
				return fmt.Appendf(nil, `\U%08x`, r)
			}
		}
		return s
	})
}

// wellFormed refuses what no target could take, before any of it is used.
func wellFormed(n *yaml.Node, path string, depth int) error {
	if depth > maxDepth {
		return problem(n, "", "nested deeper than %d levels", maxDepth)
	}
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		return problem(n, path, "anchors and aliases (& and *) are not accepted").
			Next("write the value out")
	}
	switch n.ShortTag() {
	case "!!str", "!!bool", "!!int", "!!float", "!!null", "!!timestamp", "!!merge", "!!map", "!!seq":
	default:
		return problem(n, path, "the tag %s is not accepted", shorten(n.Tag)).
			Next("remove it")
	}
	switch n.Kind {
	case yaml.MappingNode:
		return wellFormedKeys(n, path, depth)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if err := wellFormed(item, index(path, i), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func wellFormedKeys(n *yaml.Node, path string, depth int) error {
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" || key.Anchor != "" {
			return problem(key, path, "a key must be plain text").
				Next("put it in quotes")
		}
		if first, twice := lines[key.Value]; twice {
			return problem(key, join(path, key.Value), "given twice, first on line %d", first)
		}
		lines[key.Value] = key.Line
		if err := wellFormed(value, join(path, key.Value), depth+1); err != nil {
			return err
		}
	}
	return nil
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
