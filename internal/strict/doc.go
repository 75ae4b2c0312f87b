// Package strict turns documents that people write, YAML or JSON, into structs
// and refuses whatever it cannot place exactly: unknown and repeated keys, wrong
// types, aliases, a second document. A refusal names the line and the likely key.
//
// Keys come from json tags. What a value means is for the caller to check.
package strict
