package chart

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lists of keys in the chart, values.yaml and the schema are one.
func TestKnownKeys_AreThoseOfValuesAndSchema(t *testing.T) {
	standard, err := readYAML("values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := readSchema()
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(standard)
	if err != nil {
		t.Fatal(err)
	}
	shape, err := e.lists("pachyderm.shape")
	if err != nil {
		t.Fatal(err)
	}
	top, err := e.lists("pachyderm.sections")
	if err != nil {
		t.Fatal(err)
	}
	shape[""] = top["sections"]
	// Of global others have keys as well: it is shared with subcharts.
	sections := 0
	var compare func(section string, values map[string]any, s schema)
	compare = func(section string, values map[string]any, s schema) {
		if section != "global" {
			sections++
			known := slices.Sorted(slices.Values(shape[section]))
			if diff := cmp.Diff(slices.Sorted(maps.Keys(values)), known); diff != "" {
				t.Errorf("%q: values.yaml and _known.tpl:\n%s", section, diff)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(s.Properties)), known); diff != "" {
				t.Errorf("%q: values.schema.json and _known.tpl:\n%s", section, diff)
			}
		}
		for key, value := range values {
			// A mapping whose keys people choose has none in the schema.
			if under, isMap := value.(map[string]any); isMap && s.Properties[key].Properties != nil {
				compare(join(section, key), under, s.Properties[key])
			}
		}
	}
	compare("", standard, s)
	if sections != len(shape) || sections < 15 {
		t.Errorf("%d sections of %d were compared", sections, len(shape))
	}
}
