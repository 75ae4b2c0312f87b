package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"go.yaml.in/yaml/v3"

	"pachyderm/deploy/helm"
)

const root = "pachyderm"

// refusal is what the chart has said with fail.
type refusal struct{ text string }

func (r refusal) Error() string { return r.text }

// engine executes the templates of the chart. It has those of Helm's functions that
// they use.
type engine struct {
	templates *template.Template
	data      map[string]any
}

func newEngine(values map[string]any) (*engine, error) {
	e := &engine{templates: template.New(root).Option("missingkey=zero")}
	functions := sprig.TxtFuncMap()
	for _, outside := range []string{"env", "expandenv", "getHostByName"} {
		delete(functions, outside)
	}
	maps.Copy(functions, template.FuncMap{
		"include": e.include, "toYaml": toYAML, "fromYaml": fromYAML[map[string]any], "fromYamlArray": fromYAML[[]any],
		"fail": func(text string) (string, error) { return "", refusal{text} },
	})
	e.templates.Funcs(functions)
	files, err := fs.Glob(helm.Chart, root+"/templates/*")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(helm.Chart, file)
		if err != nil {
			return nil, err
		}
		if _, err := e.templates.New(path.Base(file)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	about, err := readYAML("Chart.yaml")
	if err != nil {
		return nil, err
	}
	e.data = map[string]any{
		"Values":  values,
		"Chart":   map[string]any{"Name": about["name"], "Version": about["version"], "AppVersion": about["appVersion"]},
		"Release": map[string]any{"Name": root, "Namespace": "default", "Service": "Helm"},
	}
	return e, nil
}

// include is the text that a template makes. What the chart refuses is a refusal.
func (e *engine) include(name string, data any) (string, error) {
	var b bytes.Buffer
	err := e.templates.ExecuteTemplate(&b, name, data)
	if r := (refusal{}); errors.As(err, &r) {
		return "", r
	}
	return b.String(), err
}

// objects are those that a file of the chart makes.
func (e *engine) objects(file string) (all []map[string]any, err error) {
	text, err := e.include(file, e.data)
	if err != nil {
		return nil, err
	}
	// As Helm does for what is not there.
	decoder := yaml.NewDecoder(strings.NewReader(strings.ReplaceAll(text, "<no value>", "")))
	for {
		var o map[string]any
		switch err := decoder.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all, nil
		case err != nil:
			return nil, fmt.Errorf("what the chart makes of %s: %w", file, err)
		}
		all = append(all, o)
	}
}

// lists are keys by section, as a template of the chart has them.
func (e *engine) lists(name string) (map[string][]string, error) {
	text, err := e.include(name, e.data)
	if err != nil {
		return nil, err
	}
	sections, err := fromYAML[map[string]any](text)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for section, keys := range sections {
		list, _ := keys.([]any)
		out[section] = []string{}
		for _, key := range list {
			out[section] = append(out[section], fmt.Sprint(key))
		}
	}
	return out, nil
}

func toYAML(v any) (string, error) {
	var b bytes.Buffer
	encoder := yaml.NewEncoder(&b)
	encoder.SetIndent(2)
	err := encoder.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}

func fromYAML[T any](text string) (v T, err error) {
	err = yaml.Unmarshal([]byte(text), &v)
	return v, err
}

func readYAML(name string) (map[string]any, error) {
	data, err := fs.ReadFile(helm.Chart, root+"/"+name)
	if err != nil {
		return nil, err
	}
	return fromYAML[map[string]any](string(data))
}

// merged puts values over the chart's own; null removes one, as in Helm.
func merged(standard, given map[string]any) map[string]any {
	out := maps.Clone(standard)
	for _, key := range slices.Sorted(maps.Keys(given)) {
		under, isMap := out[key].(map[string]any)
		over, overIsMap := given[key].(map[string]any)
		switch {
		case given[key] == nil:
			delete(out, key)
		case isMap && overIsMap:
			out[key] = merged(under, over)
		default:
			out[key] = given[key]
		}
	}
	return out
}
