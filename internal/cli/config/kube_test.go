package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

func TestFromKube(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	first := write("first", `{current-context: prod, contexts: [{name: prod, context: {cluster: one, user: ann, namespace: data}}]}`)
	second := write("second", `{current-context: dev, contexts: [{name: prod, context: {cluster: two}}, {name: dev, context: {cluster: three}}]}`)
	empty, broken := write("empty", ""), write("broken", "contexts: {")
	imported := func(cluster, user, namespace string) *configfile.Context {
		return &configfile.Context{Source: configfile.SourceImported, ClusterName: cluster, AuthInfo: user, Namespace: namespace}
	}
	for name, c := range map[string]struct {
		files string
		o     kubeOptions
		want  *configfile.Context
		fault fault.Kind
	}{
		"the current one of the first file": {first + ":" + second, kubeOptions{}, imported("one", "ann", "data"), ""},
		"another's namespace":               {first, kubeOptions{namespace: "mine"}, imported("one", "ann", "mine"), ""},
		"one of a later file":               {first + ":" + second, kubeOptions{from: "dev"}, imported("three", "", ""), ""},
		"a file that is not there":          {filepath.Join(dir, "nosuch") + ":" + second, kubeOptions{}, imported("three", "", ""), ""},
		"an unknown one":                    {first, kubeOptions{from: "nosuch"}, nil, fault.NotFound},
		"no current one":                    {empty, kubeOptions{}, nil, fault.Invalid},
		"a file that is none of kubectl's":  {broken, kubeOptions{}, nil, fault.Invalid},
		"a file that cannot be read":        {dir, kubeOptions{}, nil, fault.Unavailable},
	} {
		k := &kit.Kit{Getenv: func(key string) string { return map[string]string{"KUBECONFIG": c.files}[key] }}
		got, err := c.o.fromKube(k)
		if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(configfile.Context{})); diff != "" || (err == nil) != (c.fault == "") || err != nil && !fault.Is(err, c.fault) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}
