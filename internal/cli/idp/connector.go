package idp

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

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
		return nil, d.Invalid(err)
	}
	config, err := structpb.NewStruct(doc.Config)
	if err != nil {
		return nil, d.Invalid(fault.New(fault.Invalid, "config is not valid UTF-8"))
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
			return fault.New(fault.Invalid, "the number %d is too large", v).Next("put it in quotes")
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
  version  number of this revision; default: one more than the stored
  config   settings of the type; for oidc at least issuer, clientID,
           clientSecret and redirectURI

pachctl idp new-connector writes one for many providers.`

type createConnectorOptions struct {
	file  string
	draft bool
}

func createConnector(k *kit.Kit) *cobra.Command {
	var o createConnectorOptions
	c := &cobra.Command{
		Use: "create-connector", Short: "Connect an identity provider", Args: kit.Exactly(0),
		Long:    "Connect an identity provider. pachd tries it before it keeps it.\n\n" + connectorHelp,
		Example: "  pachctl idp create-connector --config auth0.yaml\n  pachctl idp create-connector --draft --config auth0.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.DocumentFlag(c, &o.file)
	c.Flags().BoolVar(&o.draft, "draft", false, "keep it as a draft, that nobody signs in with before \"pachctl idp enable\"")
	return c
}

func (o createConnectorOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	connector, err := connectorOf(d)
	if err != nil {
		return err
	}
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		if o.draft {
			_, err = c.Pach.ApplyConnector(ctx, &pach.ApplyConnectorRequest{Connector: connector, Draft: true})
		} else {
			_, err = c.Identity.CreateIDPConnector(ctx, &identity.CreateIDPConnectorRequest{Connector: connector})
		}
		if err != nil {
			return d.Explain(err)
		}
		noteApproval(ctx, k, c, connector.GetId())
		return nil
	})
}

type updateConnectorOptions struct {
	file      string
	version   int64
	within    time.Duration
	document  kit.Document // none if only the version changes
	connector *identity.IDPConnector
}

func updateConnector(k *kit.Kit) *cobra.Command {
	var o updateConnectorOptions
	c := &cobra.Command{
		Use: "update-connector [ID]", Short: "Change a connector, or only its version", Args: kit.Between(0, 1),
		Long: `Change the settings of a connector that are in the document: those that are absent
stay, null removes one, and *** keeps a secret. The version is absent or 0, or one
more than the stored one. With an ID and --version alone, only the version
changes.

` + connectorHelp,
		Example: "  pachctl idp update-connector --config auth0.yaml\n  pachctl idp update-connector auth0 --version 1",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	kit.DocumentFlag(c, &o.file)
	c.Flags().Int64Var(&o.version, "version", 0, "version that the connector gets")
	c.Flags().DurationVar(&o.within, "confirm-within", 0,
		"undo the change after this time, such as 10m, unless \"pachctl idp confirm\" comes before")
	return c
}

// read makes one connector of the document, the id and the version.
func (o *updateConnectorOptions) read(c *cobra.Command, k *kit.Kit, args []string) (err error) {
	o.connector = &identity.IDPConnector{}
	switch {
	case c.Flags().Changed("config") || len(args) == 0:
		if o.document, err = k.ReadDocument(o.file); err != nil {
			return err
		}
		if o.connector, err = connectorOf(o.document); err != nil {
			return err
		}
	case !c.Flags().Changed("version"):
		return kit.Usagef(c, "nothing to change: add --config FILE or --version N")
	}
	if err := kit.TakeID(c, "connector", &o.connector.Id, args); err != nil {
		return err
	}
	if c.Flags().Changed("version") {
		if o.version < 0 || o.version == math.MaxInt64 {
			return kit.Usagef(c, "--version %d: use 0 or more", o.version)
		}
		o.connector.ConfigVersion = o.version
	}
	if o.connector.Id == "" {
		return fault.New(fault.Invalid, "%s: the document has no id", o.document.Name).Next("say which connector to change")
	}
	return nil
}

func (o updateConnectorOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		if err := o.send(ctx, k, c); err != nil {
			return o.document.Explain(err)
		}
		noteApproval(ctx, k, c, o.connector.GetId())
		return nil
	})
}

func (o updateConnectorOptions) send(ctx context.Context, k *kit.Kit, c *kit.Conn) error {
	if o.within == 0 {
		_, err := c.Identity.UpdateIDPConnector(ctx, &identity.UpdateIDPConnectorRequest{Connector: o.connector})
		return err
	}
	r, err := c.Pach.ApplyConnector(ctx, &pach.ApplyConnectorRequest{Connector: o.connector, ConfirmWithin: durationpb.New(o.within)})
	if err == nil && r.GetUndoAt() != nil {
		k.Notef("connector %s goes back to what it was at %s, unless you run: pachctl idp confirm %s\n",
			o.connector.GetId(), kit.FormatTime(r.GetUndoAt()), o.connector.GetId())
	}
	return err
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
	var o idOptions
	c := &cobra.Command{
		Use: "get-connector ID", Short: "Show a connector", Args: kit.Exactly(1),
		Long:    "Show a connector, with *** in place of secrets.",
		Example: "  pachctl idp get-connector auth0\n  pachctl idp get-connector auth0 -o json",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.runGetConnector(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o idOptions) runGetConnector(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Identity.GetIDPConnector(ctx, &identity.GetIDPConnectorRequest{Id: o.id})
		if err != nil {
			return err
		}
		if states, err := connectorStates(ctx, c); err == nil && states[o.id].GetManaged() {
			k.Notef("connector %s is %s\n", o.id, managed(states[o.id]))
		}
		d := docOf(r.GetConnector())
		return k.PrintYAML(o.out, d, shownConnector{Config: d.Config, ID: d.ID, Name: d.Name, Type: d.Type, Version: d.Version})
	})
}

// listedConnector is a connector and its health.
type listedConnector struct {
	connectorDoc
	State     string     `json:"state,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	LastError string     `json:"last_error,omitempty"`
	LastGood  *time.Time `json:"last_good,omitempty"`
	Approval  string     `json:"approval,omitempty"`
	Revision  string     `json:"revision,omitempty"`
	Managed   bool       `json:"managed,omitempty"`
	Life      string     `json:"life,omitempty"`
	UndoAt    *time.Time `json:"undo_at,omitempty"`
	Expiries  []expiry   `json:"expiries,omitempty"`
}

type expiry struct {
	What string     `json:"what"`
	Ends *time.Time `json:"ends"`
}

func expiriesOf(s *pach.ConnectorState) (all []expiry) {
	for _, e := range s.GetExpiries() {
		all = append(all, expiry{e.GetWhat(), kit.TimeOrNil(e.GetEnds())})
	}
	return all
}

// soon is how long before its end something is warned of.
const soon = 30 * 24 * time.Hour

// ending stands below a connector of which something ends soon, or has ended.
func ending(s *pach.ConnectorState, now time.Time) (lines []string) {
	for _, e := range s.GetExpiries() {
		left := e.GetEnds().AsTime().Sub(now)
		switch day := e.GetEnds().AsTime().Format(time.DateOnly); {
		case left <= 0:
			lines = append(lines, fmt.Sprintf("warning: %s ended on %s", e.GetWhat(), day))
		case left < soon:
			lines = append(lines, fmt.Sprintf("warning: %s ends on %s, in %d days", e.GetWhat(), day, int(left/(24*time.Hour))))
		}
	}
	return lines
}

func listed(d connectorDoc, s *pach.ConnectorState) listedConnector {
	if s == nil {
		return listedConnector{connectorDoc: d}
	}
	return listedConnector{
		d, strings.ToLower(s.GetState().String()), kit.TimeOrNil(s.GetSince()), s.GetError(), kit.TimeOrNil(s.GetLastGood()),
		strings.ToLower(s.GetApproval().String()), s.GetRevision(), s.GetManaged(),
		strings.ToLower(s.GetLife().String()), kit.TimeOrNil(s.GetUndoAt()), expiriesOf(s),
	}
}

// approval stands below a connector that is not approved as it is stored.
func approval(s *pach.ConnectorState) string {
	switch s.GetApproval() {
	case pach.ConnectorState_PENDING:
		return "waits for approval, and an earlier version serves; " + howToApprove(s)
	case pach.ConnectorState_UNAPPROVED:
		return "not approved: people get what everybody has; " + howToApprove(s)
	}
	return ""
}

func howToApprove(s *pach.ConnectorState) string {
	return fmt.Sprintf("a clusterAdmin can run: pachctl idp approve-connector %s", s.GetId())
}

// noteApproval tells whoever wrote a connector that it waits. It is no failure
// if that cannot be found out: what was asked for is done.
func noteApproval(ctx context.Context, k *kit.Kit, c *kit.Conn, id string) {
	if states, err := connectorStates(ctx, c); err == nil {
		if text := approval(states[id]); text != "" {
			k.Notef("connector %s %s\n", id, text)
		}
	}
}

// lifeLines stand below a connector that is not active, or goes back by itself.
func lifeLines(s *pach.ConnectorState) []string {
	lines := []string{map[pach.ConnectorState_Life]string{
		pach.ConnectorState_DRAFT:    "draft: nobody signs in with it yet; try it with: pachctl idp test-connector " + s.GetId(),
		pach.ConnectorState_VERIFIED: "draft, tried: let people sign in with it with: pachctl idp enable " + s.GetId(),
		pach.ConnectorState_DISABLED: "disabled: nobody signs in with it",
	}[s.GetLife()]}
	if s.GetUndoAt() != nil {
		lines = append(lines, "goes back to what it was at "+kit.FormatTime(s.GetUndoAt())+"; keep it with: pachctl idp confirm "+s.GetId())
	}
	return lines
}

// managed stands below a connector that is declared.
func managed(s *pach.ConnectorState) string {
	if !s.GetManaged() {
		return ""
	}
	return "managed by pachd's configuration"
}

// health stands below what upstream prints, on a line of its own.
func health(s *pach.ConnectorState) string {
	state, since := strings.ToLower(s.GetState().String()), kit.FormatTime(s.GetSince())
	switch {
	case s.GetSince() == nil:
		return ""
	case s.GetState() == pach.ConnectorState_FAILING:
		return fmt.Sprintf("failing since %s: %s", since, s.GetError())
	case s.GetError() != "":
		return fmt.Sprintf("%s since %s; last error: %s", state, since, s.GetError())
	}
	return fmt.Sprintf("%s since %s", state, since)
}

// print prints a connector as upstream does, and below it what we know besides.
func (d connectorDoc) print(k *kit.Kit, s *pach.ConnectorState) {
	k.Printf("%s - %s (%s)\n", d.ID, d.Name, d.Type)
	for _, line := range slices.Concat(lifeLines(s), []string{health(s)}, ending(s, k.Now()), []string{approval(s), managed(s)}) {
		if line != "" {
			k.Printf("    %s\n", line)
		}
	}
}

// connectorStates are by id, and none at a pachd that does not tell.
func connectorStates(ctx context.Context, c *kit.Conn) (map[string]*pach.ConnectorState, error) {
	states := map[string]*pach.ConnectorState{}
	err := client.Pages(func(page string) (string, error) {
		r, err := c.Pach.ListConnectorStates(ctx, &pach.ListConnectorStatesRequest{PageToken: page})
		for _, s := range r.GetStates() {
			states[s.GetId()] = s
		}
		return r.GetNextPageToken(), err
	})
	if status.Code(err) == codes.Unimplemented {
		return nil, nil
	}
	return states, err
}

type listConnectorOptions struct{ out string }

func listConnector(k *kit.Kit) *cobra.Command {
	var o listConnectorOptions
	c := &cobra.Command{
		Use: "list-connector", Short: "List the connectors and their health", Args: kit.Exactly(0),
		Example: "  pachctl idp list-connector",
		Long: `List the connectors and their health: whether pachd can reach the identity
provider of each, since when, and the last error. Of several replicas each has
its own view.`,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listConnectorOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
		if err != nil {
			return err
		}
		states, err := connectorStates(ctx, c)
		if err != nil {
			return err
		}
		docs := []listedConnector{}
		for _, c := range r.GetConnectors() {
			docs = append(docs, listed(docOf(c), states[c.GetId()]))
		}
		return k.PrintResult(o.out, docs, func() {
			for _, d := range docs {
				d.print(k, states[d.ID])
			}
		})
	})
}

type deleteConnectorOptions struct {
	id    string
	force bool
}

func deleteConnector(k *kit.Kit) *cobra.Command {
	var o deleteConnectorOptions
	c := &cobra.Command{
		Use: "delete-connector ID", Short: "Disconnect an identity provider", Args: kit.Exactly(1),
		Long: `Disconnect an identity provider for good. The sessions of people who signed in through
it end, and the roles of its groups go. "pachctl idp disable" only keeps people out.`,
		Example: "  pachctl idp delete-connector auth0",
		RunE: func(c *cobra.Command, args []string) error {
			o.id = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVar(&o.force, "force", false, "even if nobody who administers the cluster could sign in any more")
	return c
}

func (o deleteConnectorOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		if !o.force {
			r, err := c.Pach.PlanConnector(ctx, &pach.PlanConnectorRequest{Document: &pach.ConnectorDocument{Id: o.id}, Removed: true})
			if err != nil && status.Code(err) != codes.Unimplemented {
				return err
			}
			if len(r.GetWarnings()) > 0 {
				return fault.New(fault.Precondition, "%s", r.GetWarnings()[0]).Next("connect another provider first, or say --force")
			}
		}
		_, err := c.Identity.DeleteIDPConnector(ctx, &identity.DeleteIDPConnectorRequest{Id: o.id})
		return err
	})
}
