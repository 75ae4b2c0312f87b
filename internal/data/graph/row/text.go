package row

import (
	"unicode"
	"unicode/utf8"

	"pachyderm/internal/fault"
)

// maxText is how long may be what is said of something, in bytes. It is read wherever
// that is listed.
const maxText = 4 << 10

// CheckText holds what somebody says of something to what can be shown. Fault: Invalid.
func CheckText(what, text string) error {
	switch {
	case len(text) > maxText:
		return fault.New(fault.Invalid, "the %s has %d bytes, and may have %d", what, len(text), maxText).
			Next("keep it in a file, and say here where that is")
	case !IsText(text):
		return fault.New(fault.Invalid, "the %s is not printable text", what).
			Next("leave out control characters, and those that change the direction of text")
	}
	return nil
}

// IsText takes line breaks, those of Windows too, and tabs for text, but not what has others read a text in
// another order than it is stored in.
func IsText(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) {
			return false
		}
	}
	return true
}
