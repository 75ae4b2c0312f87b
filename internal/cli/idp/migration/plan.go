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
	theirs, err := s.there.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
	if err != nil {
		return nil, reading(there, "connectors", err)
	}
	ours, err := s.here.Identity.ListIDPConnectors(ctx, &identity.ListIDPConnectorsRequest{})
	if err != nil {
		return nil, reading(here, "connectors", err)
	}
	info, err := s.here.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
	if err != nil {
		return nil, reading(here, "callback", err)
	}
	for _, c := range theirs.GetConnectors() {
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
	theirs, err := s.there.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
	if err != nil {
		return nil, reading(there, "OIDC clients", err)
	}
	ours, err := s.here.Identity.ListOIDCClients(ctx, &identity.ListOIDCClientsRequest{})
	if err != nil {
		return nil, reading(here, "OIDC clients", err)
	}
	for _, c := range theirs.GetClients() {
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

func cluster() *auth.Resource { return &auth.Resource{Type: auth.ResourceType_CLUSTER} }

// roles are those on the cluster, by whom they are given to. Nobody loses one that
// they have here.
func (s sides) roles(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: cluster()})
	if err != nil {
		return nil, reading(there, "roles", err)
	}
	ours, err := s.here.Auth.GetRoleBinding(ctx, &auth.GetRoleBindingRequest{Resource: cluster()})
	if err != nil {
		return nil, reading(here, "roles", err)
	}
	for _, who := range slices.Sorted(maps.Keys(theirs.GetBinding().GetEntries())) {
		if strings.HasPrefix(who, "pach:") || strings.HasPrefix(who, "internal:") { // the installation itself
			continue
		}
		has := ours.GetBinding().GetEntries()[who].GetRoles()
		both, added := map[string]bool{}, []string{}
		maps.Copy(both, has)
		for role, given := range theirs.GetBinding().GetEntries()[who].GetRoles() {
			if given && !has[role] {
				added = append(added, role)
			}
			both[role] = both[role] || given
		}
		slices.Sort(added)
		out := step{What: "roles", Name: who, State: create, Detail: strings.Join(added, ", ")}
		if len(added) == 0 {
			out.State = exists
		}
		out.make = func(ctx context.Context) error {
			_, err := s.here.Auth.ModifyRoleBinding(ctx, &auth.ModifyRoleBindingRequest{
				Resource: cluster(), Principal: who, Roles: slices.Sorted(maps.Keys(both)),
			})
			return err
		}
		all = append(all, out)
	}
	return all, nil
}

// robots are their tokens, of which only hashes are moved.
func (s sides) robots(ctx context.Context) (all []step, err error) {
	theirs, err := s.there.Auth.ExtractAuthTokens(ctx, &auth.ExtractAuthTokensRequest{})
	if err != nil {
		return nil, reading(there, "tokens", err)
	}
	ours, err := s.here.Auth.ExtractAuthTokens(ctx, &auth.ExtractAuthTokensRequest{})
	if err != nil {
		return nil, reading(here, "tokens", err)
	}
	for _, t := range theirs.GetTokens() {
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
	config, err := s.there.Identity.GetIdentityServerConfig(ctx, &identity.GetIdentityServerConfigRequest{})
	if err != nil {
		return nil, reading(there, "settings", err)
	}
	if issuer := config.GetConfig().GetIssuer(); issuer != "" {
		all = append(all, step{
			What: "issuer", Name: issuer, State: cannot,
			Detail: "applications verify tokens by this name: keep it with publicURL, or tell them the new one",
		})
	}
	return append(all,
		step{What: "roles", Name: "on projects and repos", State: cannot, Detail: "they come with the data, or by pachctl auth set"},
		step{What: "sessions", Name: "of people", State: cannot, Detail: "people sign in anew, with the same names"}), nil
}
