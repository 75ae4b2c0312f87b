package connector

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// A secret may be a reference to where the server finds it. Whoever may write
// connectors chooses where the secret is sent, so what a reference may read is
// bounded by Deps.References.

// reference is all of a value, or the value is the secret itself.
var reference = regexp.MustCompile(`^\$\{(env|file):([^{}]+)\}$`)

// IsReference reports whether a secret stands elsewhere. A reference is no
// secret: it is shown when the connector is read.
func IsReference(value any) bool {
	text, ok := value.(string)
	return ok && strings.HasPrefix(text, "${") && reference.MatchString(text)
}

// HasReferences reports whether a document has secrets that stand elsewhere.
func HasReferences(typ string, config map[string]any) bool {
	for name, value := range config {
		if IsReference(value) && slices.Contains(secretsOf(typ), name) {
			return true
		}
	}
	return false
}

// Fingerprint changes when what a document's references lead to changes, and
// is "" if it has none. One that cannot be read counts as empty: Open says so.
func Fingerprint(typ string, config map[string]any, d Deps) string {
	var found []string
	for _, name := range secretsOf(typ) {
		if IsReference(config[name]) {
			value, _ := d.lookUp(name, config[name].(string))
			found = append(found, name, value)
		}
	}
	if found == nil {
		return ""
	}
	return secret.Hash(strings.Join(found, "\x00"))[:16]
}

// resolve copies a document with what its references lead to. Fault: Invalid,
// naming the key and never the value.
func (d Deps) resolve(typ string, config map[string]any) (map[string]any, error) {
	out := maps.Clone(config)
	secrets := secretsOf(typ)
	for name, value := range config {
		text, ok := value.(string)
		if !ok || !strings.HasPrefix(text, "${") || !slices.Contains(secrets, name) {
			continue
		}
		found, err := d.lookUp(name, text)
		if err != nil {
			return nil, err
		}
		out[name] = found
	}
	return out, nil
}

func (d Deps) lookUp(name, text string) (string, error) {
	m := reference.FindStringSubmatch(text)
	if m == nil {
		return "", invalid(name, "%s begins like a reference", name).
			Next("write ${env:NAME} or ${file:/path}, both on the server")
	}
	if d.References == nil {
		return "", invalid(name, "%s: references are not available here", name)
	}
	var value string
	var err error
	if m[1] == "env" {
		value, err = d.References.Env(m[2])
	} else {
		value, err = d.References.File(filepath.Clean(m[2]))
	}
	if err != nil {
		return "", fault.Prefix(err, "%s", name).At("config." + name)
	}
	if value == "" {
		return "", invalid(name, "%s: what %s leads to is empty", name, text)
	}
	return value, nil
}

// References reads secrets that stand outside of the documents. Its faults are
// Invalid and say what to do.
type References interface {
	Env(name string) (string, error)
	File(path string) (string, error)
	// Check is for files that are no secrets; one that is not there is all right.
	Check(path string) error
}
