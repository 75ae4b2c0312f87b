package strict

import (
	"errors"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"pachyderm/internal/fault"
)

// Limits on what is read. No document a person writes comes near them.
const (
	maxBytes = 1 << 20
	maxDepth = 32
)

// Texts is a list of texts that may be written as one text.
type Texts []string

// Decode reads one YAML or JSON document into the struct or map that into points
// to. On error into is left as it was.
func Decode(data []byte, into any) error {
	root, err := parse(data)
	if err != nil {
		return err
	}
	return decode(root, "", into)
}

// DecodeValue does the same with a value that is parsed already, such as a
// map[string]any, whose lines are not known. The keys in under lead to the value
// from the document it was taken from, and precede the paths in errors.
func DecodeValue(v any, into any, under ...string) error {
	at := strings.Join(under, ".")
	root, err := treeOf(reflect.ValueOf(v), at, 1)
	if err != nil {
		return err
	}
	return decode(root, at, into)
}

func decode(root *yaml.Node, at string, into any) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return errors.New("strict: the target must be a pointer that is not nil")
	}
	fresh := reflect.New(target.Type().Elem()).Elem()
	fresh.Set(target.Elem())
	if err := assign(root, at, fresh); err != nil {
		return err
	}
	target.Elem().Set(fresh)
	return nil
}

func problem(n *yaml.Node, path, format string, a ...any) *fault.Error {
	return at(n, path, fault.New(fault.Invalid, format, a...))
}

func at(n *yaml.Node, path string, err *fault.Error) *fault.Error {
	if path != "" {
		err = fault.Prefix(err, "%s", path)
	}
	return err.At(path).OnLine(n.Line)
}

func join(path, key string) string {
	key = shorten(key)
	if path == "" {
		return key
	}
	return path + "." + key
}
