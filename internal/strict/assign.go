package strict

import (
	"encoding"
	"fmt"
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"

	"pachyderm/internal/fault"
)

func assign(n *yaml.Node, path string, into reflect.Value) error {
	if into.Kind() == reflect.Pointer {
		return assignPointer(n, path, into)
	}
	if into.Kind() == reflect.Interface && into.NumMethod() == 0 {
		return assignAny(n, path, into)
	}
	if n.ShortTag() == "!!null" {
		return problem(n, path, "expected %s, got nothing", wanted(into.Type())).
			Next("give a value or remove the key")
	}
	if text, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return assignText(n, path, text)
	}
	switch into.Kind() {
	case reflect.Struct:
		return assignStruct(n, path, into)
	case reflect.Map:
		return assignMap(n, path, into)
	case reflect.Slice:
		if into.Type() == reflect.TypeFor[Texts]() && n.Kind == yaml.ScalarNode {
			text, err := textOf(n, path)
			into.Set(reflect.ValueOf(Texts{text}))
			return err
		}
		return assignSlice(n, path, into)
	case reflect.String:
		text, err := textOf(n, path)
		if err != nil {
			return err
		}
		into.SetString(text)
		return nil
	case reflect.Bool:
		return assignBool(n, path, into)
	case reflect.Float32, reflect.Float64:
		return assignFloat(n, path, into)
	}
	if into.CanInt() || into.CanUint() {
		return assignInt(n, path, into)
	}
	return fmt.Errorf("strict: %s: fields of type %s are not supported", path, into.Type())
}

func assignPointer(n *yaml.Node, path string, into reflect.Value) error {
	if n.ShortTag() == "!!null" {
		into.SetZero()
		return nil
	}
	fresh := reflect.New(into.Type().Elem())
	if err := assign(n, path, fresh.Elem()); err != nil {
		return err
	}
	into.Set(fresh)
	return nil
}

func assignStruct(n *yaml.Node, path string, into reflect.Value) error {
	if n.Kind != yaml.MappingNode {
		return mismatch(n, path, into.Type())
	}
	fields, names := fieldsOf(into.Type())
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		field, known := fields[key.Value]
		if !known {
			return problem(key, join(path, key.Value), "%s", Suggest(key.Value, names))
		}
		if err := assign(value, join(path, key.Value), into.Field(field)); err != nil {
			return err
		}
	}
	return nil
}

// fieldsOf gives the index of each key's field, and the keys in the order written.
func fieldsOf(t reflect.Type) (map[string]int, []string) {
	fields := make(map[string]int, t.NumField())
	var names []string
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		fields[name] = i
		names = append(names, name)
	}
	return fields, names
}

func assignMap(n *yaml.Node, path string, into reflect.Value) error {
	t := into.Type()
	if n.Kind != yaml.MappingNode || t.Key().Kind() != reflect.String {
		return mismatch(n, path, t)
	}
	fresh := reflect.MakeMapWithSize(t, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		key := n.Content[i].Value
		value := reflect.New(t.Elem()).Elem()
		if err := assign(n.Content[i+1], join(path, key), value); err != nil {
			return err
		}
		fresh.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), value)
	}
	into.Set(fresh)
	return nil
}

func assignSlice(n *yaml.Node, path string, into reflect.Value) error {
	if n.Kind != yaml.SequenceNode {
		return mismatch(n, path, into.Type())
	}
	fresh := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		if err := assign(item, index(path, i), fresh.Index(i)); err != nil {
			return err
		}
	}
	into.Set(fresh)
	return nil
}

// textOf does not repeat the value in its refusal: the key may hold a secret.
func textOf(n *yaml.Node, path string) (string, error) {
	switch {
	case n.Kind != yaml.ScalarNode:
		return "", problem(n, path, "expected text, got %s", describe(n))
	case n.ShortTag() != "!!str":
		return "", problem(n, path, "expected text").
			Next("put it in quotes")
	}
	return n.Value, nil
}

func assignText(n *yaml.Node, path string, into encoding.TextUnmarshaler) error {
	text, err := textOf(n, path)
	if err != nil {
		return err
	}
	if err := into.UnmarshalText([]byte(text)); err != nil {
		if fault.KindOf(err) != fault.Internal {
			return at(n, path, fault.As(fault.Invalid, err))
		}
		return problem(n, path, "%s", err)
	}
	return nil
}

func assignBool(n *yaml.Node, path string, into reflect.Value) error {
	if n.ShortTag() == "!!bool" {
		into.SetBool(strings.EqualFold(n.Value, "true"))
		return nil
	}
	hint := ""
	switch bare := strings.TrimSuffix(n.Value, ","); {
	case n.ShortTag() != "!!str" || (bare != "true" && bare != "false"):
	case bare != n.Value:
		hint = ": remove the comma"
	default:
		hint = ": remove the quotes"
	}
	return problem(n, path, "expected true or false, got %s%s", describe(n), hint)
}

func assignInt(n *yaml.Node, path string, into reflect.Value) error {
	if n.ShortTag() != "!!int" {
		return mismatch(n, path, into.Type())
	}
	// The parser's own conversion knows 0x1F and 1_000, and checks the range.
	if err := n.Decode(into.Addr().Interface()); err != nil {
		return problem(n, path, "the number %s is out of range", shorten(n.Value))
	}
	return nil
}

func assignFloat(n *yaml.Node, path string, into reflect.Value) error {
	f, err := floatOf(n, path)
	if err != nil {
		return err
	}
	if into.OverflowFloat(f) {
		return problem(n, path, "the number %s is out of range", shorten(n.Value))
	}
	into.SetFloat(f)
	return nil
}

// floatOf refuses infinity and not-a-number, which JSON could not carry on.
func floatOf(n *yaml.Node, path string) (float64, error) {
	if tag := n.ShortTag(); tag != "!!int" && tag != "!!float" {
		return 0, mismatch(n, path, reflect.TypeFor[float64]())
	}
	var f float64
	if err := n.Decode(&f); err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return 0, problem(n, path, "the number %s is out of range", shorten(n.Value))
	}
	return f, nil
}

func assignAny(n *yaml.Node, path string, into reflect.Value) error {
	var v any
	switch n.ShortTag() {
	case "!!null":
		into.SetZero()
		return nil
	case "!!map":
		m := map[string]any{}
		if err := assignMap(n, path, reflect.ValueOf(&m).Elem()); err != nil {
			return err
		}
		v = m
	case "!!seq":
		s := []any{}
		if err := assignSlice(n, path, reflect.ValueOf(&s).Elem()); err != nil {
			return err
		}
		v = s
	case "!!bool":
		v = strings.EqualFold(n.Value, "true")
	case "!!int":
		var i int64
		if err := assignInt(n, path, reflect.ValueOf(&i).Elem()); err != nil {
			return err
		}
		v = i
	case "!!float":
		f, err := floatOf(n, path)
		if err != nil {
			return err
		}
		v = f
	default: // text, and dates, which are text to everybody but YAML
		v = n.Value
	}
	into.Set(reflect.ValueOf(v))
	return nil
}
