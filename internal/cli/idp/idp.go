package idp

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
)

// Commands are those of idp.
func Commands(k *kit.Kit) []*cobra.Command {
	return []*cobra.Command{kit.Group("idp", "Connect identity providers and manage OIDC clients",
		`An identity provider (IdP), such as Auth0 or Okta, knows the people of an
organisation. A connector lets them sign in here with it. An OIDC client is an
application that signs people in through Pachyderm.`,
		"  pachctl idp new-connector auth0 --domain acme.eu.auth0.com\n  pachctl idp create-connector --config auth0.yaml\n  pachctl idp list-connector",
		newConnector(k), connectorSchema(k), callbackCommand(k),
		createConnector(k), updateConnector(k), getConnector(k), listConnector(k), deleteConnector(k),
		checkConnector(k), testConnector(k),
		setIDPConfig(k), getIDPConfig(k),
		createClient(k), updateClient(k), getClient(k), listClient(k), deleteClient(k),
		linkIdentity(k), unlinkIdentity(k),
	)}
}

// enterprise is where identities are managed: at the enterprise context, if
// there is one.
const enterprise = true

// connectorDoc is a connector as people write it.
type connectorDoc struct {
	ID      string         `json:"id"`
	Name    string         `json:"name"`
	Type    string         `json:"type"`
	Version int64          `json:"version"`
	Config  map[string]any `json:"config"`
}

func connectorOf(d kit.Document) (*identity.IDPConnector, error) {
	var doc connectorDoc
	if err := d.Decode(&doc, "id", "name", "type", "version", "config"); err != nil {
		return nil, err
	}
	out := &identity.IDPConnector{Id: doc.ID, Name: doc.Name, Type: doc.Type, ConfigVersion: doc.Version}
	if doc.Config == nil {
		return out, nil
	}
	if err := exact(doc.Config); err != nil {
		return nil, kit.Failf(err, "unable to parse config: %s: %s", d.Name, err)
	}
	config, err := structpb.NewStruct(doc.Config)
	if err != nil {
		return nil, kit.Failf(err, "unable to parse config: %s: config is not text in UTF-8", d.Name)
	}
	out.Config = config
	return out, nil
}

// exact refuses whole numbers that the wire, which has floating point only,
// would change.
func exact(v any) error {
	switch v := v.(type) {
	case int64:
		if v > 1<<53 || v < -(1<<53) {
			return fmt.Errorf("the number %d is too large: put it in quotes", v)
		}
	case map[string]any:
		for _, member := range v {
			if err := exact(member); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := exact(item); err != nil {
				return err
			}
		}
	}
	return nil
}

const connectorHelp = `The document is YAML or JSON with the keys

  id       name of the connector in commands, such as auth0
  name     name that people see when they sign in
  type     such as oidc; pachctl idp schema lists them in its help
  version  number of this revision; 0 or absent for "whatever is stored"
  config   settings of the type; for oidc at least issuer, clientID,
           clientSecret and redirectURI

pachctl idp new-connector writes one for many providers.`

func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "-", "file with the document; - is standard input")
}

func createConnector(k *kit.Kit) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "create-connector", Short: "Connect an identity provider", Args: kit.Exactly(0),
		Long:    "Connect an identity provider. pachd tries it before it keeps it.\n\n" + connectorHelp,
		Example: "  pachctl idp create-connector --config auth0.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.ReadDocument(file)
			if err != nil {
				return err
			}
			connector, err := connectorOf(d)
			if err != nil {
				return err
			}
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Identity.CreateIDPConnector(ctx, &identity.CreateIDPConnectorRequest{Connector: connector})
				return d.Explain(err)
			})
		},
	}
	configFlag(c, &file)
	return c
}

func updateConnector(k *kit.Kit) *cobra.Command {
	var file string
	var version int64
	c := &cobra.Command{
		Use: "update-connector [ID]", Short: "Change a connector, or only its version", Args: kit.Between(0, 1),
		Long: `Change what the document gives of a connector: keys that are absent stay as they
are, null removes one, and *** keeps a secret. The version is absent or 0, or one
more than the stored one. With an ID and --version alone, only the version
changes.

` + connectorHelp,
		Example: "  pachctl idp update-connector --config auth0.yaml\n  pachctl idp update-connector auth0 --version 1",
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		d, connector := kit.Document{}, &identity.IDPConnector{}
		withFile := c.Flags().Changed("config") || len(args) == 0
		switch {
		case withFile:
			var err error
			if d, err = k.ReadDocument(file); err != nil {
				return err
			}
			if connector, err = connectorOf(d); err != nil {
				return err
			}
		case !c.Flags().Changed("version"):
			return kit.Usagef(c, "nothing to change is given: add --config FILE or --version N")
		}
		if len(args) > 0 {
			if connector.Id != "" && connector.Id != args[0] {
				return kit.Usagef(c, "the document is for connector %q and the command for %q: give one of them", connector.Id, args[0])
			}
			connector.Id = args[0]
		}
		if c.Flags().Changed("version") {
			if version < 0 || version == math.MaxInt64 {
				return kit.Usagef(c, "--version %d: use 0 or more", version)
			}
			connector.ConfigVersion = version
		}
		if connector.Id == "" {
			return kit.Failf(nil, "%s: the document has no id: say which connector to change", d.Name)
		}
		return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
			_, err := c.Identity.UpdateIDPConnector(ctx, &identity.UpdateIDPConnectorRequest{Connector: connector})
			return d.Explain(err)
		})
	}
	configFlag(c, &file)
	c.Flags().Int64Var(&version, "version", 0, "version that the connector gets")
	return c
}

// shownConnector is upstream's form of a connector, which create-connector and
// update-connector take again.
type shownConnector struct {
	Config  map[string]any `yaml:"Config"`
	ID      string         `yaml:"ID"`
	Name    string         `yaml:"Name"`
	Type    string         `yaml:"Type"`
	Version int64          `yaml:"Version"`
}

func docOf(c *identity.IDPConnector) connectorDoc {
	return connectorDoc{ID: c.GetId(), Name: c.GetName(), Type: c.GetType(), Version: c.GetConfigVersion(), Config: c.GetConfig().AsMap()}
}

func getConnector(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "get-connector ID", Short: "Show a connector", Args: kit.Exactly(1),
		Long:    "Show a connector, with *** in place of secrets.",
		Example: "  pachctl idp get-connector auth0\n  pachctl idp get-connector auth0 -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Identity.GetIDPConnector(ctx, &identity.GetIDPConnectorRequest{Id: args[0]})
				if err != nil {
					return err
				}
				d := docOf(r.GetConnector())
				if out != "" {
					return k.Show(out, d)
				}
				return k.PrintYAML(shownConnector{Config: d.Config, ID: d.ID, Name: d.Name, Type: d.Type, Version: d.Version})
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

// listedConnector is a connector and how it fares.
type listedConnector struct {
	connectorDoc
	State     string     `json:"state,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	LastGood  *time.Time `json:"last_good,omitempty"`
}

func listed(d connectorDoc, s *pach.ConnectorState) listedConnector {
	if s == nil {
		return listedConnector{connectorDoc: d}
	}
	return listedConnector{d, strings.ToLower(s.GetState().String()), kit.TimeOrNil(s.GetSince()), s.GetError(), kit.TimeOrNil(s.GetLastGood())}
}

// fares stands below what upstream prints, on a line of its own.
func (l listedConnector) fares() string {
	switch {
	case l.State == "" || l.Since == nil:
		return ""
	case l.State == "failing":
		return fmt.Sprintf("    failing since %s: %s\n", l.Since.Format("2006-01-02 15:04 MST"), l.LastError)
	case l.LastError != "":
		return fmt.Sprintf("    %s since %s; last error: %s\n", l.State, l.Since.Format("2006-01-02 15:04 MST"), l.LastError)
	}
	return fmt.Sprintf("    %s since %s\n", l.State, l.Since.Format("2006-01-02 15:04 MST"))
}

// connectorStates are by id, and none at a pachd that does not tell.
func connectorStates(ctx context.Context, c *client.Client) (map[string]*pach.ConnectorState, error) {
	r, err := c.Pach.ListConnectorStates(ctx, &pach.ListConnectorStatesRequest{})
	if status.Code(err) == codes.Unimplemented {
		return nil, nil
	}
	states := map[string]*pach.ConnectorState{}
	for _, s := range r.GetStates() {
		states[s.GetId()] = s
	}
	return states, err
}

func listConnector(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "list-connector", Short: "List the connectors, and how each fares", Example: "  pachctl idp list-connector", Args: kit.Exactly(0),
		Long: `List the connectors, and whether pachd can reach the identity provider of each,
since when, and what was wrong last.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
				if err != nil {
					return err
				}
				states, err := connectorStates(ctx, c.Client)
				if err != nil {
					return err
				}
				docs := []listedConnector{}
				for _, c := range r.GetConnectors() {
					docs = append(docs, listed(docOf(c), states[c.GetId()]))
				}
				if out != "" {
					return k.Show(out, docs)
				}
				for _, d := range docs {
					k.Printf("%s - %s (%s)\n%s", d.ID, d.Name, d.Type, d.fares())
				}
				return nil
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}

func deleteConnector(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete-connector ID", Short: "Disconnect an identity provider", Example: "  pachctl idp delete-connector auth0", Args: kit.Exactly(1),
		RunE: func(c *cobra.Command, args []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Identity.DeleteIDPConnector(ctx, &identity.DeleteIDPConnectorRequest{Id: args[0]})
				return err
			})
		},
	}
}

// identityConfig is how pachd signs people in, as people write it.
type identityConfig struct {
	Issuer              string `json:"issuer,omitempty" yaml:"issuer,omitempty"`
	IDTokenExpiry       string `json:"id_token_expiry,omitempty" yaml:"id_token_expiry,omitempty"`
	RotationTokenExpiry string `json:"rotation_token_expiry,omitempty" yaml:"rotation_token_expiry,omitempty"`
}

func setIDPConfig(k *kit.Kit) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "set-config", Short: "Set the issuer and how long its tokens live", Args: kit.Exactly(0),
		Long: `Set how pachd signs people in. The document is YAML or JSON with the keys

  issuer                 address that browsers reach pachd at
  id_token_expiry        how long an ID token lives, such as 24h
  rotation_token_expiry  how long a refresh token lives while it is not used`,
		Example: "  pachctl idp set-config --config identity.yaml",
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := k.ReadDocument(file)
			if err != nil {
				return err
			}
			var doc identityConfig
			if err := d.Decode(&doc); err != nil {
				return err
			}
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				_, err := c.Identity.SetIdentityServerConfig(ctx, &identity.SetIdentityServerConfigRequest{Config: &identity.IdentityServerConfig{
					Issuer: doc.Issuer, IdTokenExpiry: doc.IDTokenExpiry, RotationTokenExpiry: doc.RotationTokenExpiry,
				}})
				return d.Explain(err)
			})
		},
	}
	configFlag(c, &file)
	return c
}

func getIDPConfig(k *kit.Kit) *cobra.Command {
	var out kit.Format
	c := &cobra.Command{
		Use: "get-config", Short: "Show the issuer and how long its tokens live", Example: "  pachctl idp get-config", Args: kit.Exactly(0),
		RunE: func(c *cobra.Command, _ []string) error {
			return k.WithConn(c.Context(), enterprise, func(ctx context.Context, c *kit.Conn) error {
				r, err := c.Identity.GetIdentityServerConfig(ctx, &identity.GetIdentityServerConfigRequest{})
				if err != nil {
					return err
				}
				doc := identityConfig{
					Issuer: r.GetConfig().GetIssuer(), IDTokenExpiry: r.GetConfig().GetIdTokenExpiry(), RotationTokenExpiry: r.GetConfig().GetRotationTokenExpiry(),
				}
				if out != "" {
					return k.Show(out, doc)
				}
				return k.PrintYAML(doc)
			})
		},
	}
	kit.OutputFlag(c, &out)
	return c
}
