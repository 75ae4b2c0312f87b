package show

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Output is how the result of a command is printed.
type Output struct {
	raw  bool
	form string
	full bool
}

// Flags adds --raw, --output and --full-timestamps to a command.
func (o *Output) Flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.raw, "raw", false, "print the messages of the API, as one line of JSON each; with -o yaml, one document each")
	c.Flags().BoolVar(&o.full, "full-timestamps", false, "print moments in the form of RFC 3339")
	kit.OutputFlag(c, &o.form)
}

// JSONFlag adds --json to a command, which is what others call --raw.
func (o *Output) JSONFlag(c *cobra.Command) {
	c.Flags().BoolVar(&o.raw, "json", false, "print the messages of the API, as one line of JSON each")
}

// ForScripts reports whether something other than words is wanted.
func (o Output) ForScripts() bool { return o.raw || o.form != "" }

// message is a message in JSON, with the names of the wire.
func message(m proto.Message) (json.RawMessage, error) {
	data, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer // protojson varies its spaces on purpose
	if err := json.Compact(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// One prints a message, or says it in words.
func (o Output) One(k *kit.Kit, m proto.Message, say func()) error {
	if !o.ForScripts() {
		say()
		return nil
	}
	data, err := message(m)
	if err != nil {
		return err
	}
	return o.document(k, data)
}

func (o Output) document(k *kit.Kit, data json.RawMessage) error {
	if o.raw && o.form != "yaml" {
		k.Printf("%s\n", kit.Lines(kit.EscapeJSON(data)))
		return nil
	}
	return k.PrintResult(o.form, data, nil)
}

// Table says what messages look like for people.
type Table[M proto.Message] struct {
	// Columns are the names of the columns, by the first message or by none.
	Columns func(first M) []string
	// Rows are those of one message.
	Rows func(M) [][]string
	// Live is for rows that are looked at as they come.
	Live bool
}

// Fixed are columns that are always the same.
func Fixed[M any](names ...string) func(M) []string { return func(M) []string { return names } }

// List prints messages as they come, up to the first error.
func List[M proto.Message](k *kit.Kit, o Output, t Table[M], all iter.Seq2[M, error]) error {
	switch {
	case o.raw:
		return o.stream(k, untyped(all))
	case o.form != "":
		docs := []json.RawMessage{}
		for m, err := range all {
			if err != nil {
				return err
			}
			data, err := message(m)
			if err != nil {
				return err
			}
			docs = append(docs, data)
		}
		return k.PrintResult(o.form, docs, nil)
	}
	return t.print(k, all)
}

func untyped[M proto.Message](all iter.Seq2[M, error]) iter.Seq2[proto.Message, error] {
	return func(yield func(proto.Message, error) bool) {
		for m, err := range all {
			if !yield(m, err) {
				return
			}
		}
	}
}

func (o Output) stream(k *kit.Kit, all iter.Seq2[proto.Message, error]) error {
	first := true
	for m, err := range all {
		if err != nil {
			return err
		}
		data, err := message(m)
		if err != nil {
			return err
		}
		if o.form == "yaml" && !first {
			k.Printf("---\n")
		}
		if err := o.document(k, data); err != nil {
			return err
		}
		first = false
	}
	return nil
}

const (
	maxCell = 4096
	// flushed is after how many rows columns may move: a list need not fit into memory.
	flushed = 1000
)

func (t Table[M]) print(k *kit.Kit, all iter.Seq2[M, error]) error {
	w := tabwriter.NewWriter(k.Stdout, 0, 0, 2, ' ', 0)
	rows, begun := 0, false
	for m, err := range all {
		if err != nil {
			_ = w.Flush() // what came before it is true
			return err
		}
		if !begun {
			writeRow(w, t.Columns(m))
			begun = true
		}
		for _, row := range t.Rows(m) {
			writeRow(w, row)
			rows++
		}
		if t.Live || rows >= flushed {
			_ = w.Flush()
			rows = 0
		}
	}
	if !begun {
		var none M
		writeRow(w, t.Columns(none))
	}
	return w.Flush()
}

// writeRow writes what may be a stranger's: it moves no cursor and begins no line.
func writeRow(w io.Writer, cells []string) {
	clean := make([]string, len(cells))
	for n, cell := range cells {
		clean[n] = fault.Clean(cell, maxCell)
	}
	_, _ = fmt.Fprintln(w, strings.Join(clean, "\t"))
}

// Fields prints names and values, one on a line, but for those that are empty.
func Fields(k *kit.Kit, pairs ...[2]string) {
	for _, p := range pairs {
		if p[1] != "" {
			k.Printf("%s: %s\n", p[0], fault.Clean(p[1], maxCell))
		}
	}
}
