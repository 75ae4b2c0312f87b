package document

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/webaddr"
)

// Rules are what tags cannot know of this server.
type Rules struct {
	// Callback is where identity providers send people back to.
	Callback string
	// AllowHTTP lets providers on other hosts be spoken to without TLS.
	AllowHTTP bool
	// Reach is how far connections go to what documents name.
	Reach fetch.Reach
}

// Check holds a decoded document, a pointer to the struct of its type, to the
// tags. Fault: Invalid, at the key.
func (r Rules) Check(typ string, doc any) error {
	v := reflect.ValueOf(doc).Elem()
	keys := Keys(v.Type())
	for _, k := range keys {
		if k.Is("required") && k.In(v).IsZero() {
			return refuse.Config(k.Path, "%s is missing: a connector of type %s needs %s", k.Path, typ, required(keys))
		}
	}
	for _, k := range keys {
		value := k.In(v)
		if err := r.checkItems(k, value); err != nil {
			return err
		}
		if value.Kind() != reflect.String || value.IsZero() {
			continue
		}
		if err := r.checkText(k, value.String()); err != nil {
			return err
		}
	}
	return nil
}

func required(keys []Key) string {
	var paths []string
	for _, k := range keys {
		if k.Is("required") {
			paths = append(paths, k.Path)
		}
	}
	return strings.Join(paths, ", ")
}

// checkItems holds the objects of a list to their tags.
func (r Rules) checkItems(list Key, value reflect.Value) error {
	if value.Kind() != reflect.Slice || value.Type().Elem().Kind() != reflect.Struct {
		return nil
	}
	for n := range value.Len() {
		for _, k := range Keys(value.Type().Elem()) {
			item := k.In(value.Index(n))
			k.Path = fmt.Sprintf("%s[%d].%s", list.Path, n, k.Path)
			switch {
			case k.Is("required") && item.IsZero():
				return refuse.Config(k.Path, "%s is missing", k.Path)
			case item.Kind() == reflect.String && !item.IsZero():
				if err := r.checkText(k, item.String()); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (r Rules) checkText(k Key, text string) error {
	if !k.Is("lines") && (strings.TrimSpace(text) != text || strings.ContainsFunc(text, unicode.IsControl)) {
		return refuse.Config(k.Path, "%s begins or ends with white space or contains a control character", k.Path).
			Next("copy it again")
	}
	if !k.Is("secret") && reference.MatchString(text) {
		return refuse.Config(k.Path, "%s: a reference such as %s is for secrets only", k.Path, text).
			Next("write the value itself")
	}
	if hasPlaceholder(k, text) {
		return refuse.Config(k.Path, "%s still has a placeholder in it", k.Path).
			Next("replace what stands in brackets")
	}
	if len(k.OneOf) > 0 && !slices.Contains(k.OneOf, text) {
		return refuse.Config(k.Path, "%s is %q", k.Path, text).
			Next("use one of %s", strings.Join(k.OneOf, ", "))
	}
	if k.Is("callback") && text != r.Callback {
		return OtherCallback(text, r.Callback)
	}
	if k.Is("url") || k.Is("web") {
		return r.checkURL(k, text)
	}
	return nil
}

// OtherCallback refuses an address that a provider would send people back to,
// and that is not where they are expected.
func OtherCallback(redirectURI, callback string) *fault.Error {
	return refuse.Config("redirectURI", "redirectURI is %s, but sign-ins come back to %s", redirectURI, callback).
		Next("use that and register it with the provider")
}

// checkURL does not repeat text that may hold a password.
func (r Rules) checkURL(k Key, text string) error {
	u, err := webaddr.Parse(text)
	switch {
	case err != nil || strings.ContainsAny(text, ` \"`):
		return refuse.Config(k.Path, "%s is not a URL: it must begin with https:// and a host, such as https://id.example.com/", k.Path)
	case u.User != nil:
		return refuse.Config(k.Path, "%s carries a user name or password", k.Path).
			Next("remove it")
	case strings.Contains(text, "#"):
		return refuse.Config(k.Path, "%s is %s: it may have no fragment (#)", k.Path, text)
	case k.Is("noquery") && webaddr.HasQuery(u):
		return refuse.Config(k.Path, "%s is %s: it may have no query (?)", k.Path, text)
	case k.Is("url") && !webaddr.IsSafe(u, r.AllowHTTP):
		return refuse.Config(k.Path, "%s is %s: only https is accepted, except on this machine itself", k.Path, text)
	}
	return nil
}

// placeholder is what stands in examples for a value of one's own.
var placeholder = regexp.MustCompile(`<[^<>\\]+>`)

// hasPlaceholder is careful with secrets, which may be made of any characters,
// and with text that need not be a plain name, such as filters.
func hasPlaceholder(k Key, text string) bool {
	found := placeholder.FindString(text)
	whole := found != "" && found == text && !k.Is("lines")
	plain := !k.Is("secret") && (k.Is("required") || k.Is("callback"))
	return whole || found != "" && plain || (k.Is("url") || k.Is("web")) && strings.ContainsAny(text, "<>{}")
}

// reference is all of a value, or the value is the secret itself.
var reference = regexp.MustCompile(`^\$\{(env|file):([^{}]+)\}$`)

// Reference splits a reference to where a secret stands, such as
// ${file:/path}, into its kind and what is named.
func Reference(text string) (kind, name string, ok bool) {
	m := reference.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}
