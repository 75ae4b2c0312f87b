package oidc

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/claimlog"
	"pachyderm/internal/connector/oidc/claim"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/connector/refuse"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/principal"
)

// remembered is the upstream part of a session, kept for its refreshes.
type remembered struct {
	RefreshToken string `json:"refreshToken"`
	Subject      string `json:"subject"`
}

// identity maps claims whose origin is verified.
func (c *Connector) identity(
	ctx context.Context, m *metadata, t *clientauth.Tokens, cl claim.Set, askUserInfo bool,
) (dexconn.Identity, error) {
	none := dexconn.Identity{}
	cl, err := c.complete(ctx, m, t.AccessToken, cl, askUserInfo)
	if err != nil {
		return none, err
	}
	c.record(ctx, cl)
	id, err := c.person(m, cl)
	if err != nil {
		return none, err
	}
	if t.RefreshToken != "" {
		sub, _ := cl["sub"].(string)
		//nolint:gosec // this is where the token is kept: Dex stores it and shows it to nobody
		if id.ConnectorData, err = json.Marshal(remembered{t.RefreshToken, sub}); err != nil {
			return none, err
		}
	}
	return id, nil
}

// Replay is connector.Replayer's.
func (c *Connector) Replay(claims map[string]any) (dexconn.Identity, error) {
	return c.person(&metadata{}, claims)
}

// person is what claims say of a person; m is for what to do about claims that lack.
func (c *Connector) person(m *metadata, cl claim.Set) (id dexconn.Identity, err error) {
	none := dexconn.Identity{}
	if id.UserID, err = cl.ID(cmp.Or(c.cfg.UserIDKey, "sub")); err != nil {
		return none, err
	}
	if id.Email, err = c.email(cl); err != nil {
		return none, err
	}
	id.EmailVerified = true
	if id.PreferredUsername, err = cl.Text(cmp.Or(c.cfg.ClaimMapping.PreferredUsername, "preferred_username")); err != nil {
		return none, err
	}
	if id.Username, err = cl.Text(cmp.Or(c.cfg.UserNameKey, c.cfg.ClaimMapping.Name, "name")); err != nil {
		return none, err
	}
	id.Username = cmp.Or(id.Username, id.PreferredUsername, id.Email)
	if id.Groups, err = c.groups(m, cl); err != nil {
		return none, err
	}
	return id, nil
}

// record shows the administrator of a connector test the claims, before any is refused.
func (c *Connector) record(ctx context.Context, cl claim.Set) {
	name := cmp.Or(c.cfg.UserNameKey, c.cfg.ClaimMapping.Name, "name")
	uses := []claimlog.Use{
		{As: claimlog.UserID, Claim: cmp.Or(c.cfg.UserIDKey, "sub")},
		{As: claimlog.Email, Claim: c.emailKey()},
		{As: claimlog.Name, Claim: name},
		{As: claimlog.Username, Claim: cmp.Or(c.cfg.ClaimMapping.PreferredUsername, "preferred_username")},
	}
	if !c.cfg.InsecureSkipEmailVerified {
		uses = append(uses, claimlog.Use{As: claimlog.Verified, Claim: "email_verified"})
	}
	if c.cfg.InsecureEnableGroups {
		uses = append(uses, claimlog.Use{As: claimlog.Groups, Claim: c.groupsKey()})
	}
	claimlog.Record(ctx, cl, uses...)
}

// complete adds what UserInfo knows to what the ID token says.
func (c *Connector) complete(ctx context.Context, m *metadata, accessToken string, cl claim.Set, ask bool) (claim.Set, error) {
	lacking := !cl.Has(c.emailKey()) ||
		(!c.cfg.InsecureSkipEmailVerified && !cl.Has("email_verified")) ||
		(c.cfg.InsecureEnableGroups && !cl.Has(c.groupsKey()))
	switch {
	case !ask && (!lacking || m.UserInfoURL == ""):
		return cl, nil
	case m.UserInfoURL == "":
		return nil, fault.New(fault.Precondition, "the provider has no UserInfo endpoint, which this sign-in needs").
			Next("set getUserInfo to false, and have the provider put the claims into its ID tokens").At("config.getUserInfo")
	}
	var info claim.Set
	err := c.client.JSON(ctx, m.UserInfoURL, "UserInfo", accessToken, &info)
	switch {
	case errors.Is(err, fetch.ErrJOSE):
		return nil, fault.New(fault.Precondition, "the provider signs or encrypts UserInfo (JWT), which this server does not support").
			Next("remove userinfo_signed_response_alg and userinfo_encrypted_response_alg from this client at the provider, " +
				"or have it put the claims into its ID tokens").Because(err)
	case err != nil:
		return nil, err
	}
	// OpenID Connect Core, 5.3.2: without this, a mixed-up access token brings
	// another person's e-mail address and groups.
	if !claim.SameText(info["sub"], cl["sub"]) {
		return nil, refuse.Response("the provider's UserInfo is about another person than its ID token (sub)").
			Next("start the sign-in again")
	}
	return c.merge(cl, info), nil
}

// merge fills in claims that the ID token lacks. Whether an address is verified
// is a statement about one address, and is not carried over to another.
func (c *Connector) merge(token, info claim.Set) claim.Set {
	merged := maps.Clone(token)
	email := c.emailKey()
	if token.Has(email) && !claim.SameText(token[email], info[email]) {
		info = maps.Clone(info)
		delete(info, "email_verified")
	}
	if !token.Has(email) && info["email_verified"] != nil && token["email_verified"] == true {
		delete(merged, "email_verified")
	}
	for key, value := range info {
		if !merged.Has(key) && !claim.IsProtocol(key) {
			merged[key] = value
		}
	}
	return merged
}

func (c *Connector) emailKey() string  { return c.cfg.emailKey() }
func (c Config) emailKey() string      { return cmp.Or(c.ClaimMapping.Email, "email") }
func (c *Connector) groupsKey() string { return cmp.Or(c.cfg.ClaimMapping.Groups, "groups") }

// email is the address of a person of whom the provider, or the administrator on
// its behalf, says that it is theirs.
func (c *Connector) email(cl claim.Set) (string, error) {
	key := c.emailKey()
	email, err := cl.Text(key)
	switch {
	case err != nil:
		return "", err
	case email == "":
		return "", fault.New(fault.Denied, "the provider sent no e-mail address (claim %q) but only %s", fetch.Clean(key), cl.Names()).
			Next("set claimMapping.email to the claim that holds it, or add the scope that brings it").At("config.claimMapping.email")
	case !principal.IsEmail(email):
		return "", refuse.Response("the provider's claim %q is %q, which is not exactly one e-mail address", fetch.Clean(key), fetch.Clean(email))
	case c.cfg.InsecureSkipEmailVerified:
		return email, nil
	}
	const remedy = "have it verified at the provider, or, if all addresses there can be trusted, set insecureSkipEmailVerified to true"
	switch cl["email_verified"] {
	case true:
		return email, nil
	case false:
		return "", fault.New(fault.Denied, "the e-mail address %s is not verified", fetch.Clean(email)).
			Next(remedy)
	case nil:
		return "", fault.New(fault.Denied, "the provider does not say whether the e-mail address %s is verified", fetch.Clean(email)).
			Next(remedy)
	}
	return "", refuse.Response("the provider's email_verified is %s, and only the JSON value true counts", claim.KindOf(cl["email_verified"])).
		Next("correct it at the provider, or, if all addresses there can be trusted, set insecureSkipEmailVerified to true")
}

// requestsGroups is about the scope that many providers send groups for, which is
// requested unasked only if the provider lists it.
func (c *Connector) requestsGroups(m *metadata) bool {
	return slices.Contains(c.scopes(m, dexconn.Scopes{}), "groups")
}

// groupsRemedy is what to do where groups do not come.
func (c *Connector) groupsRemedy(m *metadata) string {
	key := fetch.Clean(c.groupsKey())
	if c.requestsGroups(m) {
		return fmt.Sprintf("have the provider send the claim %q, or set claimMapping.groups to the claim that holds them", key)
	}
	return fmt.Sprintf("the scope groups is not requested, since the provider does not list it: "+
		"add it to scopes if the provider has it all the same, or have it send the claim %q without one", key)
}

func (c *Connector) groups(m *metadata, cl claim.Set) ([]string, error) {
	if !c.cfg.InsecureEnableGroups {
		return nil, nil
	}
	key := c.groupsKey()
	// Microsoft Entra leaves the groups out when there are many, in two ways.
	elsewhere, _ := cl["_claim_names"].(map[string]any)
	if elsewhere[key] != nil || (key == "groups" && cl["hasgroups"] != nil && !cl.Has(key)) {
		return nil, fault.New(fault.Precondition, "this person is in more groups than the provider puts into a token, so that none came").
			Next("in Microsoft Entra, emit only the groups assigned to the application, " +
				"or application roles and claimMapping.groups: roles").At("config.insecureEnableGroups")
	}
	var groups []string
	switch v := cl[key].(type) {
	case nil:
	case string:
		groups = []string{v}
	case []any:
		for i, item := range v {
			group, ok := item.(string)
			if !ok {
				return nil, refuse.Response(
					"the provider's claim %q has %s as item %d where the name of a group is expected", fetch.Clean(key), claim.KindOf(item), i+1).
					Next("correct it there, or set claimMapping.groups to another claim")
			}
			groups = append(groups, group)
		}
	default:
		return nil, refuse.Response("the provider's claim %q is %s where a list of names is expected", fetch.Clean(key), claim.KindOf(v)).
			Next("correct it there, or set claimMapping.groups to another claim")
	}
	groups = unique(groups)
	allowed := c.cfg.AllowedGroups
	isAllowed := func(group string) bool { return slices.Contains(allowed, group) }
	if len(allowed) > 0 && !slices.ContainsFunc(groups, isAllowed) {
		// Dex tells this error from others.
		cause := &dexconn.UserNotInRequiredGroupsError{UserID: fmt.Sprint(cl["sub"]), Groups: allowed}
		if !cl.Has(key) {
			return nil, fault.New(fault.Denied, "only members of certain groups may sign in here, and the provider sent no groups of this account").
				Next("ask an administrator: if it is in groups, %s", c.groupsRemedy(m)).At("config.insecureEnableGroups").Because(cause)
		}
		return nil, fault.New(fault.Denied, "only members of certain groups may sign in here, and this account is in none of them").
			Next("ask an administrator").Because(cause)
	}
	return groups, nil
}
