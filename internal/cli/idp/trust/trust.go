package trust

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Command is idp trust with its own commands.
func Command(k *kit.Kit) *cobra.Command {
	return kit.Group("trust", "Let Kubernetes and CI jobs act as robots, without a stored token",
		`A trust lets the workloads of another issuer act as a robot: a pod of Kubernetes,
a job of GitHub Actions or GitLab CI. Each has a token of its issuer (an OpenID
Connect ID token) and exchanges it for one of the robot, which lives for an hour
at most (RFC 8693), with: pachctl auth login --workload-token FILE. Nothing secret is
stored on either side.`,
		"  pachctl idp trust new github\n  pachctl idp trust create --config trust.yaml\n  pachctl idp trust test token.jwt",
		newTrust(k), create(k), list(k), test(k), remove(k))
}

// document is a trust as people write it.
type document struct {
	ID       string            `json:"id" yaml:"id"`
	Issuer   string            `json:"issuer" yaml:"issuer"`
	Audience string            `json:"audience" yaml:"audience"`
	Robot    string            `json:"robot" yaml:"robot"`
	Claims   map[string]string `json:"claims" yaml:"claims"`
	TTL      string            `json:"ttl,omitempty" yaml:"ttl,omitempty"`
	JWKS     string            `json:"jwks,omitempty" yaml:"jwks,omitempty"`
	RootCAs  []string          `json:"rootCAs,omitempty" yaml:"rootCAs,omitempty"`
	// Of a trust that is stored:
	CreatedBy string     `json:"createdBy,omitempty" yaml:"createdBy,omitempty"`
	Created   *time.Time `json:"created,omitempty" yaml:"created,omitempty"`
}

func (d document) request() (*pach.CreateTrustRequest, error) {
	t := &pach.Trust{
		Id: d.ID, Issuer: d.Issuer, Audience: d.Audience, Robot: d.Robot, Claims: d.Claims, Jwks: d.JWKS, RootCas: d.RootCAs,
	}
	if d.TTL != "" {
		ttl, err := time.ParseDuration(d.TTL)
		if err != nil || ttl < time.Second {
			return nil, fault.New(fault.Invalid, "ttl: %q is not a duration", d.TTL).Next("write it as 10m or 1h").At("ttl")
		}
		t.Ttl = int64(ttl / time.Second)
	}
	return &pach.CreateTrustRequest{Trust: t}, nil
}

func documentOf(t *pach.Trust) document {
	return document{
		ID: t.GetId(), Issuer: t.GetIssuer(), Audience: t.GetAudience(), Robot: t.GetRobot(), Claims: t.GetClaims(),
		TTL: (time.Duration(t.GetTtl()) * time.Second).String(), JWKS: t.GetJwks(), RootCAs: t.GetRootCas(),
		CreatedBy: t.GetCreatedBy(), Created: kit.TimeOrNil(t.GetCreated()),
	}
}

type createOptions struct{ file string }

func create(k *kit.Kit) *cobra.Command {
	var o createOptions
	c := &cobra.Command{
		Use: "create", Short: "Let workloads of an issuer act as a robot", Args: kit.Exactly(0),
		Long: `Let workloads of an issuer act as a robot. The document is YAML or JSON with the
keys

  id        name of the trust in commands
  issuer    the claim iss of the workloads' tokens, which is also where their keys
            are found (OpenID Connect Discovery)
  audience  the claim aud that a token must have; choose one that only tokens for
            Pachyderm have
  robot     whom the workloads act as
  claims    what else a token must say, at least one claim. A value is compared as
            it is or, with * as its last character, as the beginning
  ttl       how long the robot's tokens live; default and at most: 1h
  jwks      the issuer's keys, a JSON Web Key Set, if pachd cannot fetch them
  rootCAs   authorities for the issuer's certificate, as PEM or files on the server

"pachctl idp trust new" writes one for Kubernetes, GitHub and GitLab. The trust is
good for as long as whoever makes it could make a token of the robot.`,
		Example: "  pachctl idp trust create --config trust.yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	c.Flags().StringVar(&o.file, "config", "-", "file with the document; - is standard input")
	return c
}

func (o createOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	var doc document
	if err := d.Decode(&doc); err != nil {
		return err
	}
	doc.CreatedBy, doc.Created = "", nil
	req, err := doc.request()
	if err != nil {
		return d.Invalid(err)
	}
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.CreateTrust(ctx, req)
		return d.Explain(err)
	})
}

type listOptions struct{ out string }

func list(k *kit.Kit) *cobra.Command {
	var o listOptions
	c := &cobra.Command{
		Use: "list", Short: "List the trusts", Args: kit.Exactly(0),
		Long:    "List the trusts; -o yaml shows them whole, in the form that create takes.",
		Example: "  pachctl idp trust list\n  pachctl idp trust list -o yaml",
		RunE:    func(c *cobra.Command, _ []string) error { return o.run(c.Context(), k) },
	}
	kit.OutputFlag(c, &o.out)
	return c
}

func (o listOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		docs, rows := []document{}, [][]string{}
		err := client.Pages(func(page string) (string, error) {
			r, err := c.Pach.ListTrusts(ctx, &pach.ListTrustsRequest{PageToken: page})
			for _, t := range r.GetTrusts() {
				docs = append(docs, documentOf(t))
				rows = append(rows, []string{t.GetId(), t.GetIssuer(), t.GetRobot(), t.GetCreatedBy()})
			}
			return r.GetNextPageToken(), err
		})
		if err != nil {
			return err
		}
		return k.PrintResult(o.out, docs, func() { k.Table([]string{"ID", "ISSUER", "ROBOT", "CREATED BY"}, rows) })
	})
}

type removeOptions struct{ id string }

func remove(k *kit.Kit) *cobra.Command {
	return &cobra.Command{
		Use: "delete ID", Short: "Remove a trust, and end the tokens that came of it", Args: kit.Exactly(1),
		Example: "  pachctl idp trust delete ci",
		RunE: func(c *cobra.Command, args []string) error {
			return removeOptions{args[0]}.run(c.Context(), k)
		},
	}
}

func (o removeOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		_, err := c.Pach.DeleteTrust(ctx, &pach.DeleteTrustRequest{Id: o.id})
		return err
	})
}

type testOptions struct{ file, out string }

func test(k *kit.Kit) *cobra.Command {
	var o testOptions
	c := &cobra.Command{
		Use: "test FILE", Short: "Say what the trusts make of a workload's token", Args: kit.Exactly(1),
		Long: `Say what each trust in the issuer of a token makes of it, and why it refuses it.
The token is read from a file, or with - from standard input: in an argument
everybody on the machine could read it. No token of a robot is made. It fails,
for scripts, if no trust accepts the token.`,
		Example: "  pachctl idp trust test token.jwt\n  kubectl create token ci --audience pachyderm | pachctl idp trust test -",
		RunE: func(c *cobra.Command, args []string) error {
			o.file = args[0]
			return o.run(c.Context(), k)
		},
	}
	kit.OutputFlag(c, &o.out)
	return c
}

// result is what one trust makes of a token.
type result struct {
	Trust    string `json:"trust"`
	Robot    string `json:"robot"`
	Accepted bool   `json:"accepted"`
	Reason   string `json:"reason,omitempty"`
}

func (o testOptions) run(ctx context.Context, k *kit.Kit) error {
	d, err := k.ReadDocument(o.file)
	if err != nil {
		return err
	}
	return k.WithConn(ctx, kit.Identities, func(ctx context.Context, c *kit.Conn) error {
		r, err := c.Pach.TestTrust(ctx, &pach.TestTrustRequest{Token: strings.TrimSpace(string(d.Data))})
		if err != nil {
			return err
		}
		all, accepted := []result{}, false
		for _, each := range r.GetResults() {
			all = append(all, result{each.GetTrust(), each.GetRobot(), each.GetRefused() == "", each.GetRefused()})
			accepted = accepted || each.GetRefused() == ""
		}
		err = k.PrintResult(o.out, all, func() {
			for _, each := range all {
				if each.Accepted {
					k.Printf("%s: accepted, as %s\n", each.Trust, each.Robot)
				} else {
					k.Printf("%s: refused: %s\n", each.Trust, each.Reason)
				}
			}
		})
		if err == nil && !accepted {
			err = fault.New(fault.Denied, "no trust accepts this token")
		}
		return err
	})
}
