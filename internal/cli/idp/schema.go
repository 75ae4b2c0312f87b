package idp

import (
	"strings"

	"github.com/spf13/cobra"

	schemas "pachyderm/api/connector"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type schemaOptions struct{ typ string }

func schema(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "schema TYPE", Short: "Print the JSON Schema of a connector document", Args: kit.Exactly(1),
		Long: `Print the JSON Schema of the document of a type of connector, with which an
editor completes keys, explains them and marks what pachd would refuse. An
editor that knows yaml-language-server finds it by a first line such as
"# yaml-language-server: $schema=oidc.schema.json".

Types: ` + wrapped(strings.Join(schemas.Types(), ", "), len("Types: ")) + `.`,
		Example:           "  pachctl idp schema oidc\n  pachctl idp schema ldap",
		ValidArgsFunction: kit.Completing(schemas.Types),
		RunE:              func(_ *cobra.Command, args []string) error { return schemaOptions{args[0]}.run(k) },
	}
}

func (o schemaOptions) run(k *kit.Kit) error {
	data, ok := schemas.Schema(o.typ)
	if ok {
		_, err := k.Stdout.Write(data)
		return err
	}
	unknown := fault.New(fault.Invalid, "unknown connector type %q", o.typ)
	if near := kit.Nearest(o.typ, schemas.Types()); near != "" {
		return unknown.Next("did you mean %s?", near)
	}
	return unknown.Next("use one of %s", strings.Join(schemas.Types(), ", "))
}

// wrapped breaks a text for a help page; its first line begins at a column.
func wrapped(text string, column int) string {
	const width = 78
	var b strings.Builder
	for n, word := range strings.Fields(text) {
		switch {
		case n == 0:
		case column+1+len(word) > width:
			b.WriteByte('\n')
			column = 0
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	return b.String()
}
