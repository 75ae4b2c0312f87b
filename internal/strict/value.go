package strict

import (
	"math"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"pachyderm/internal/fault"
)

// treeOf gives a parsed value the form of a parsed document, so that both are
// held to the same rules.
func treeOf(v reflect.Value, path string, depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, fault.New(fault.Invalid, "nested deeper than %d levels", maxDepth)
	}
	switch v.Kind() {
	case reflect.Invalid:
		return scalar("!!null", ""), nil
	case reflect.Interface, reflect.Pointer:
		return treeOf(v.Elem(), path, depth)
	case reflect.String:
		if v.Type().PkgPath() == "encoding/json" { // json.Number
			return &yaml.Node{Kind: yaml.ScalarNode, Value: v.String()}, nil
		}
		return scalar("!!str", v.String()), nil
	case reflect.Bool:
		return scalar("!!bool", strconv.FormatBool(v.Bool())), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return scalar("!!int", strconv.FormatInt(v.Int(), 10)), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return scalar("!!int", strconv.FormatUint(v.Uint(), 10)), nil
	case reflect.Float32, reflect.Float64:
		return floatNode(v.Float()), nil
	case reflect.Slice:
		return listNode(v, path, depth)
	case reflect.Map:
		return mapNode(v, path, depth)
	}
	return nil, fault.New(fault.Invalid, "%s: a value of type %s is not accepted", path, v.Type()).At(path)
}

func scalar(tag, text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
}

// floatNode knows that encoding/json makes a float64 of every number, and that
// beyond 2^53 such a number is no longer the one that was written.
func floatNode(f float64) *yaml.Node {
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return scalar("!!int", strconv.FormatInt(int64(f), 10))
	}
	return scalar("!!float", strconv.FormatFloat(f, 'g', -1, 64))
}

func listNode(v reflect.Value, path string, depth int) (*yaml.Node, error) {
	n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	for i := range v.Len() {
		item, err := treeOf(v.Index(i), index(path, i), depth+1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, item)
	}
	return n, nil
}

func mapNode(v reflect.Value, path string, depth int) (*yaml.Node, error) {
	if v.Type().Key().Kind() != reflect.String {
		return nil, fault.New(fault.Invalid, "%s: a key must be plain text", path).
			Next("put it in quotes").At(path)
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, key := range keys {
		value, err := treeOf(v.MapIndex(key), join(path, key.String()), depth+1)
		if err != nil {
			return nil, err
		}
		n.Content = append(n.Content, scalar("!!str", key.String()), value)
	}
	return n, nil
}
