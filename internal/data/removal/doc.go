// Package removal decides which commits may be squashed or dropped, together with which
// others, and says what would go.
package removal
