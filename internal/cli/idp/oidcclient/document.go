package oidcclient

import (
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// Document is an OIDC client as people write it.
type Document struct {
	ID           string   `json:"id" yaml:"id"`
	Name         string   `json:"name" yaml:"name"`
	RedirectURIs []string `json:"redirect_uris" yaml:"redirect_uris"`
	Secret       string   `json:"secret,omitempty" yaml:"secret,omitempty"`
	TrustedPeers []string `json:"trusted_peers" yaml:"trusted_peers"`
	// Allowed is nil where pachd was not asked for it.
	Allowed []string `json:"allowed_connectors,omitempty" yaml:"allowed_connectors,omitempty"`
	// PKCE is left out where it is required.
	PKCE       string   `json:"pkce,omitempty" yaml:"pkce,omitempty"`
	Public     *bool    `json:"public,omitempty" yaml:"public,omitempty"`
	PostLogout []string `json:"post_logout_redirect_uris,omitempty" yaml:"post_logout_redirect_uris,omitempty"`
	// LogoutURI is nil where the document does not say, and empty to take it away.
	LogoutURI *string `json:"backchannel_logout_uri,omitempty" yaml:"backchannel_logout_uri,omitempty"`
}

// pkceByName are what a client may have to do about PKCE, as documents have it.
func pkceByName() map[string]pach.PKCE {
	return map[string]pach.PKCE{
		"required": pach.PKCE_PKCE_REQUIRED, "optional": pach.PKCE_PKCE_OPTIONAL, "until-used": pach.PKCE_PKCE_UNTIL_USED,
	}
}

// ParsePKCE reads what a client must do about PKCE; "" does not say. Fault:
// Invalid.
func ParsePKCE(text string) (pach.PKCE, error) {
	p, ok := pkceByName()[text]
	if !ok && text != "" {
		return p, fault.New(fault.Invalid, "pkce: %q is neither required nor optional", text).At("pkce")
	}
	return p, nil
}

// shownPKCE is empty where PKCE is required, and where pachd does not say.
func shownPKCE(p pach.PKCE) string {
	for name, known := range pkceByName() {
		if known == p && p != pach.PKCE_PKCE_REQUIRED {
			return name
		}
	}
	return ""
}

// Help says what the keys mean.
const Help = `The document is YAML or JSON with the keys

  id             name of the application for programs
  name           name of the application for people
  redirect_uris  where the browser may be sent back to
  secret         default: a random one
  trusted_peers  ids of clients that may request tokens for this one
  allowed_connectors
                 ids of the connectors that people may sign in with; default:
                 all
  pkce           optional for an application that does not know PKCE; default:
                 required. A client that was made by a client of an older
                 version shows until-used: it may leave PKCE out until it has
                 used it once
  public         true for a program that cannot keep a secret, on people's
                 machines or in their browsers: it has none, and uses PKCE
  post_logout_redirect_uris
                 where people may be sent whom the application signs out
  backchannel_logout_uri
                 where the application hears of sign-ins that have ended`

// Read reads a document. A secret *** is one that get-client did not show. Fault:
// Invalid.
func Read(from kit.Document) (d Document, err error) {
	if err := from.Decode(&d); err != nil {
		return d, err
	}
	if d.Secret == kit.Mask {
		d.Secret = ""
	}
	if _, err := ParsePKCE(d.PKCE); err != nil {
		return d, fault.Prefix(err, "%s", from.Name)
	}
	return d, nil
}

// Create is the request that registers the client.
func (d Document) Create() *pach.CreateOIDCClientRequest {
	req := &pach.CreateOIDCClientRequest{
		Client: &identity.OIDCClient{
			Id: d.ID, Name: d.Name, RedirectUris: d.RedirectURIs, Secret: d.Secret, TrustedPeers: d.TrustedPeers,
		},
		AllowedConnectors: d.Allowed, Pkce: pkceByName()[d.PKCE], PostLogoutRedirectUris: d.PostLogout,
	}
	if d.Public != nil {
		req.Public = *d.Public
	}
	if d.LogoutURI != nil {
		req.BackchannelLogoutUri = *d.LogoutURI
	}
	return req
}

// Change puts what the document says into a request: what is absent stays, and an
// empty list empties the stored one. A secret has no place there.
func (d Document) Change(req *pach.UpdateOIDCClientRequest) {
	req.Id, req.Name, req.Pkce, req.Public, req.BackchannelLogoutUri = d.ID, d.Name, pkceByName()[d.PKCE], d.Public, d.LogoutURI
	for _, list := range []struct {
		given []string
		into  **pach.StringList
	}{
		{d.Allowed, &req.AllowedConnectors},
		{d.RedirectURIs, &req.RedirectUris},
		{d.TrustedPeers, &req.TrustedPeers},
		{d.PostLogout, &req.PostLogoutRedirectUris},
	} {
		if list.given != nil {
			*list.into = &pach.StringList{Values: list.given}
		}
	}
}

// Of is the document of a stored client.
func Of(r *pach.GetOIDCClientResponse) Document {
	c := r.GetClient()
	doc := Document{
		ID: c.GetId(), Name: c.GetName(), Secret: c.GetSecret(), Allowed: r.GetAllowedConnectors(), PKCE: shownPKCE(r.GetPkce()),
		RedirectURIs: append([]string{}, c.GetRedirectUris()...), TrustedPeers: append([]string{}, c.GetTrustedPeers()...),
		PostLogout: r.GetPostLogoutRedirectUris(),
	}
	if r.GetPublic() {
		doc.Public = &r.Public
	}
	if r.GetBackchannelLogoutUri() != "" {
		doc.LogoutURI = &r.BackchannelLogoutUri
	}
	return doc
}
