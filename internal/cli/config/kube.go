package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
)

// kubeConfig is as much of kubectl's configuration as a context names. The
// credentials in it are not read.
type kubeConfig struct {
	Current  string `yaml:"current-context"`
	Contexts []struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster   string `yaml:"cluster"`
			User      string `yaml:"user"`
			Namespace string `yaml:"namespace"`
		} `yaml:"context"`
	} `yaml:"contexts"`
}

type kubeImport struct {
	overwrite, enterprise bool
	from, namespace       string
}

func importKube(k *kit.Kit) *cobra.Command {
	var o kubeImport
	c := &cobra.Command{
		Use: "import-kube CONTEXT", Short: "Make a context of one of kubectl's", Args: kit.Exactly(1),
		Long: `Make a context of one of kubectl's, the current one unless another is named, and
make it the active one. It names the cluster; pachctl does not forward ports
itself, so give it an address too, or run "kubectl port-forward".`,
		Example: "  pachctl config import-kube prod --kubernetes prod-admin --namespace pachyderm",
		RunE:    func(_ *cobra.Command, args []string) error { return runImportKube(k, args[0], o) },
	}
	f := c.Flags()
	f.BoolVarP(&o.overwrite, "overwrite", "o", false, "replace the context if it exists")
	f.BoolVarP(&o.enterprise, "enterprise", "e", false, "make it the active enterprise context")
	f.StringVarP(&o.from, "kubernetes", "k", "", "name of kubectl's context; the current one unless given")
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of pachd; the one of kubectl's context unless given")
	return c
}

func runImportKube(k *kit.Kit, name string, o kubeImport) error {
	doc, err := fromKube(k, o)
	if err != nil {
		return err
	}
	err = configfile.Change(k.Getenv, func(c *configfile.File) error {
		if _, err := c.Find(name); err == nil && !o.overwrite {
			return fmt.Errorf("context '%s' already exists, use `--overwrite` if you wish to replace it", name)
		}
		c.V2.Contexts[name] = doc
		if o.enterprise {
			c.V2.ActiveEnterprise = name
			return nil
		}
		c.V2.Active = name
		return nil
	})
	if err == nil {
		k.Notef("Without an address pachctl connects to %s; change that with: pachctl config update context %s --pachd-address ADDRESS\n", configfile.DefaultAddress, name)
	}
	return err
}

// fromKube looks through kubectl's files as kubectl does: what comes first
// counts.
func fromKube(k *kit.Kit, o kubeImport) (*configfile.Context, error) {
	files := filepath.SplitList(k.Getenv("KUBECONFIG"))
	if len(files) == 0 {
		files = []string{filepath.Join(k.Getenv("HOME"), ".kube", "config")}
	}
	var all kubeConfig
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // the user's own file, wherever they say it is
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read kubectl's configuration: %w", err)
		}
		var one kubeConfig
		if err := yaml.Unmarshal(data, &one); err != nil {
			return nil, fmt.Errorf("kubectl's configuration in %s does not have its form: see whether kubectl reads it: kubectl config view", file)
		}
		if all.Current == "" {
			all.Current = one.Current
		}
		all.Contexts = append(all.Contexts, one.Contexts...)
	}
	if o.from == "" {
		o.from = all.Current
	}
	if o.from == "" {
		return nil, errors.New("kubectl has no current context: name one with --kubernetes")
	}
	for _, c := range all.Contexts {
		if c.Name != o.from {
			continue
		}
		doc := &configfile.Context{Source: configfile.SourceImported, ClusterName: c.Context.Cluster, AuthInfo: c.Context.User, Namespace: c.Context.Namespace, Enterprise: o.enterprise}
		if o.namespace != "" {
			doc.Namespace = o.namespace
		}
		return doc, nil
	}
	return nil, fmt.Errorf("kubernetes context does not exist: %s: see those that do with: kubectl config get-contexts", o.from)
}
