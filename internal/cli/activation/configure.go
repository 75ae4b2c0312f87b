package activation

import (
	"cmp"
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/auth"
	"pachyderm/api/identity"
	"pachyderm/api/pach"
	"pachyderm/client"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// defaultOfUpstream is the issuer that upstream's pachctl sets unless it is told
// another. It names no server that anybody could sign in at.
const defaultOfUpstream = "http://pachd:1658/"

// stepsBack take back what was changed, the last change first.
type stepsBack []func(context.Context) error

func (b stepsBack) take(ctx context.Context) {
	ctx, cancel := kit.CleanupContext(ctx)
	defer cancel()
	for _, step := range slices.Backward(b) {
		_ = step(ctx) // the error that made it necessary counts
	}
}

// configureSignIn registers a client at the issuer and lets pachd be it. What was
// changed is changed back if the last step fails, so that the two never
// disagree.
func (o activateOptions) configureSignIn(ctx context.Context, pachd, idp *client.Client, elsewhere bool) error {
	var back stepsBack
	issuer, err := o.setIssuer(ctx, idp, elsewhere, &back)
	if err != nil {
		return kit.Prefixed("failed to configure identity server issuer", err)
	}
	secret, err := o.register(ctx, pachd, idp, &back)
	if err != nil {
		back.take(ctx)
		return kit.Prefixed("failed to configure OIDC client ID", err)
	}
	_, err = pachd.Auth.SetConfiguration(ctx, &auth.SetConfigurationRequest{Configuration: &auth.OIDCConfig{
		Issuer: issuer, ClientId: o.clientID, ClientSecret: secret, RedirectUri: o.redirect, Scopes: o.scopes, LocalhostIssuer: !elsewhere,
	}})
	if err != nil {
		back.take(ctx)
		return kit.Prefixed("failed to configure OIDC in pachd", err)
	}
	return nil
}

// setIssuer leaves alone what else is configured beside the issuer.
func (o activateOptions) setIssuer(ctx context.Context, idp *client.Client, elsewhere bool, back *stepsBack) (string, error) {
	r, err := idp.Identity.GetIdentityServerConfig(ctx, &identity.GetIdentityServerConfigRequest{})
	if err != nil {
		return "", err
	}
	old := r.GetConfig()
	if o.issuer != "" && !elsewhere && o.issuer != old.GetIssuer() {
		set := func(ctx context.Context, issuer string) error {
			_, err := idp.Identity.SetIdentityServerConfig(ctx, &identity.SetIdentityServerConfigRequest{Config: &identity.IdentityServerConfig{
				Issuer: issuer, IdTokenExpiry: old.GetIdTokenExpiry(), RotationTokenExpiry: old.GetRotationTokenExpiry(),
			}})
			return err
		}
		*back = append(*back, func(ctx context.Context) error { return set(ctx, old.GetIssuer()) })
		return o.issuer, set(ctx, o.issuer)
	}
	if issuer := cmp.Or(o.issuer, old.GetIssuer()); issuer != "" && issuer != defaultOfUpstream {
		return issuer, nil
	}
	info, err := idp.Pach.GetSignIn(ctx, &pach.GetSignInRequest{})
	return info.GetIssuer(), err
}

// register makes the client, or changes the one that pachd is already.
func (o activateOptions) register(ctx context.Context, pachd, idp *client.Client, back *stepsBack) (secret string, err error) {
	r, err := idp.Identity.CreateOIDCClient(ctx, &identity.CreateOIDCClientRequest{Client: &identity.OIDCClient{
		Id: o.clientID, Name: o.clientID, RedirectUris: []string{o.redirect}, TrustedPeers: o.peers,
	}})
	switch secret := r.GetClient().GetSecret(); {
	case err == nil && secret == kit.Mask: // it was there, as it is wanted
		return secret, nil
	case err == nil:
		*back = append(*back, func(ctx context.Context) error {
			_, err := idp.Identity.DeleteOIDCClient(ctx, &identity.DeleteOIDCClientRequest{Id: o.clientID})
			return err
		})
		return secret, nil
	case status.Code(err) != codes.AlreadyExists:
		return "", err
	}
	stored, getErr := pachd.Auth.GetConfiguration(ctx, &auth.GetConfigurationRequest{})
	if getErr != nil {
		return "", getErr
	}
	if stored.GetConfiguration().GetClientId() != o.clientID {
		return "", fault.New(fault.Exists, "%s", client.MessageOf(err)).
			Next("choose another with --client-id, or set its secret with: pachctl auth set-config")
	}
	return kit.Mask, o.update(ctx, idp, back) // the secret stays, which pachd knows and does not tell
}

func (o activateOptions) update(ctx context.Context, idp *client.Client, back *stepsBack) error {
	before, err := idp.Identity.GetOIDCClient(ctx, &identity.GetOIDCClientRequest{Id: o.clientID})
	if err != nil {
		return err
	}
	set := func(ctx context.Context, c *identity.OIDCClient) error {
		_, err := idp.Identity.UpdateOIDCClient(ctx, &identity.UpdateOIDCClientRequest{Client: c})
		return err
	}
	if err := set(ctx, &identity.OIDCClient{Id: o.clientID, RedirectUris: []string{o.redirect}, TrustedPeers: o.peers}); err != nil {
		return err
	}
	*back = append(*back, func(ctx context.Context) error { return set(ctx, before.GetClient()) })
	return nil
}
