package principal

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"pachyderm/internal/fault"
)

// canonical is the one form of all spellings of a name. An address has that of
// canonicalEmail. Others are composed (Unicode NFC) and keep their case, which
// directories and programs may tell apart.
func canonical(kind Kind, name string) (string, error) {
	if kind != User || !strings.Contains(name, "@") {
		return norm.NFC.String(name), nil
	}
	email, ok := canonicalEmail(name)
	if !ok {
		return "", fault.New(fault.Invalid, "%q is not exactly one e-mail address", name)
	}
	return email, nil
}

// scriptSets are the scripts that one word may be written in together, because a
// language does so (Unicode Technical Standard 39, 5.2: highly restrictive).
var scriptSets = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// mixedScripts finds the first word of s that is written in scripts which do not
// go together: such as one with a Cyrillic letter among Latin ones, which looks
// like another word. A word is letters and their marks; what divides words
// (digits, punctuation, spaces) divides scripts as well, so "VPN-Доступ" is fine.
func mixedScripts(s string) (word string, scripts []string) {
	if isASCII(s) {
		return "", nil
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		used := map[string]bool{}
		for _, r := range word {
			used[scriptOf(r)] = true
		}
		delete(used, "")
		together := func(set []string) bool {
			for script := range used {
				if !slices.Contains(set, script) {
					return false
				}
			}
			return true
		}
		if len(used) > 1 && !slices.ContainsFunc(scriptSets, together) {
			return word, slices.Sorted(maps.Keys(used))
		}
	}
	return "", nil
}

// scriptOf is the name of the one script that r belongs to, or "" for what
// several use.
func scriptOf(r rune) string {
	if r <= unicode.MaxASCII {
		return "Latin"
	}
	for name, table := range unicode.Scripts {
		if unicode.Is(table, r) {
			if name == "Common" || name == "Inherited" {
				return ""
			}
			return name
		}
	}
	return ""
}
