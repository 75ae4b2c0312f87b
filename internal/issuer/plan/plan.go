package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pachyderm/internal/access"
	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
)

// Planner is safe for concurrent use.
type Planner struct {
	DB       *db.DB
	Registry *registry.Registry
	Traces   *trace.Store
	Deps     func() connector.Deps
}

// Verdict is what would become of a sign-in that was.
type Verdict string

// The verdicts.
const (
	AsBefore     Verdict = "as before"
	Refused      Verdict = "refused"
	Changed      Verdict = "changed"
	CannotBeTold Verdict = "cannot be told"
)

// SignIn is a sign-in that was, made again.
type SignIn struct {
	Verdict                  Verdict
	User                     principal.Name // empty for one who was nobody here
	Trace                    string         // its code
	Why                      string
	Then                     principal.Name // who they would be, if somebody else
	GroupsGained, GroupsLost []string
	RolesGained, RolesLost   []string // such as "projectWriter on project genomics"

	saysNothing bool // of groups, where something was said before
}

// Plan is what a document would change.
type Plan struct {
	Differences []registry.Difference
	Counts      map[Verdict]int
	SignIns     []SignIn // those that would not be as before, at most maxShown
	Warnings    []string
}

// maxShown sign-ins are shown, of at most maxReplayed.
const (
	maxShown    = 100
	maxReplayed = 1000
)

// Plan makes a plan. Nothing is stored, and no provider asked. Faults: those of
// Registry.ForTest and connector.Open.
func (p *Planner) Plan(ctx context.Context, by registry.Author, roles *access.Index, c registry.Connector) (out Plan, err error) {
	tested, live, err := p.Registry.ForTest(ctx, c)
	if err != nil {
		return out, err
	}
	opened, err := connector.Open(tested.ID, tested.Type, tested.Config, p.Deps().ForDeclared(tested.Managed))
	if err != nil {
		return out, err
	}
	out.Counts = map[Verdict]int{}
	if live == nil {
		out.Warnings = append(out.Warnings, "there is no connector of this id yet, and so nobody who would notice")
		return out, nil
	}
	out.Differences = registry.Between(live.Connector, tested.Connector)
	if keys := asksOtherwise(out.Differences); len(keys) > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"%s: this decides what is asked of which provider, and what that says then is seen only by signing in (test-connector); "+
				"people are shown below as if it said the same", strings.Join(keys, ", ")))
	}
	replayer, can := opened.Connector.(connector.Replayer)
	if !can {
		out.Warnings = append(out.Warnings, "what connectors of type "+tested.Type+" make of people is seen only by signing in (test-connector)")
		return out, nil
	}
	again := replay{p, *live, tested, replayer, by.MayGrant}
	return out, again.all(ctx, roles, &out)
}

// mapping are the keys that say what is made of what a provider says; others decide
// what it is asked.
func mapping() []string {
	return []string{
		"name", "config.clientSecret", "config.nextClientSecret", "config.clientSecretExpires", "config.bindPW",
		"config.claimMapping", "config.overrideClaimMapping", "config.claimMutations", "config.userIDKey", "config.userNameKey",
		"config.insecureSkipEmailVerified", "config.insecureEnableGroups", "config.allowedGroups", "config.filterGroups",
		"config.usernameAttr", "config.nameAttr", "config.emailAttr", "config.groupsAttr", "config.groupsDelim",
	}
}

func asksOtherwise(all []registry.Difference) (keys []string) {
	for _, d := range all {
		if !slices.Contains(mapping(), d.Key) {
			keys = append(keys, d.Key)
		}
	}
	return keys
}

// replay makes sign-ins again.
type replay struct {
	*Planner
	live, tested registry.Row
	connector    connector.Replayer
	// mayGrant is whether who asks is shown what came from a private address: by
	// another mapping, any claim could be read.
	mayGrant bool
}

func (p replay) all(ctx context.Context, roles *access.Index, out *Plan) error {
	last, err := p.lastOfEach(ctx, p.live.ID)
	if err != nil {
		return err
	}
	silent := 0
	before, after := false, false // whether an administrator of the cluster signs in
	for _, t := range last {
		s, groups, err := p.again(ctx, t)
		if err != nil {
			return err
		}
		out.Counts[s.Verdict]++
		if s.saysNothing {
			silent++
		}
		was := isAdmin(roles, t.Person, t.Groups) && t.Result == trace.Completed
		before = before || was
		after = after || was && (s.Verdict == AsBefore || s.Verdict == CannotBeTold) || s.Verdict == Changed && isAdmin(roles, s.then(), groups)
		if s.Verdict == AsBefore || len(out.SignIns) >= maxShown {
			continue
		}
		if err := p.addRoles(ctx, &s); err != nil {
			return err
		}
		if t.Private && !p.mayGrant {
			s = SignIn{Verdict: s.Verdict, User: s.User, Trace: s.Trace}
			s.Why = "the provider is in a private network: ask a clusterAdmin to make this plan"
		}
		out.SignIns = append(out.SignIns, s)
	}
	if silent > 0 {
		out.Warnings = append(out.Warnings, fmt.Sprintf(
			"nothing is read of groups any more: %d people keep those that they are in, until somebody says otherwise", silent))
	}
	if before && !after {
		out.Warnings = append(out.Warnings, "of those who signed in with this connector nobody would administer the cluster any more")
	}
	return nil
}

func (s SignIn) then() principal.Name {
	if s.Then != "" {
		return s.Then
	}
	return s.User
}

// lastOfEach is the last sign-in of each person, and of those that were nobody here
// each whose claims are known.
func (p *Planner) lastOfEach(ctx context.Context, id string) (last []trace.Trace, err error) {
	all, _, err := p.Traces.List(ctx, trace.Filter{Connector: id}, db.Page{Limit: maxReplayed})
	seen := map[principal.Name]bool{}
	for _, t := range all {
		if t.Test || len(t.Claims) == 0 || t.Person != "" && seen[t.Person] {
			continue
		}
		seen[t.Person] = true
		last = append(last, t)
	}
	return last, err
}

// again makes a sign-in again. groups are those that the person would be in.
func (p replay) again(ctx context.Context, t trace.Trace) (s SignIn, groups []string, err error) {
	s = SignIn{Verdict: AsBefore, User: t.Person, Trace: t.Code}
	claims, cut := claimsOf(t)
	if cut != "" {
		s.Verdict, s.Why = CannotBeTold, "the claim "+cut+" was too long to be kept"
		return s, nil, nil
	}
	who, err := p.connector.Replay(claims)
	if err == nil {
		err = upstream.CheckAccount(who)
	}
	switch {
	case err != nil && t.Person == "": // it was refused, too
		return s, nil, nil
	case err != nil && strings.HasPrefix(fault.FieldOf(err), "config.") && p.tested.Type != "saml":
		s.Verdict, s.Why = CannotBeTold, "what was not used is not kept, so that nobody knows whether there is one: "+fault.What(err)
		return s, nil, nil
	case err != nil:
		s.Verdict, s.Why = Refused, fault.Message(err)
		return s, nil, nil
	}
	if was := userID(t); was != "" && was != who.UserID {
		s.Verdict = Refused
		s.Why = fmt.Sprintf("their user id would be %q, which is another account's, while the address belongs to %q", who.UserID, was)
		return s, nil, nil
	}
	then, err := principal.OfUser(who.Email)
	if err != nil {
		s.Verdict, s.Why = Refused, fault.Message(err)
		return s, nil, nil
	}
	if who.Groups == nil { // which changes nothing of what was said before
		s.saysNothing = t.Groups != nil
		s.compare(t, then, t.Groups)
		return s, t.Groups, nil
	}
	if groups, err = p.Registry.GroupNames(ctx, p.live.ID, p.live.Instance, who.Groups); err != nil {
		return s, nil, err
	}
	s.compare(t, then, groups)
	return s, groups, nil
}

func (s *SignIn) compare(t trace.Trace, then principal.Name, groups []string) {
	if then != t.Person {
		s.Then = then
	}
	s.GroupsGained, s.GroupsLost = without(groups, t.Groups), without(t.Groups, groups)
	switch {
	case t.Person == "":
		s.Verdict, s.Why = Changed, "was refused: "+t.Error
	case s.Then != "", len(s.GroupsGained)+len(s.GroupsLost) > 0:
		s.Verdict = Changed
	}
}

func without(list, other []string) (out []string) {
	for _, v := range list {
		if !slices.Contains(other, v) {
			out = append(out, v)
		}
	}
	return out
}

// claimsOf are the claims of a trace as the provider sent them; cut is one that is
// not whole.
func claimsOf(t trace.Trace) (claims map[string]any, cut string) {
	claims = map[string]any{}
	for _, c := range t.Claims {
		if c.Value == "" { // which was missing
			continue
		}
		d := json.NewDecoder(bytes.NewReader([]byte(c.Value)))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, c.Name
		}
		claims[c.Name] = v
	}
	return claims, ""
}

// userID is the one that the provider knows a person by, if it is text.
func userID(t trace.Trace) (id string) {
	for _, c := range t.Claims {
		if !slices.Contains(strings.Split(c.UsedAs, ", "), claimlog.UserID) {
			continue
		}
		var list []string
		if json.Unmarshal([]byte(c.Value), &list) == nil && len(list) == 1 { // as directories have them
			return list[0]
		}
		_ = json.Unmarshal([]byte(c.Value), &id)
	}
	return id
}

// addRoles adds the roles that come and go with groups.
func (p *Planner) addRoles(ctx context.Context, s *SignIn) error {
	return p.DB.View(ctx, func(tx *db.Tx) (err error) {
		if s.RolesGained, err = rolesOf(ctx, tx, s.GroupsGained); err != nil {
			return err
		}
		s.RolesLost, err = rolesOf(ctx, tx, s.GroupsLost)
		return err
	})
}

func rolesOf(ctx context.Context, tx *db.Tx, groups []string) (all []string, err error) {
	named, _ := identity.GroupsNamed(groups) // a trace cuts names that are long
	for _, group := range named {
		roles, err := access.RolesOf(ctx, tx, group)
		if err != nil {
			return nil, err
		}
		for resource, names := range roles {
			for _, name := range names {
				all = append(all, strings.TrimSpace(name+" on "+strings.ToLower(resource.Type.String())+" "+resource.Name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
