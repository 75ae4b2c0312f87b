package connector

import (
	"reflect"
)

// Key is one key of a type's document, for tests that go through all of them.
type Key struct {
	Path  string
	Type  reflect.Type
	Rules []string
	OneOf []string
}

// Keys lists them.
func Keys(typ string) []Key {
	var out []Key
	for _, k := range keysOf(kinds()[typ].shape, "") {
		out = append(out, Key{k.path, k.typ, k.rules, k.oneOf})
	}
	return out
}
