package principal

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"
)

// IsEmail accepts what every mail system reads as the same single address: a
// dot-atom, one @, a domain name (RFC 5321, 4.1.2; RFC 6531, 3.3). Quoted local
// parts, comments and address literals are where readers differ; characters that
// stand for others (RFC 8265, 3.3; RFC 5895 in the domain) and words of letters of
// several scripts are where people do.
func IsEmail(s string) bool {
	_, ok := canonicalEmail(s)
	return ok
}

// canonicalEmail is the one form of all spellings of an address: the local part
// as user names are compared (RFC 8265, UsernameCaseMapped: lower case, one width,
// NFC), the domain as DNS has it (RFC 5891, A-labels). That mail servers may tell
// the case of local parts apart (RFC 5321, 2.4) is a right that none makes use of.
func canonicalEmail(s string) (string, bool) {
	local, domain, found := strings.Cut(s, "@")
	if !found || strings.ContainsAny(s, "\"(),:;<>[]\\") {
		return "", false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) || r == unicode.ReplacementChar }) {
		return "", false
	}
	local, err := precis.UsernameCaseMapped.String(local)
	if err != nil {
		return "", false
	}
	readable, err := idna.Lookup.ToUnicode(domain)
	if err != nil || readable != norm.NFC.String(strings.ToLower(domain)) && !isASCII(domain) {
		return "", false
	}
	if word, _ := mixedScripts(local + "@" + readable); word != "" {
		return "", false
	}
	domain, err = idna.Lookup.ToASCII(domain)
	if err != nil || slices.Contains(strings.Split(local, "."), "") || slices.Contains(strings.Split(domain, "."), "") {
		return "", false
	}
	return local + "@" + domain, len(local) <= 64 && len(local)+1+len(domain) <= 254
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}
