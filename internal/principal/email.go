package principal

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// IsEmail accepts what every mail system reads as the same single address:
// a dot-atom, one @, a domain name (RFC 5321, 4.1.2; RFC 6531, 3.3). Quoted
// local parts, comments and address literals are where readers differ.
func IsEmail(s string) bool {
	local, domain, found := strings.Cut(s, "@")
	if !found || len(s) > 254 || len(local) > 64 || strings.ContainsAny(s, "\"(),:;<>[]\\") {
		return false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
		return false
	}
	if slices.Contains(strings.Split(local, "."), "") || slices.Contains(strings.Split(domain, "."), "") {
		return false
	}
	return isDomain(domain)
}

// isDomain wants a domain beyond ASCII in its one canonical form, so that no two
// spellings stand for one host.
func isDomain(s string) bool {
	ascii, err := idna.Lookup.ToASCII(s)
	if err != nil {
		return false
	}
	if strings.EqualFold(ascii, s) {
		return true
	}
	canonical, err := idna.Lookup.ToUnicode(ascii)
	return err == nil && canonical == s
}
