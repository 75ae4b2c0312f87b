package document

import (
	"reflect"
	"slices"
	"strings"
)

// Key is one key of a document. Its rules are any of
//
//	required  it must be there and not be empty
//	secret    it is never shown, and may be a reference to where it stands
//	web       an absolute http or https URL, without user name and fragment
//	url       such a URL of a provider: https, unless it is this machine's
//	noquery   such a URL that a path is put behind
//	dest      it says, as every url does, where secrets are sent
//	callback  of redirectURI: our own callback, where people come back to
//	lines     text of several lines, such as PEM, which may end with a line's end
//	file      a file on the server, and in a list either that or PEM text
//	sent      such a file whose content goes to the provider, as a secret does
type Key struct {
	Path  string // below config, such as userSearch.baseDN
	Type  reflect.Type
	Rules []string
	OneOf []string
	Doc   string
}

// Is reports whether a key is held to a rule.
func (k Key) Is(rule string) bool { return slices.Contains(k.Rules, rule) }

// Keys lists the keys of a struct type; those of an object follow its own.
func Keys(t reflect.Type) []Key { return keysUnder(t, "") }

func keysUnder(t reflect.Type, under string) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name := nameOf(f)
		if !f.IsExported() || name == "-" {
			continue
		}
		k := Key{
			Path: under + name, Type: f.Type, Doc: f.Tag.Get("doc"), OneOf: strings.Fields(f.Tag.Get("oneof")),
			Rules: strings.FieldsFunc(f.Tag.Get("rule"), func(r rune) bool { return r == ',' }),
		}
		keys = append(keys, k)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysUnder(f.Type, k.Path+".")...)
		}
	}
	return keys
}

func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// In is what a decoded document has for the key.
func (k Key) In(doc reflect.Value) reflect.Value { return valueAt(doc, k.Path) }

func valueAt(v reflect.Value, path string) reflect.Value {
	for part := range strings.SplitSeq(path, ".") {
		for i := range v.NumField() {
			if nameOf(v.Type().Field(i)) == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v
}
