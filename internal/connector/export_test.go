package connector

import "pachyderm/internal/connector/document"

// CommonKeys lists the keys that every type has, for tests that go through all.
func CommonKeys() []document.Key { return keysOfCommon() }

// Keys lists those of a type.
func Keys(typ string) []document.Key { return kinds()[typ].keys }
