package kit

import (
	"bytes"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/client"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// Document is what a user has written, to find the line of what is at fault.
type Document struct {
	Name string // of the file
	Data []byte
}

// ReadDocument reads a file, or standard input for "-".
func (k *Kit) ReadDocument(path string) (Document, error) {
	data, err := k.ReadInput(path)
	if path == "-" {
		path = "standard input"
	}
	return Document{path, data}, err
}

// Decode reads the document into a struct, strictly. The keys on the top may
// be in any case, as upstream takes them and prints them.
func (d Document) Decode(into any, keys ...string) error {
	members := map[string]any{}
	if err := strict.Decode(d.Data, &members); err != nil {
		if bytes.HasPrefix(bytes.TrimSpace(d.Data), []byte(`"`)) {
			return d.Invalid(fault.New(fault.Invalid, "this is JSON without its braces").
				Next("put { before it and } behind it, and the same around the settings of config"))
		}
		return d.Invalid(err)
	}
	renamed := map[string]any{}
	for key, value := range members {
		if i := slices.IndexFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }); i >= 0 {
			if _, twice := members[keys[i]]; twice && keys[i] != key {
				return d.Invalid(fault.New(fault.Invalid, "%s is given twice, once as %s", keys[i], key).Next("remove one"))
			}
			key = keys[i]
		}
		renamed[key] = value
	}
	if err := strict.DecodeValue(renamed, into); err != nil {
		return d.Invalid(err)
	}
	return nil
}

// Invalid words a mistake that was found in the document on this side.
func (d Document) Invalid(err error) error {
	if line := d.line(fault.FieldOf(err)); line > 0 && fault.LineOf(err) == 0 {
		err = fault.As(fault.KindOf(err), err).OnLine(line)
	}
	return fault.Prefix(err, "unable to parse config: %s", d.Name)
}

// Explain adds to an error of pachd where in the document its cause stands.
func (d Document) Explain(err error) error {
	field := client.FieldOf(err)
	if field == "" || status.Code(err) == codes.Unauthenticated {
		return err
	}
	found := fault.New(fault.Invalid, "%s: %s", d.Name, client.MessageOf(err))
	if client.LineOf(err) == 0 { // or the message says it
		found = found.OnLine(d.line(field))
	}
	return found
}

// line is where a field such as config.rootCAs[1] stands, or 0.
func (d Document) line(field string) int { return strict.LineOf(d.Data, field) }

// DocumentFlag adds --config to a command that needs a document.
func DocumentFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "-", "file with the document; - is standard input")
}

// TakeID takes the id from the arguments if the document has none.
func TakeID(c *cobra.Command, noun string, id *string, args []string) error {
	switch {
	case len(args) == 0, *id == args[0]:
	case *id == "":
		*id = args[0]
	default:
		return Usagef(c, "the document is for %s %q and the command for %q: use one of them", noun, *id, args[0])
	}
	return nil
}

// PrintYAML prints v for scripts, and as upstream does for people: with the
// names that its yaml tags have, and a blank line behind it.
func (k *Kit) PrintYAML(out string, v, forPeople any) error {
	var tree yaml.Node
	if err := tree.Encode(forPeople); err != nil {
		return err
	}
	text, err := writeYAML(&tree)
	if err != nil {
		return err
	}
	return k.PrintResult(out, v, func() { k.Printf("%s\n", Lines(text)) })
}
