package kit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/internal/fault"
)

// Mask stands for a secret that is kept and not shown.
const Mask = "***"

// show prints v in a form for scripts. Its members are named by json tags.
func (k *Kit) show(form string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if form == "yaml" {
		// By way of JSON, so that both forms have the same names.
		var tree yaml.Node
		if err := yaml.Unmarshal(escapeYAML(data), &tree); err != nil {
			return err
		}
		unquote(&tree)
		if data, err = writeYAML(&tree); err != nil {
			return err
		}
		out.Write(data)
	} else {
		if err := json.Indent(&out, EscapeJSON(data), "", "  "); err != nil {
			return err
		}
		out.WriteByte('\n')
	}
	_, err = out.WriteTo(k.Stdout)
	return err
}

// EscapeJSON escapes in a document what would be no text on a terminal, such as what moves
// the cursor or turns text round: JSON itself has only ASCII's below the space escaped.
func EscapeJSON(data []byte) []byte {
	return escape(data, func(r rune) string {
		high, low := utf16.EncodeRune(r)
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	})
}

// escapeYAML is EscapeJSON for texts of YAML, and JSON that is read as such: it has no pairs.
func escapeYAML(data []byte) []byte {
	return escape(data, func(r rune) string { return fmt.Sprintf(`\U%08x`, r) })
}

// escape has large write the runes that four digits have no room for.
func escape(data []byte, large func(rune) string) []byte {
	var out bytes.Buffer
	for _, r := range string(data) {
		switch {
		case !isHidden(r):
			out.WriteRune(r)
		case r > 0xffff:
			out.WriteString(large(r))
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
}

// isHidden reports whether a document for scripts must not have a rune as it is.
func isHidden(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }

// writeYAML writes a tree with escapes for what EscapeJSON escapes. YAML has them between
// double quotes only, and its writer makes few by itself: none for what turns text round.
func writeYAML(tree *yaml.Node) ([]byte, error) {
	quote(tree)
	data, err := yaml.Marshal(tree)
	return escapeYAML(data), err
}

// quote puts double quotes around each text of a tree that has to have escapes.
func quote(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && strings.ContainsFunc(n.Value, isHidden) {
		n.Style = yaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		quote(child)
	}
}

// unquote lets the YAML writer choose its own style where it read JSON's.
func unquote(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		unquote(child)
	}
}

// PrintResult shows v if a form was asked for, and says it in words otherwise.
func (k *Kit) PrintResult(form string, v any, say func()) error {
	if form != "" {
		return k.show(form, v)
	}
	say()
	return nil
}

// PrintList prints texts, each on a line for people.
func (k *Kit) PrintList(form string, list []string) error {
	return k.PrintResult(form, append([]string{}, list...), func() {
		for _, line := range list {
			k.Printf("%s\n", line)
		}
	})
}

// maxCell is how many characters of a cell are shown.
const maxCell = 4096

// Table prints rows in columns below their names. What is in them may be a stranger's:
// it moves no cursor and begins no line.
func (k *Kit) Table(names []string, rows [][]string) {
	w := tabwriter.NewWriter(k.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{names}, rows...) {
		cells := make([]string, len(row))
		for n, cell := range row {
			cells[n] = fault.Clean(cell, maxCell)
		}
		_, _ = fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	_ = w.Flush()
}

// TimeOrNil is a time for scripts, or nil.
func TimeOrNil(t *timestamppb.Timestamp) *time.Time {
	if t == nil {
		return nil
	}
	at := t.AsTime().Truncate(time.Second)
	return &at
}

// FormatTime is a time for people.
func FormatTime(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().Format("2006-01-02 15:04 MST")
}

// OrDash fills a column that would be empty.
func OrDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
