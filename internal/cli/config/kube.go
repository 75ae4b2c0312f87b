package config

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
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

type kubeOptions struct {
	name                  string // of the context to make
	overwrite, enterprise bool
	from, namespace       string
}

func importKube(k *kit.Kit) *cobra.Command {
	var o kubeOptions
	c := &cobra.Command{
		Use: "import-kube CONTEXT", Short: "Make a context of one of kubectl's", Args: kit.Exactly(1),
		Long: `Make a context of one of kubectl's, the current one unless another is named, and
make it the active one. It names the cluster; pachctl does not forward ports
itself, so set an address too, or run "kubectl port-forward".`,
		Example: "  pachctl config import-kube prod --kubernetes prod-admin --namespace pachyderm",
		RunE: func(_ *cobra.Command, args []string) error {
			o.name = args[0]
			return o.run(k)
		},
	}
	f := c.Flags()
	f.BoolVarP(&o.overwrite, "overwrite", "o", false, "replace the context if it exists")
	f.BoolVarP(&o.enterprise, "enterprise", "e", false, "make it the active enterprise context")
	f.StringVarP(&o.from, "kubernetes", "k", "", "name of kubectl's context; default: the current one")
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of pachd; default: the one of kubectl's context")
	return c
}

func (o kubeOptions) run(k *kit.Kit) error {
	context, err := o.fromKube(k)
	if err != nil {
		return err
	}
	err = configfile.Change(k.Getenv, func(file *configfile.File) error {
		if _, err := file.Find(o.name); err == nil && !o.overwrite {
			return errExists(o.name)
		}
		file.V2.Contexts[o.name] = context
		if o.enterprise {
			file.V2.ActiveEnterprise = o.name
			return nil
		}
		file.V2.Active = o.name
		return nil
	})
	if err == nil {
		k.Notef("Without an address pachctl connects to %s; ", configfile.DefaultAddress)
		k.Notef("change that with: pachctl config update context %s --pachd-address ADDRESS\n", o.name)
	}
	return err
}

// fromKube makes a context of the one of kubectl's that is meant.
func (o kubeOptions) fromKube(k *kit.Kit) (*configfile.Context, error) {
	all, err := readKube(k)
	if err != nil {
		return nil, err
	}
	from := cmp.Or(o.from, all.Current)
	if from == "" {
		return nil, fault.New(fault.Invalid, "kubectl has no current context").Next("name one with --kubernetes")
	}
	for _, c := range all.Contexts {
		if c.Name == from {
			return &configfile.Context{
				Source: configfile.SourceImported, ClusterName: c.Context.Cluster, AuthInfo: c.Context.User,
				Namespace: cmp.Or(o.namespace, c.Context.Namespace), Enterprise: o.enterprise,
			}, nil
		}
	}
	return nil, fault.New(fault.NotFound, "kubernetes context does not exist: %s", from).
		Next("list those that do with: kubectl config get-contexts")
}

// readKube reads kubectl's files as kubectl does: what comes first counts.
func readKube(k *kit.Kit) (all kubeConfig, err error) {
	files := filepath.SplitList(k.Getenv("KUBECONFIG"))
	if len(files) == 0 {
		files = []string{filepath.Join(k.Getenv("HOME"), ".kube", "config")}
	}
	for _, file := range files {
		data, err := os.ReadFile(file) //nolint:gosec // the user's own file, wherever they say it is
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return all, fault.New(fault.Unavailable, "cannot read kubectl's configuration: %v", err)
		}
		var one kubeConfig
		if err := yaml.Unmarshal(data, &one); err != nil {
			return all, fault.New(fault.Invalid, "%s is not a valid configuration of kubectl", file).Next("check it with: kubectl config view")
		}
		all.Current = cmp.Or(all.Current, one.Current)
		all.Contexts = append(all.Contexts, one.Contexts...)
	}
	return all, nil
}
