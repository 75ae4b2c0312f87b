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
	"unicode/utf8"

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
		if err := yaml.Unmarshal(data, &tree); err != nil {
			return err
		}
		unquote(&tree)
		if data, err = yaml.Marshal(&tree); err != nil {
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
	var out bytes.Buffer
	for _, r := range string(data) {
		switch {
		case r == ' ' || r == '\n' || r == utf8.RuneError || unicode.IsGraphic(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	return out.Bytes()
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
