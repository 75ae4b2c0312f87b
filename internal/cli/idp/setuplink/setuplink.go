package setuplink

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"pachyderm/api/pach"
	"pachyderm/internal/cli/idp/preset"
	"pachyderm/internal/cli/kit"
)

// Command is idp setup-link with its own commands.
func Command(k *kit.Kit) *cobra.Command {
	return kit.Group("setup-link", "Have the administrator of an identity provider prepare a connector",
		`A set-up link leads whoever administers an identity provider through what to
register there, and has them check it, sign in with it and hand it in; they need no
account here. The link is good for one connector, once, in one browser, for a
short while. What they hand in serves nobody until you approve it.`,
		"  pachctl idp setup-link create --preset okta\n  pachctl idp setup-link get 4vj2q6kw7pza\n"+
			"  pachctl idp setup-link approve 4vj2q6kw7pza",
		create(k), list(k), get(k), approve(k), remove(k))
}

type createOptions struct {
	preset, id, name string
	expires          time.Duration
	private          bool
}

func create(k *kit.Kit) *cobra.Command {
	var o createOptions
	c := &cobra.Command{
		Use: "create --preset " + strings.Join(preset.Names(), "|"), Args: kit.Exactly(0),
		Short: "Make a link to send to the provider's administrator",
		Long: `Make a link to send to whoever administers the identity provider, and print it. Send it
where nobody else reads along: the first who opens it is whose it is.

pachd connects to public addresses only for whoever has the link. --private-network
lets it connect to private ones too, for a provider there; only a clusterAdmin may
allow that, and the link's holder can find out by it what there is.`,
		Example: "  pachctl idp setup-link create --preset okta\n" +
			"  pachctl idp setup-link create --preset keycloak --id corp --name Corp --private-network",
		RunE: func(c *cobra.Command, _ []string) error {
			p, ok := preset.Named(o.preset)
			if !ok {
				return kit.Usagef(c, "unknown provider %q: choose with --preset from %s", o.preset, strings.Join(preset.Names(), ", "))
			}
			return o.run(c.Context(), k, p)
		},
	}
	c.Flags().StringVar(&o.preset, "preset", "", "which provider: the texts that the link shows are for it")
	c.Flags().StringVar(&o.id, "id", "", "name of the connector in commands; default: the preset's")
	c.Flags().StringVar(&o.name, "name", "", "name that people see when they sign in; default: the provider's")
	c.Flags().DurationVar(&o.expires, "expires-in", 24*time.Hour, "how long the link is good, a minute to 168h")
	c.Flags().BoolVar(&o.private, "private-network", false, "let pachd connect to private addresses for whoever has the link")
	_ = c.RegisterFlagCompletionFunc("preset", kit.Completing(preset.Names))
	return c
}

func (o createOptions) run(ctx context.Context, k *kit.Kit, p preset.Preset) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.CreateSetupLink(ctx, &pach.CreateSetupLinkRequest{
			ConnectorId: cmp.Or(o.id, p.Key), Name: cmp.Or(o.name, p.Title), Type: p.Type, Preset: p.Key,
			ExpiresIn: durationpb.New(o.expires), PrivateNetwork: o.private,
		})
		if err != nil {
			return err
		}
		k.Printf("%s\n", r.GetUrl())
		k.Notef("It opens once, until %s. When it was handed in:\n  pachctl idp setup-link get %s\n  pachctl idp setup-link approve %s\n",
			kit.FormatTime(r.GetLink().GetExpires()), r.GetLink().GetId(), r.GetLink().GetId())
		return nil
	})
}

// link is a link as it is listed.
type link struct {
	ID             string     `json:"id"`
	Connector      string     `json:"connector"`
	Name           string     `json:"name"`
	Type           string     `json:"type"`
	State          string     `json:"state"`
	CreatedBy      string     `json:"createdBy"`
	Created        *time.Time `json:"created"`
	Expires        *time.Time `json:"expires"`
	PrivateNetwork bool       `json:"privateNetwork"`
}

func linkOf(l *pach.SetupLink) link {
	return link{
		l.GetId(), l.GetConnectorId(), l.GetName(), l.GetType(), strings.ToLower(l.GetState().String()), l.GetCreatedBy(),
		kit.TimeOrNil(l.GetCreated()), kit.TimeOrNil(l.GetExpires()), l.GetPrivateNetwork(),
	}
}

type listOptions struct{ out string }

func list(k *kit.Kit) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use: "list", Short: "List set-up links, and how far they got", Args: kit.Exactly(0),
		Long:    "List set-up links, those that ended in the last two weeks included, and how far they got.",
		Example: "  pachctl idp setup-link list",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		all, rows := []link{}, [][]string{}
		for req := (&pach.ListSetupLinksRequest{}); ; {
			r, err := c.Pach.ListSetupLinks(ctx, req)
			if err != nil {
				return err
			}
			for _, l := range r.GetLinks() {
				one := linkOf(l)
				all = append(all, one)
				rows = append(rows, []string{
					one.ID, one.Connector, one.State, one.CreatedBy, kit.FormatTime(l.GetCreated()), kit.FormatTime(l.GetExpires()),
				})
			}
			if req.PageToken = r.GetNextPageToken(); req.PageToken == "" {
				break
			}
		}
		return k.PrintResult(o.out, all, func() {
			k.Table([]string{"ID", "CONNECTOR", "STATE", "CREATED BY", "CREATED", "EXPIRES"}, rows)
		})
	})
}

// prepared is what the holder of a link has prepared.
type prepared struct {
	link

	Config  map[string]any `json:"config,omitempty"`
	Check   []step         `json:"check,omitempty"`
	Tested  bool           `json:"tested"`
	TestWas string         `json:"testWas,omitempty"`
	Groups  []string       `json:"groups,omitempty"`
}

type step struct {
	Step   string `json:"step"`
	Status string `json:"status"`
	Result string `json:"result"`
}

type getOptions struct{ id, out string }

func get(k *kit.Kit) *cobra.Command {
	var o getOptions
	c := &cobra.Command{
		Use: "get ID", Short: "Show what was prepared by a link", Args: kit.Exactly(1),
		Long: `Show what was prepared by a link: the document, whose secrets are ***, what the last
check of it found, and whether somebody has signed in with it as it is.`,
		Example: "  pachctl idp setup-link get 4vj2q6kw7pza",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o getOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.GetSetupLink(ctx, &pach.GetSetupLinkRequest{Id: o.id})
		if err != nil {
			return err
		}
		p := prepared{
			link: linkOf(r.GetLink()), Config: r.GetConnector().GetConfig().AsMap(),
			Tested: r.GetTested(), TestWas: r.GetUser(), Groups: r.GetGroups(),
		}
		for _, s := range r.GetSteps() {
			p.Check = append(p.Check, step{s.GetName(), strings.ToLower(s.GetStatus().String()), s.GetResult()})
		}
		return k.PrintResult(cmp.Or(o.out, "yaml"), p, nil)
	})
}

type approveOptions struct {
	id    string
	draft bool
}

func approve(k *kit.Kit) *cobra.Command {
	var o approveOptions
	c := &cobra.Command{
		Use: "approve ID", Short: "Make a connector of what was handed in by a link", Args: kit.Exactly(1),
		Long: `Make a connector of what was handed in by a link, as if you had written it: people sign
in with it from then on, or with --draft once it is enabled. Look at it first, with
"pachctl idp setup-link get". Whoever made the link may, or a clusterAdmin.`,
		Example: "  pachctl idp setup-link approve 4vj2q6kw7pza",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVar(&o.draft, "draft", false, "nobody signs in with the connector until it is enabled")
	return c
}

func (o approveOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.ApproveSetupLink(ctx, &pach.ApproveSetupLinkRequest{Id: o.id, Draft: o.draft})
		return err
	})
}

type removeOptions struct{ id string }

func remove(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "End a link, and forget what was prepared by it", Args: kit.Exactly(1),
		Long:    "End a link, and forget what was prepared by it. A connector that was made of it stays.",
		Example: "  pachctl idp setup-link delete 4vj2q6kw7pza",
		RunE: func(c *cobra.Command, args []string) error {
			return removeOptions{args[0]}.run(c.Context(), k)
		},
	}
}

func (o removeOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.DeleteSetupLink(ctx, &pach.DeleteSetupLinkRequest{Id: o.id})
		return err
	})
}
