package registry

import (
	"maps"
	"slices"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
)

// Difference is a key that two documents of a connector have otherwise, as JSON that
// is cut when it is long. Empty is for a key that is not there, and secret.Mask for
// secrets.
type Difference struct{ Key, Was, Is string }

// Between lists the differences of two documents, by key. A secret is only said to be
// another.
func Between(was, is Connector) (out []Difference) {
	if was.Name != is.Name {
		out = append(out, Difference{"name", shown(was.Name), shown(is.Name)})
	}
	shownWas, shownIs := connector.Redact(was.Type, was.Config), connector.Redact(is.Type, is.Config)
	keys := maps.Clone(was.Config)
	if keys == nil {
		keys = map[string]any{}
	}
	maps.Copy(keys, is.Config)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if connector.Equal(was.Config[key], is.Config[key]) {
			continue
		}
		d := Difference{Key: "config." + key}
		if was.Config[key] != nil {
			d.Was = shown(shownWas[key])
		}
		if is.Config[key] != nil {
			d.Is = shown(shownIs[key])
		}
		out = append(out, d)
	}
	return out
}

// maxShown is how many characters of a value are shown.
const maxShown = 200

func shown(v any) string { return fault.CleanJSON(v, maxShown) }
