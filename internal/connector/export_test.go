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
	Doc   string
}

// CommonKeys lists those that every type has.
func CommonKeys() []Key {
	var out []Key
	for _, k := range keysOfCommon() {
		out = append(out, Key{k.path, k.typ, k.rules, k.oneOf, k.doc})
	}
	return out
}

// Keys lists them.
func Keys(typ string) []Key {
	var out []Key
	for _, k := range keysOf(kinds()[typ].shape, "") {
		out = append(out, Key{k.path, k.typ, k.rules, k.oneOf, k.doc})
	}
	return out
}
