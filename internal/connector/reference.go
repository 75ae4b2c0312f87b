package connector

import (
	"path/filepath"
	"reflect"
	"strings"

	"pachyderm/internal/connector/document"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// A secret may be a reference to where the server finds it. Whoever may write
// connectors chooses where the secret is sent, so what a reference may read is
// bounded by Deps.References.

// isReference reports whether a secret stands elsewhere. A reference is no
// secret: it is shown when the connector is read.
func isReference(value any) bool {
	text, isText := value.(string)
	_, _, ok := document.Reference(text)
	return isText && ok
}

// Fingerprint changes when what a document's references lead to changes, and
// is "" if it has none. One that cannot be read counts as empty: Open says so.
func Fingerprint(typ string, config map[string]any, deps func() Deps) string {
	var found []string
	for _, name := range secretsOf(typ) {
		if isReference(config[name]) {
			value, _ := deps().lookUp(name, config[name].(string))
			found = append(found, name, value)
		}
	}
	if found == nil {
		return ""
	}
	return secret.Hash(strings.Join(found, "\x00"))[:16]
}

// resolve puts what a reference leads to in its place. Fault: Invalid, naming
// the key and never the value.
func (d Deps) resolve(k document.Key, value reflect.Value) error {
	if !k.Is("secret") || !strings.HasPrefix(value.String(), "${") {
		return nil
	}
	found, err := d.lookUp(k.Path, value.String())
	if err == nil {
		value.SetString(found)
	}
	return err
}

func (d Deps) lookUp(path, text string) (string, error) {
	kind, name, ok := document.Reference(text)
	if !ok {
		return "", refuse.Config(path, "%s begins like a reference", path).
			Next("write ${env:NAME} or ${file:/path}, both on the server")
	}
	if d.References == nil {
		return "", refuse.Config(path, "%s: references are not available here", path)
	}
	var value string
	var err error
	if kind == "env" {
		value, err = d.References.Env(name)
	} else {
		value, err = d.References.File(filepath.Clean(name))
	}
	if err != nil {
		return "", fault.Prefix(err, "%s", path).At("config." + path)
	}
	if value == "" {
		return "", refuse.Config(path, "%s: what %s leads to is empty", path, text)
	}
	return value, nil
}

// checkFiles keeps documents from naming pachd's own files. One that is sent is
// shown to whoever the document says, and a device such as /dev/zero never ends.
func (d Deps) checkFiles(k document.Key, value reflect.Value) error {
	if !k.Is("file") || d.References == nil {
		return nil
	}
	paths, isList := value.Interface().([]string)
	if !isList {
		paths = []string{value.String()}
	}
	for _, path := range paths {
		var err error
		switch {
		case path == "" || document.IsPEM(path):
		case k.Is("sent"):
			_, err = d.References.File(path)
		default:
			err = d.References.Check(path)
		}
		if err != nil {
			return fault.Prefix(err, "%s", k.Path).At("config." + k.Path)
		}
	}
	return nil
}
