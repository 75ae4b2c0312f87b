package migration

import (
	"context"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// plan reads both sides, and changes neither.
func (s sides) plan(ctx context.Context) (all []step, err error) {
	for _, part := range []func(context.Context) ([]step, error){s.connectors, s.clients, s.roles, s.robots, s.rest} {
		steps, err := part(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, steps...)
	}
	return all, nil
}

// reading says on which side a call failed.
func reading(side, what string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Precondition, "cannot read the %s %s: %s", what, side, client.MessageOf(err)).
		Next("sign in there as an administrator, with pachctl auth use-auth-token in its context")
}

const (
	there = "of the other installation"
	here  = "of this installation"
)

func (s sides) connectors(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.connectors(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := s.here.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
	if err != nil {
		return nil, reading(here, "connectors", err)
	}
	info, err := s.here.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
	if err != nil {
		return nil, reading(here, "callback", err)
	}
	for _, c := range theirs {
		known := slices.ContainsFunc(ours.GetConnectors(), func(o *identity.IDPConnector) bool { return o.GetId() == c.GetId() })
		all = append(all, s.connector(c, known, info.GetCallbackUrl()))
	}
	return all, nil
}

func (s sides) connector(c *identity.IDPConnector, known bool, callback string) step {
	out := step{What: "connector", Name: c.GetId(), State: create, Detail: c.GetType()}
	config := c.GetConfig().AsMap()
	switch {
	case known:
		out.State = exists
		return out
	case hides(config):
		out.State, out.Detail = cannot, "the other installation shows *** in place of a secret: write the document by hand"
		return out
	}
	if before, _ := config["redirectURI"].(string); before != "" && before != callback {
		config["redirectURI"] = callback
		out.Detail += ": register the callback " + callback + " with its provider, beside " + before
	}
	changed, err := structpb.NewStruct(config)
	if err != nil {
		out.State, out.Detail = cannot, "its config is not valid UTF-8"
		return out
	}
	out.make = func(ctx context.Context) error {
		_, err := s.here.Identity.CreateIDPConnector(ctx, &identity.CreateIDPConnectorRequest{Connector: &identity.IDPConnector{
			Id: c.GetId(), Name: c.GetName(), Type: c.GetType(), Config: changed,
		}})
		return err
	}
	return out
}

// hides reports whether a secret is not shown.
func hides(v any) bool {
	switch v := v.(type) {
	case string:
		return v == kit.Mask
	case map[string]any:
		return slices.ContainsFunc(slices.Collect(maps.Values(v)), hides)
	case []any:
		return slices.ContainsFunc(v, hides)
	}
	return false
}

func (s sides) clients(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.clients(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := s.here.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
	if err != nil {
		return nil, reading(here, "OIDC clients", err)
	}
	for _, c := range theirs {
		out := step{What: "client", Name: c.GetId(), State: create, Detail: strings.Join(c.GetRedirectUris(), ", ")}
		switch {
		case slices.ContainsFunc(ours.GetClients(), func(o *identity.OIDCClient) bool { return o.GetId() == c.GetId() }):
			out.State = exists
		case c.GetSecret() == "" || c.GetSecret() == kit.Mask:
			out.State, out.Detail = cannot, "the other installation does not show its secret: create it with pachctl idp create-client"
		}
		out.make = func(ctx context.Context) error {
			_, err := s.here.Identity.CreateOIDCClient(ctx, &identity.CreateOIDCClientRequest{Client: c})
			return err
		}
		all = append(all, out)
	}
	return all, nil
}

// roles are those on the cluster, projects and repos, by whom they are given to.
// Nobody loses one that they have here.
func (s sides) roles(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.bindings(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range theirs {
		if b.roles = byName(b.roles); len(b.roles) == 0 {
			continue
		}
		ours, err := bindingOf(ctx, s.here, b.resource)
		if err != nil {
			return nil, reading(here, "roles on the "+display(b.resource), err)
		}
		for _, who := range slices.Sorted(maps.Keys(b.roles)) {
			all = append(all, s.role(b, who, ours.roles[who]))
		}
	}
	return all, nil
}

// byName are roles by the one form that a name has here, as what is given replaces what
// the name had. It leaves out what nobody gives: of the installation itself. What is no
// name here is for this installation to refuse.
func byName(roles map[string][]string) map[string][]string {
	all := map[string][]string{}
	for who, given := range roles {
		name := who
		if known, err := principal.Parse(who); err == nil {
			name = known.String()
		}
		if strings.HasPrefix(name, "pach:") || strings.HasPrefix(name, "internal:") {
			continue
		}
		all[name] = slices.Compact(slices.Sorted(slices.Values(slices.Concat(all[name], given))))
	}
	return all
}

func (s sides) role(b binding, who string, has []string) step {
	added := slices.DeleteFunc(slices.Clone(b.roles[who]), func(role string) bool { return slices.Contains(has, role) })
	out := step{What: "roles", Name: who, State: create, Detail: strings.Join(added, ", ") + " on the " + display(b.resource)}
	if len(added) == 0 {
		out.State, out.Detail = exists, "on the "+display(b.resource)
	}
	if strings.HasPrefix(who, "pipeline:") {
		out.State, out.Detail = cannot, "it is a pipeline's, and comes with that"
	}
	out.make = func(ctx context.Context) error {
		_, err := s.here.Auth.ModifyRoleBinding(ctx, &auth.ModifyRoleBindingRequest{
			Resource: b.resource, Principal: who, Roles: slices.Concat(has, added),
		})
		return err
	}
	return out
}

// robots are their tokens, of which only hashes are moved.
func (s sides) robots(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.tokens(ctx)
	if err != nil {
		return nil, err
	}
	ours, err := s.here.Auth.ExtractAuthTokens(ctx, &auth.ExtractAuthTokensRequest{})
	if err != nil {
		return nil, reading(here, "tokens", err)
	}
	for _, t := range theirs {
		if !strings.HasPrefix(t.GetSubject(), "robot:") {
			continue
		}
		out := step{What: "token", Name: t.GetSubject(), State: create, Detail: "never expires"}
		if t.GetExpiration() != nil {
			out.Detail = "expires " + kit.FormatTime(t.GetExpiration())
		}
		if slices.ContainsFunc(ours.GetTokens(), func(o *auth.TokenInfo) bool { return o.GetHashedToken() == t.GetHashedToken() }) {
			out.State = exists
		}
		out.make = func(ctx context.Context) error {
			_, err := s.here.Auth.RestoreAuthToken(ctx, &auth.RestoreAuthTokenRequest{Token: t})
			return err
		}
		all = append(all, out)
	}
	return all, nil
}

// rest is what has to be decided by hand, or made anew.
func (s sides) rest(ctx context.Context) (all []step, err error) {
	issuer, err := s.there.issuer(ctx)
	if err != nil {
		return nil, err
	}
	if issuer != "" {
		all = append(all, step{
			What: "issuer", Name: issuer, State: cannot,
			Detail: "applications verify tokens by this name: keep it with publicURL, or tell them the new one",
		})
	}
	return append(all,
		step{What: "sessions", Name: "of people", State: cannot, Detail: "people sign in anew, with the same names"}), nil
}
