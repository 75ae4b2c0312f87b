package auth

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type shownGrant struct {
	Resource  string        `json:"resource"`
	Principal string        `json:"principal"`
	Role      string        `json:"role"`
	Sources   []shownSource `json:"sources,omitempty"`
	// MaxAge is how old a membership may be, if it is limited.
	MaxAge string `json:"max_age,omitempty"`
	// Command is what makes a suggested grant.
	Command string `json:"command,omitempty"`
}

type shownSource struct {
	Source string     `json:"source"`
	Seen   *time.Time `json:"seen,omitempty"`
}

type explanation struct {
	Allowed     bool         `json:"allowed"`
	Principal   string       `json:"principal"`
	Permission  string       `json:"permission"`
	Resource    string       `json:"resource"`
	Grants      []shownGrant `json:"grants"`
	Suggestions []shownGrant `json:"suggestions,omitempty"`
	// TooOld are grants that do not count, since the membership is not known any more.
	TooOld []shownGrant `json:"too_old,omitempty"`
	// At is the moment that was asked for, if it is over; RecordedSince is before when
	// nobody knows, and Unknown whose word on groups of then is not kept.
	At            *time.Time `json:"at,omitempty"`
	RecordedSince *time.Time `json:"recorded_since,omitempty"`
	Unknown       []string   `json:"unknown,omitempty"`
}

type explainOptions struct {
	principal  string
	permission auth.Permission
	resource   *auth.Resource // of which a repo may lack its project
	project    string
	at         *timestamppb.Timestamp // nil: now
	out        string
}

func explain(k *kit.Kit) *cobra.Command {
	var o explainOptions
	var at string
	c := &cobra.Command{
		Use: "explain PRINCIPAL PERMISSION RESOURCE", Short: "Show why somebody may do something, or what it would take", Args: kit.Exactly(3),
		Long: `Show by which role, on which resource, and through which group somebody has a
permission; for a group also who says that they are in it, and since when that
is known. If they do not have it, show the smallest grant that would allow it.

With --at, show what was so at a moment that is over: roles and groups as they are
now, without what the audit says has changed since. Before the audit says enough,
nobody knows. What a connector said of groups is known from its last answer only:
where it was asked again since, the answer is that it cannot be told, unless another
role allows it. Limits of age (set-max-age) are left out.

RESOURCE is cluster, project:NAME, repo:NAME or repo:PROJECT/NAME. Everybody may
ask about themselves. The exit code is 0 if it is allowed and 1 if not.`,
		Example: "  pachctl auth explain user:alice@example.com REPO_WRITE repo:images\n" +
			"  pachctl auth explain robot:ci CLUSTER_MODIFY_BINDINGS cluster\n" +
			"  pachctl auth explain robot:ci REPO_WRITE repo:images --at 2026-11-29T12:00:00Z",
		ValidArgsFunction: kit.Completing(permissionNames),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if o.permission, err = parsePermission(args[1]); err != nil {
				return err
			}
			if o.resource, err = parseResource(c, args[2]); err != nil {
				return err
			}
			if at != "" {
				when, err := time.Parse(time.RFC3339, at)
				if err != nil {
					return kit.Usagef(c, "%q is no moment: write it as 2026-11-29T12:00:00Z", at)
				}
				o.at = timestamppb.New(when)
			}
			o.principal = args[0]
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVar(&o.project, "project", "", "the project of a repo that is given without one, in place of the context's")
	c.Flags().StringVar(&at, "at", "", "as it was at this moment, such as 2026-11-29T12:00:00Z")
	kit.OutputFlag(c, &o.out)
	return c
}

// parseResource reads what resourceText writes.
func parseResource(c *cobra.Command, text string) (*auth.Resource, error) {
	typ, name, named := strings.Cut(text, ":")
	switch typ = strings.ToUpper(typ); {
	case typ == "CLUSTER" && name == "":
		return &auth.Resource{Type: auth.ResourceType_CLUSTER}, nil
	case typ == "PROJECT" && named && name != "":
		return &auth.Resource{Type: auth.ResourceType_PROJECT, Name: name}, nil
	case (typ == "REPO" || typ == "SPEC_REPO") && named && name != "":
		return &auth.Resource{Type: auth.ResourceType(auth.ResourceType_value[typ]), Name: name}, nil
	}
	return nil, kit.Usagef(c, "%q is no resource: write cluster, project:NAME, repo:NAME or repo:PROJECT/NAME", text)
}

// inProject puts a repo that was given without a project into one.
func inProject(r *auth.Resource, project string) *auth.Resource {
	if (r.Type == auth.ResourceType_REPO || r.Type == auth.ResourceType_SPEC_REPO) && !strings.Contains(r.Name, "/") {
		r.Name = project + "/" + r.Name
	}
	return r
}

func resourceText(r *auth.Resource) string {
	if r.GetType() == auth.ResourceType_CLUSTER {
		return "cluster"
	}
	return strings.ToLower(r.GetType().String()) + ":" + r.GetName()
}

func showGrant(g *pach.Grant) shownGrant {
	s := shownGrant{Resource: resourceText(g.GetResource()), Principal: g.GetPrincipal(), Role: g.GetRole()}
	if limit := g.GetMaxAge(); limit != nil {
		s.MaxAge = limit.GetMaxAge().AsDuration().String()
	}
	for _, from := range g.GetSources() {
		s.Sources = append(s.Sources, shownSource{from.GetSource(), kit.TimeOrNil(from.GetSeen())})
	}
	return s
}

func (o explainOptions) run(ctx context.Context, k *kit.Kit) error {
	return k.WithConn(ctx, false, func(ctx context.Context, c *kit.Conn) error {
		on := inProject(o.resource, cmp.Or(o.project, c.Target.Project))
		r, err := c.Pach.Explain(ctx, &pach.ExplainRequest{Principal: o.principal, Permission: o.permission, Resource: on, At: o.at})
		if err != nil {
			return err
		}
		e := explanation{
			Allowed: r.GetAllowed(), Principal: r.GetPrincipal(), Permission: o.permission.String(), Resource: resourceText(on),
			Grants: []shownGrant{}, At: kit.TimeOrNil(o.at), RecordedSince: kit.TimeOrNil(r.GetRecordedSince()), Unknown: r.GetUnknown(),
		}
		for _, g := range r.GetGrants() {
			e.Grants = append(e.Grants, showGrant(g))
		}
		for _, g := range r.GetTooOld() {
			e.TooOld = append(e.TooOld, showGrant(g))
		}
		complete := true
		for _, g := range r.GetSuggestions() {
			s := showGrant(g)
			var known bool
			s.Command, known = grantCommand(ctx, c, g)
			complete = complete && known
			e.Suggestions = append(e.Suggestions, s)
		}
		if err := k.PrintResult(o.out, e, func() { printExplanation(k, e, r) }); err != nil || e.Allowed {
			return err
		}
		return e.denied(complete)
	})
}

// denied says what it would take; complete is false if the commands shown leave
// out roles that could not be read.
func (e explanation) denied(complete bool) error {
	denied := fault.New(fault.Denied, "%s has no %s on %s", e.Principal, e.Permission, e.Resource)
	switch {
	case len(e.Unknown) > 0:
		return fault.New(fault.Denied, "it cannot be told whether %s had %s on %s", e.Principal, e.Permission, e.Resource).
			Next("their groups of then are not kept: %s", strings.Join(e.Unknown, ", "))
	case e.At != nil:
		return fault.New(fault.Denied, "%s had no %s on %s at %s", e.Principal, e.Permission, e.Resource, e.At.UTC().Format(time.RFC3339))
	case len(e.Suggestions) == 0:
		return denied.Next("no role that can be assigned there grants it")
	case !complete:
		return denied.Next("the command shown replaces the roles that %s has there already, which you may not see: add them to it", e.Principal)
	}
	return denied.Next("an administrator can grant it with the command shown")
}

func printExplanation(k *kit.Kit, e explanation, r *pach.ExplainResponse) {
	for _, g := range e.TooOld {
		k.Printf("not by %s on %s, given to %s: the fact that they are in it is older than %s\n", g.Role, g.Resource, g.Principal, g.MaxAge)
		for _, s := range g.Sources {
			k.Printf("    a member according to %s\n", s.Source)
		}
	}
	if !e.Allowed {
		for n, s := range e.Suggestions {
			if n > 0 {
				k.Printf("or: ")
			}
			k.Printf("%s\n", s.Command)
		}
		return
	}
	verb := "has"
	if e.At != nil {
		verb = "at " + e.At.UTC().Format(time.RFC3339) + " had"
	}
	k.Printf("%s %s %s on %s\n", e.Principal, verb, e.Permission, e.Resource)
	for n, g := range e.Grants {
		k.Printf("  by %s on %s, given to %s\n", g.Role, g.Resource, g.Principal)
		for _, s := range r.GetGrants()[n].GetSources() {
			k.Printf("    a member according to %s, %s\n", s.GetSource(), lastSeen(s.GetSeen(), k.Now()))
		}
		if g.MaxAge != "" {
			k.Printf("    which may be %s old\n", g.MaxAge)
		}
	}
}

// lastSeen says how old a fact is. It is a fact for ever to who stated it by hand,
// but the reader wants to know since when.
func lastSeen(t *timestamppb.Timestamp, now time.Time) string {
	if t == nil {
		return "of unknown age"
	}
	return fmt.Sprintf("last seen %s (%s ago)", kit.FormatTime(t), age(now.Sub(t.AsTime())))
}

// age is a duration in its largest unit.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "less than a minute"
	case d < time.Hour:
		return plural(int64(d/time.Minute), "minute")
	case d < 48*time.Hour:
		return plural(int64(d/time.Hour), "hour")
	}
	return plural(int64(d/(24*time.Hour)), "day")
}

// grantCommand makes the command that makes a grant. As "auth set" replaces
// the roles of a principal, those it has there are repeated; known is false if
// they could not be read.
func grantCommand(ctx context.Context, c *kit.Conn, g *pach.Grant) (command string, known bool) {
	roles := []string{}
	r, err := c.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: g.GetResource()})
	if err == nil {
		roles = slices.Sorted(maps.Keys(r.GetBinding().GetEntries()[g.GetPrincipal()].GetRoles()))
	}
	words := []string{"pachctl auth set"}
	name := g.GetResource().GetName()
	switch g.GetResource().GetType() {
	case auth.ResourceType_CLUSTER:
		words = append(words, "cluster")
	case auth.ResourceType_PROJECT:
		words = append(words, "project", quote(name))
	default:
		project, repo, _ := strings.Cut(name, "/")
		words = append(words, "repo", quote(repo), "--project", quote(project))
	}
	words = append(words, strings.Join(append(roles, g.GetRole()), ","), quote(g.GetPrincipal()))
	return strings.Join(words, " "), err == nil
}

// quote makes one word of a shell of a text: names come from others.
func quote(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@+", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
