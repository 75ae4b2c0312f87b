package config

import (
	"cmp"
	"strconv"

	"github.com/spf13/cobra"

	"pachyderm/client"
	"pachyderm/internal/cli/configfile"
	"pachyderm/internal/cli/kit"
)

type connectOptions struct{ address, alias string }

func connect(k *kit.Kit) *cobra.Command {
	var o connectOptions
	c := &cobra.Command{
		Use: "connect ADDRESS", Short: "Work with the pachd at an address", Args: kit.Exactly(1),
		Long: `Work with the pachd at an address: a context for it is made, if there is none,
and becomes the active one. Nothing is sent; the next command connects.

The address is [grpc://|grpcs://]HOST[:PORT], with TLS for grpcs; the default
port is ` + strconv.Itoa(client.DefaultPort) + ".",
		Example: "  pachctl connect localhost:30650\n  pachctl connect grpcs://pachd.example.com:443 --alias prod",
		RunE: func(_ *cobra.Command, args []string) error {
			o.address = args[0]
			return o.run(k)
		},
	}
	c.Flags().StringVar(&o.alias, "alias", "", "name of the context, in place of the address")
	return c
}

func (o connectOptions) run(k *kit.Kit) error {
	address, err := client.ParseAddress(o.address)
	if err != nil {
		return err
	}
	name := cmp.Or(o.alias, o.address)
	return configfile.Change(k.Getenv, func(file *configfile.File) error {
		if c, err := file.Find(name); err != nil {
			file.V2.Contexts[name] = &configfile.Context{Address: address.String()}
			k.Printf("New context '%s' created, will connect to Pachyderm at %s\n", name, address)
		} else if old := cmp.Or(c.Address, configfile.DefaultAddress); old != address.String() {
			k.Notef("Context '%s' exists and keeps its address %s; ", name, old)
			k.Notef("change it with: pachctl config update context %s --pachd-address %s\n", name, address)
		}
		file.V2.Active = name
		k.Printf("Context '%s' set as active\n", name)
		return nil
	})
}
