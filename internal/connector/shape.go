package connector

import (
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"pachyderm/internal/connector/fetch"
	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// What a type's document may hold is said once, by the tags of the struct that
// it is read into: json names the key, doc explains it, oneof lists its values,
// and rule has any of
//
//	required  the key must be there and not be empty
//	secret    it is never shown, and may be a reference (reference.go)
//	url       an absolute http or https URL; https unless it is this machine's
//	dest      it says, as every url does, where secrets are sent
//	callback  our own callback, where the provider sends people back to
//	lines     text of several lines, such as PEM, which may end with a line's end
//	file      a file on the server, and in a list either that or PEM text
//	sent      such a file whose content goes to the provider, as a secret does

// key is one key of a document.
type key struct {
	path  string // below config, such as userSearch.baseDN
	typ   reflect.Type
	rules []string
	oneOf []string
	doc   string
}

func (k key) is(rule string) bool { return slices.Contains(k.rules, rule) }

// keysOf lists the keys of a struct type; those of an object follow its own.
func keysOf(t reflect.Type, under string) []key {
	var keys []key
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		k := key{
			path: under + name, typ: f.Type, doc: f.Tag.Get("doc"),
			rules: strings.FieldsFunc(f.Tag.Get("rule"), func(r rune) bool { return r == ',' }), oneOf: strings.Fields(f.Tag.Get("oneof")),
		}
		keys = append(keys, k)
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, keysOf(f.Type, k.path+".")...)
		}
	}
	return keys
}

// valueAt is what a decoded document has at a path.
func valueAt(v reflect.Value, path string) reflect.Value {
	for part := range strings.SplitSeq(path, ".") {
		for i := range v.NumField() {
			if name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); name == part {
				v = v.Field(i)
				break
			}
		}
	}
	return v
}

// checkShape holds a decoded document to the tags of its type.
func checkShape(typ string, doc any, d Deps) error {
	v := reflect.ValueOf(doc).Elem()
	keys := keysOf(v.Type(), "")
	for _, k := range keys {
		if k.is("required") && valueAt(v, k.path).IsZero() {
			var all []string
			for _, other := range keys {
				if other.is("required") {
					all = append(all, other.path)
				}
			}
			return invalid(k.path, "%s is missing: a connector of type %s needs %s", k.path, typ, strings.Join(all, ", "))
		}
	}
	for _, k := range keys {
		value := valueAt(v, k.path)
		if err := checkItems(k, value, d); err != nil {
			return err
		}
		if err := checkFiles(k, value, d); err != nil {
			return err
		}
		if value.Kind() != reflect.String || value.IsZero() {
			continue
		}
		if err := checkText(k, value.String(), d); err != nil {
			return err
		}
	}
	return nil
}

// checkItems holds the objects of a list to their tags.
func checkItems(list key, value reflect.Value, d Deps) error {
	if value.Kind() != reflect.Slice || value.Type().Elem().Kind() != reflect.Struct {
		return nil
	}
	for n := range value.Len() {
		for _, k := range keysOf(value.Type().Elem(), fmt.Sprintf("%s[%d].", list.path, n)) {
			_, name, _ := strings.Cut(k.path, "].")
			item := valueAt(value.Index(n), name)
			switch {
			case k.is("required") && item.IsZero():
				return invalid(k.path, "%s is missing", k.path)
			case item.Kind() == reflect.String && !item.IsZero():
				if err := checkText(k, item.String(), d); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// checkFiles keeps documents from naming pachd's own files: what is in one that
// is sent is told to whoever the document says, and some have no end.
func checkFiles(k key, value reflect.Value, d Deps) error {
	if !k.is("file") || d.References == nil {
		return nil
	}
	paths, isList := value.Interface().([]string)
	if !isList {
		paths = []string{value.String()}
	}
	for _, path := range paths {
		var err error
		switch {
		case path == "" || strings.Contains(path, "-----BEGIN"):
		case k.is("sent"):
			_, err = d.References.File(path)
		default:
			err = d.References.Check(path)
		}
		if err != nil {
			return fault.Prefix(err, "%s", k.path).At("config." + k.path)
		}
	}
	return nil
}

// placeholder is what stands in examples for a value of one's own.
var placeholder = regexp.MustCompile(`<[^<>\\]+>`)

// hasPlaceholder is careful with secrets, which may be made of any characters,
// and with text that need not be a plain name, such as filters.
func hasPlaceholder(k key, text string) bool {
	found := placeholder.FindString(text)
	whole := found == text && !k.is("lines")
	return found != "" && (whole || !k.is("secret") && (k.is("required") || k.is("url") || k.is("callback")))
}

func checkText(k key, text string, d Deps) error {
	if strings.TrimSpace(text) != text && !k.is("lines") {
		return invalid(k.path, "%s begins or ends with white space", k.path).
			Next("copy it again")
	}
	if !k.is("secret") && IsReference(text) {
		return invalid(k.path, "%s: a reference such as %s is for secrets only", k.path, text).
			Next("write the value itself")
	}
	if hasPlaceholder(k, text) {
		return invalid(k.path, "%s still has a placeholder in it", k.path).
			Next("replace what stands in brackets")
	}
	if len(k.oneOf) > 0 && !slices.Contains(k.oneOf, text) {
		return invalid(k.path, "%s is %q", k.path, text).
			Next("use one of %s", strings.Join(k.oneOf, ", "))
	}
	if k.is("callback") && text != d.Callback {
		return invalid(k.path, "%s is %s, but sign-ins come back to %s", k.path, text, d.Callback).
			Next("use that and register it with the provider")
	}
	if !k.is("url") {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return invalid(k.path, "%s is not a URL", k.path).
			Next("give one such as https://id.example.com")
	case u.User != nil || u.Fragment != "":
		return invalid(k.path, "%s may have no user name, password or fragment", k.path).
			Next("remove it")
	case u.Scheme == "http" && !d.AllowHTTP && !fetch.IsLoopback(u.Hostname()):
		return invalid(k.path, "%s is %s: only https is accepted, except on this machine itself", k.path, text)
	}
	return nil
}

func invalid(path, format string, a ...any) *fault.Error {
	return fault.New(fault.Invalid, format, a...).At("config." + path)
}

// decode reads a document into its struct, and names what is wrong by its key.
func decode(config map[string]any, into any) error {
	return strict.DecodeValue(config, into, "config")
}
