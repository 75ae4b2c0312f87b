package chart

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"pachyderm/internal/fault"
	"pachyderm/internal/strict"
)

// Values is a values file, over the values of the chart.
type Values struct {
	node   *yaml.Node
	engine *engine
}

// Read reads a values file. Faults: Precondition if it cannot be read, Invalid if it is
// no YAML.
func Read(file string) (*Values, error) {
	data, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fault.New(fault.Precondition, "cannot read the values %s", file).Next("check the path and who may read it").Because(err)
	}
	var doc yaml.Node
	given := map[string]any{}
	if err = yaml.Unmarshal(data, &doc); err == nil && doc.Kind == yaml.DocumentNode {
		err = doc.Decode(&given)
	}
	if err != nil || doc.Kind == yaml.DocumentNode && doc.Content[0].Kind != yaml.MappingNode {
		return nil, fault.New(fault.Invalid, "%s is not a mapping in YAML", file).Next("write it as values.yaml of the chart is").Because(err)
	}
	v := &Values{node: &yaml.Node{Kind: yaml.MappingNode}}
	if doc.Kind == yaml.DocumentNode {
		v.node = doc.Content[0]
	}
	standard, err := readYAML("values.yaml")
	if err != nil {
		return nil, err
	}
	v.engine, err = newEngine(merged(standard, given))
	return v, err
}

// problem is one, with its line.
type problem struct {
	line int
	text string
}

// Check holds the values to the schema and to the list of keys. Fault: Invalid, with
// every problem and its line.
func (v *Values) Check() error {
	var problems []problem
	s, err := readSchema()
	if err != nil {
		return err
	}
	s.check(v.node, "", func(n *yaml.Node, key, text string) {
		problems = append(problems, problem{n.Line, key + " " + text})
	})
	unknown, err := v.unknownKeys()
	if err != nil {
		return err
	}
	problems = append(problems, unknown...)
	if len(problems) == 0 {
		return nil
	}
	slices.SortStableFunc(problems, func(a, b problem) int { return a.line - b.line })
	var texts []string
	for _, p := range problems {
		texts = append(texts, fmt.Sprintf("%s (line %d)", p.text, p.line))
	}
	return fault.New(fault.Invalid, "%s", strings.Join(texts, "; "))
}

// unknownKeys are those that neither the chart nor upstream's has.
func (v *Values) unknownKeys() (problems []problem, err error) {
	shape, err := v.engine.lists("pachyderm.shape")
	if err != nil {
		return nil, err
	}
	unused, err := v.engine.lists("pachyderm.unused")
	if err != nil {
		return nil, err
	}
	top, err := v.engine.lists("pachyderm.sections")
	if err != nil {
		return nil, err
	}
	shape[""] = top["sections"]
	for section := range unused {
		if _, isSection := shape[section]; !isSection && !strings.Contains(section, ".") {
			shape[""] = append(shape[""], section)
		}
	}
	for _, section := range slices.Sorted(maps.Keys(shape)) {
		known := slices.Concat(shape[section], unused[section])
		n := v.find(section)
		if n == nil || n.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if key := n.Content[i]; !slices.Contains(known, key.Value) && key.ShortTag() != "!!merge" {
				meant := strict.Suggest(key.Value, known)
				if !strings.HasPrefix(meant, "did you mean") {
					meant = "use one of " + strings.Join(slices.Sorted(slices.Values(shape[section])), ", ")
				}
				problems = append(problems, problem{key.Line, join(section, key.Value) + ": there is no such value: " + meant})
			}
		}
	}
	return problems, nil
}

// find is the node at a path such as pachd.tls or oidc.upstreamIDPs[0], or nil.
func (v *Values) find(path string) *yaml.Node {
	n := v.node
	if path == "" {
		return n
	}
	for key := range strings.SplitSeq(path, ".") {
		key, index, isItem := strings.Cut(key, "[")
		if n = child(n, key); n == nil {
			return nil
		}
		if !isItem {
			continue
		}
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
			return nil
		}
		n = n.Content[i]
	}
	return n
}

// lineOf is the line of a path, or of the section that it is in; 0 if that is not in
// the file.
func (v *Values) lineOf(path string) int {
	for path != "" {
		if n := v.find(path); n != nil {
			return n.Line
		}
		path = path[:max(strings.LastIndex(path, "."), 0)]
	}
	return 0
}

func child(n *yaml.Node, key string) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// Unused are the keys of upstream's that the values have and that set nothing here.
func (v *Values) Unused() ([]string, error) {
	text, err := v.engine.include("pachyderm.unusedGiven", v.engine.data)
	if err != nil {
		return nil, err
	}
	return fromYAML[[]string](text)
}

// Made is what a pod has of the values.
type Made struct {
	Config  string   // pachd.yaml
	Environ []string // as of os.Environ
	// Unseen are variables whose value is in a Secret, with its name.
	Unseen map[string]string
}

// Make has the chart's templates make it. Fault: Invalid, in the chart's words, for
// what they refuse.
func (v *Values) Make() (made Made, err error) {
	secrets, err := v.engine.objects("secret.yaml")
	if err != nil {
		return made, v.refused(err)
	}
	for _, o := range secrets {
		if at(o, "metadata", "name") == "pachyderm-config" {
			made.Config = fmt.Sprint(at(o, "stringData", "pachd.yaml"))
		}
	}
	deployments, err := v.engine.objects("deployment.yaml")
	if err != nil {
		return made, v.refused(err)
	}
	containers, _ := at(deployments[0], "spec", "template", "spec", "containers").([]any)
	variables, _ := at(containers[0], "env").([]any)
	made.Unseen = map[string]string{}
	for _, variable := range variables {
		name := fmt.Sprint(at(variable, "name"))
		if from := at(variable, "valueFrom", "secretKeyRef", "name"); from != nil {
			made.Unseen[name] = fmt.Sprint(from)
			continue
		}
		made.Environ = append(made.Environ, fmt.Sprintf("%s=%v", name, at(variable, "value")))
	}
	return made, nil
}

// refused is a refusal of the chart's, which begins with the key, on the key's line.
func (v *Values) refused(err error) error {
	r := refusal{}
	if !errors.As(err, &r) {
		return fault.New(fault.Invalid, "the chart's templates do not take the values").
			Next("see that no section is null, as in pachd: null").Because(err)
	}
	key, _, _ := strings.Cut(r.text, ": ")
	return fault.New(fault.Invalid, "%s", r.text).OnLine(v.lineOf(key))
}

func at(v any, path ...string) any {
	for _, key := range path {
		in, _ := v.(map[string]any)
		v = in[key]
	}
	return v
}
