package fetch

import (
	"net/url"
	"strings"

	"pachyderm/internal/fault"
)

// ParseURL reads an address that an administrator wrote under key: absolute, by
// http or https, with no user and no fragment. Its faults are Invalid, at the
// key, and do not repeat text that may hold a password.
func ParseURL(key, text string) (*url.URL, error) {
	invalid := func(format string, a ...any) *fault.Error {
		return fault.New(fault.Invalid, format, a...).At("config." + key)
	}
	u, err := url.Parse(text)
	switch {
	case strings.ContainsAny(text, "<>{}"):
		return nil, invalid("%s still has a placeholder in it", key).
			Next("replace what stands in brackets")
	case err != nil || strings.ContainsAny(text, ` \"`):
		return nil, invalid("%s is not a URL", key).
			Next("give one such as https://id.example.com/")
	case u.User != nil:
		return nil, invalid("%s carries a user name or password", key).
			Next("remove it")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, invalid("%s is %q: it must begin with https:// and a host", key, text)
	case strings.Contains(text, "#"):
		return nil, invalid("%s is %s: it may have no fragment (#)", key, text)
	}
	return u, nil
}
