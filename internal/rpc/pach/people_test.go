package pach_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/dynamicpb"

	"pachyderm/api"
	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/principal"
)

// connectAs connects another provider of the same people.
func (h *env) connectAs(id string) {
	h.t.Helper()
	p := optest.Start(h.t, h.Issuer.Callback())
	err := h.Issuer.Registry.CreateConnector(h.t.Context(), registry.Operator(), registry.Connector{ID: id, Name: id, Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.Issuer.Callback(), "insecureEnableGroups": true,
	}})
	if err != nil {
		h.t.Fatal(err)
	}
}

// through signs somebody in by one of several connectors and returns the page
// that it ended on, and a session if there is one.
func (h *env) through(connector string, who op.Person) (optest.Page, string) {
	h.t.Helper()
	start, err := h.API.Auth.GetOIDCLogin(h.t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil {
		h.t.Fatal(err)
	}
	b := optest.NewBrowser(h.t, func(*url.URL) bool { return false })
	page := b.SignIn(strings.Replace(start.GetLoginUrl(), "/auth?", "/auth/"+connector+"?", 1), who)
	if page.Status != http.StatusOK {
		return page, ""
	}
	waiting := h.Wait(start.GetState())
	page = b.Submit(page, map[string]string{"answer": "yes"})
	return page, <-waiting
}

func TestListUsers(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		if got := h.Users(); len(got) != 0 {
			t.Fatalf("before: %v", got)
		}
		h.Alice()
		h.Alice()
		got := h.Users()[pachdtest.Alice]
		if got.GetLastLogin() == nil || len(got.GetIdentities()) != 1 || got.GetIdentities()[0].GetLastLogin() == nil {
			t.Fatalf("she is %v", got)
		}
		id := got.GetIdentities()[0]
		if id.GetId() == "" || id.GetIssuer() == "" || id.GetSubject() == "" {
			t.Errorf("her identity is %v", id)
		}
		wanted := &pachpb.User{
			Name: pachdtest.Alice, Enabled: true, LastLogin: got.GetLastLogin(), Groups: []string{"group:admins", "group:engineers"}, LiveTokens: 2,
			Identities: []*pachpb.Identity{{
				Id: id.GetId(), Connector: "demo", Issuer: id.GetIssuer(), Subject: id.GetSubject(), Email: "alice@example.com",
				State: pachpb.Identity_LINKED, LastLogin: id.GetLastLogin(),
			}},
		}
		if diff := cmp.Diff(wanted, got, protocmp.Transform()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if err := h.Issuer.Registry.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		if got := h.Users()[pachdtest.Alice].GetIdentities()[0].GetState(); got != pachpb.Identity_ENDED {
			t.Errorf("after the end of the connector: %v", got)
		}
	})
}

func TestSetUserEnabled_NextCallAndRefresh(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		app, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		refresh := h.refreshToken(app.GetClient())
		refresh, status := h.refresh(app.GetClient(), refresh)
		if status != http.StatusOK {
			t.Fatalf("refresh while enabled: %d", status)
		}
		enable := func(ctx context.Context, who string, enabled bool) error {
			_, err := h.API.Pach.SetUserEnabled(ctx, &pachpb.SetUserEnabledRequest{User: who, Enabled: enabled})
			return err
		}
		if _, err := h.WhoAmI(session); err != nil {
			t.Fatal(err)
		}
		pachdtest.Want(t, enable(session, pachdtest.Alice, false), codes.PermissionDenied)
		if err := enable(h.Root(), pachdtest.Alice, false); err != nil {
			t.Fatal(err)
		}
		_, err = h.WhoAmI(session)
		pachdtest.Want(t, err, codes.Unauthenticated, "is disabled", "ask an administrator")
		if _, status := h.refresh(app.GetClient(), refresh); status != http.StatusBadRequest {
			t.Errorf("refresh while disabled: %d", status)
		}
		if h.Users()[pachdtest.Alice].GetEnabled() {
			t.Error("she is listed as enabled")
		}
		if err := enable(h.Root(), pachdtest.Alice, true); err != nil {
			t.Fatal(err)
		}
		if _, err := h.WhoAmI(session); err != nil {
			t.Errorf("enabled again: %v", err)
		}
		pachdtest.Want(t, enable(h.Root(), "user:nobody@example.com", false), codes.NotFound, "has never signed in")
		pachdtest.Want(t, enable(h.Root(), "pach:root", false), codes.InvalidArgument, "is not a person")
		if err := h.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		pachdtest.Want(t, enable(session, pachdtest.Alice, false), codes.FailedPrecondition, "lock yourself out")
	})
}

// refreshToken signs alice in to an application that wants to stay.
func (h *env) refreshToken(c *identitypb.OIDCClient) string {
	h.t.Helper()
	redirect := c.GetRedirectUris()[0]
	b := optest.NewBrowser(h.t, func(u *url.URL) bool { return strings.HasPrefix(u.String(), redirect) })
	page := b.SignIn(h.HTTP+"/auth?"+url.Values{
		"client_id": {c.GetId()}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "state": {"s"},
	}.Encode(), optest.Alice)
	token, status := h.redeem(c, url.Values{"grant_type": {"authorization_code"}, "code": {page.URL.Query().Get("code")}, "redirect_uri": {redirect}})
	if status != http.StatusOK || token == "" {
		h.t.Fatalf("no refresh token: %d; the page was %s", status, page.URL)
	}
	return token
}

func (h *env) refresh(c *identitypb.OIDCClient, token string) (next string, status int) {
	return h.redeem(c, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (h *env) redeem(c *identitypb.OIDCClient, form url.Values) (refresh string, status int) {
	h.t.Helper()
	form.Set("client_id", c.GetId())
	form.Set("client_secret", c.GetSecret())
	res, err := http.PostForm(h.HTTP+"/token", form)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		h.t.Fatal(err)
	}
	return answer.RefreshToken, res.StatusCode
}

// Design decision 4: takeover by e-mail is refused, and an administrator may
// join the two.
func TestLinkIdentity_AndUnlink(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.connectAs("first")
		_, session := h.through("first", optest.Alice)
		h.connectAs("second")

		page, _ := h.through("second", optest.Alice)
		if !strings.Contains(page.Text(), "pachctl idp link") {
			t.Errorf("the refusal says %q", page.Text())
		}
		own, waiting := h.identities()
		if waiting.GetState() != pachpb.Identity_WAITING || waiting.GetEmail() != "alice@example.com" || waiting.GetLastLogin() == nil {
			t.Fatalf("the identity that waits: %v", waiting)
		}
		if !strings.Contains(page.Text(), "pachctl idp link "+pachdtest.Alice+" "+waiting.GetId()) {
			t.Errorf("the refusal does not say how to link %s: %q", waiting.GetId(), page.Text())
		}
		link := func(ctx context.Context, who, id string) error {
			_, err := h.API.Pach.LinkIdentity(ctx, &pachpb.LinkIdentityRequest{User: who, IdentityId: id})
			return err
		}
		unlink := func(who, id string) error {
			_, err := h.API.Pach.UnlinkIdentity(h.Root(), &pachpb.UnlinkIdentityRequest{User: who, IdentityId: id})
			return err
		}
		pachdtest.Want(t, link(pachdtest.As(t.Context(), session), pachdtest.Alice, waiting.GetId()), codes.PermissionDenied)
		pachdtest.Want(t, link(h.Root(), "user:nobody@example.com", waiting.GetId()), codes.NotFound, "has never signed in")
		pachdtest.Want(t, link(h.Root(), pachdtest.Alice, "nosuch"), codes.NotFound, "pachctl auth list-users")
		pachdtest.Want(t, unlink(pachdtest.Alice, waiting.GetId()), codes.NotFound)
		if err := link(h.Root(), pachdtest.Alice, waiting.GetId()); err != nil {
			t.Fatal(err)
		}
		if err := link(h.Root(), pachdtest.Alice, waiting.GetId()); err != nil {
			t.Errorf("once more: %v", err)
		}
		_, second := h.through("second", optest.Alice)
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), second)); err != nil || who.GetUsername() != pachdtest.Alice {
			t.Errorf("through the second: %v, %v", who, err)
		}
		h.WantGroups(pachdtest.Alice, "group:admins", "group:engineers", "group:second/admins", "group:second/engineers")

		// Also the last one may go: nobody else inherits the name.
		for n, id := range []string{waiting.GetId(), own.GetId()} {
			if err := unlink(pachdtest.Alice, id); err != nil {
				t.Fatal(err)
			}
			for m, raw := range []string{second, session} {
				_, err := h.WhoAmI(pachdtest.As(t.Context(), raw))
				if ended := m <= n; ended != (err != nil) {
					t.Errorf("after %d were unlinked, session %d: %v", n+1, m, err)
				}
			}
		}
		h.WantGroups(pachdtest.Alice)
		for _, connector := range []string{"first", "second"} {
			if page, _ := h.through(connector, optest.Alice); !strings.Contains(page.Text(), "pachctl idp link") {
				t.Errorf("%s: %q", connector, page.Text())
			}
		}
		pachdtest.Want(t, unlink(pachdtest.Alice, own.GetId()), codes.NotFound)
		if err := link(h.Root(), pachdtest.Alice, own.GetId()); err != nil {
			t.Fatal(err)
		}
		if _, raw := h.through("first", optest.Alice); raw == "" {
			t.Error("linked again, she cannot sign in")
		}
		_, err := h.WhoAmI(pachdtest.As(t.Context(), session))
		pachdtest.Want(t, err, codes.Unauthenticated) // what had ended stays so
	})
}

func (h *env) identities() (first, second *pachpb.Identity) {
	h.t.Helper()
	for _, id := range h.Users()[pachdtest.Alice].GetIdentities() {
		switch id.GetConnector() {
		case "first":
			first = id
		case "second":
			second = id
		}
	}
	return first, second
}

func TestListTokens_WithoutValues(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := h.Alice()
		_, robot := h.Robot("ci", 3600)
		list := func(ctx context.Context, req *pachpb.ListTokensRequest) []*pachpb.Token {
			t.Helper()
			res, err := h.API.Pach.ListTokens(ctx, req)
			if err != nil {
				t.Fatal(err)
			}
			for _, raw := range []string{session, robot, h.RootToken} {
				if strings.Contains(res.String(), raw) {
					t.Errorf("a value is in %v", res)
				}
			}
			return res.GetTokens()
		}
		names := func(all []*pachpb.Token) (out []string) {
			for _, one := range all {
				out = append(out, one.GetPrincipal()+" "+one.GetConnector())
			}
			return out
		}
		her := pachdtest.As(t.Context(), session)
		if diff := cmp.Diff([]string{"pach:root ", "robot:ci ", pachdtest.Alice + " demo"}, names(list(h.Root(), &pachpb.ListTokensRequest{}))); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{pachdtest.Alice + " demo"}, names(list(h.Root(), &pachpb.ListTokensRequest{Sessions: true}))); diff != "" {
			t.Errorf("sessions (-want +got):\n%s", diff)
		}
		own := list(her, &pachpb.ListTokensRequest{Principal: pachdtest.Alice, Sessions: true})
		if len(own) != 1 || len(own[0].GetId()) != 12 || own[0].GetCreated() == nil || own[0].GetExpires() == nil {
			t.Errorf("her own: %v", own)
		}
		for _, req := range []*pachpb.ListTokensRequest{{}, {Principal: "robot:ci"}, {Sessions: true}} {
			_, err := h.API.Pach.ListTokens(her, req)
			pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_EXTRACT_TOKENS")
		}
		if _, err := h.API.Pach.SetUserEnabled(h.Root(), &pachpb.SetUserEnabledRequest{User: pachdtest.Alice}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"pach:root ", "robot:ci "}, names(list(h.Root(), &pachpb.ListTokensRequest{}))); diff != "" {
			t.Errorf("without who is disabled (-want +got):\n%s", diff)
		}
		h.Ahead(2 * time.Hour)
		if diff := cmp.Diff([]string{"pach:root "}, names(list(h.Root(), &pachpb.ListTokensRequest{}))); diff != "" {
			t.Errorf("without what has expired (-want +got):\n%s", diff)
		}
	})
}

func TestRevokeAll(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		sessions := []string{h.Alice(), h.Alice()}
		app, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		refresh := h.refreshToken(app.GetClient())
		robot, _ := h.Robot("ci", 0)
		_, err = h.API.Pach.RevokeAll(robot, &pachpb.RevokeAllRequest{Principal: pachdtest.Alice})
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_REVOKE_USER_TOKENS")
		got, err := h.API.Pach.RevokeAll(h.Root(), &pachpb.RevokeAllRequest{Principal: pachdtest.Alice})
		if err != nil || got.GetTokens() != 2 || got.GetRefreshTokens() != 1 {
			t.Errorf("revoked %v, %v", got, err)
		}
		for _, raw := range sessions {
			_, err := h.WhoAmI(pachdtest.As(t.Context(), raw))
			pachdtest.Want(t, err, codes.Unauthenticated)
		}
		if _, status := h.refresh(app.GetClient(), refresh); status != http.StatusBadRequest {
			t.Errorf("refresh afterwards: %d", status)
		}
		if _, err := h.WhoAmI(robot); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		_, err = h.API.Pach.RevokeAll(h.Root(), &pachpb.RevokeAllRequest{Principal: "pach:root"})
		pachdtest.Want(t, err, codes.FailedPrecondition, "cannot revoke tokens for pach: users")
	})
}

// Everybody lists and ends what is their own, and cannot tell what is another's
// from what is not there.
func TestRevokeSession_OwnOrByPermission(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		first, second := pachdtest.As(t.Context(), h.Alice()), pachdtest.As(t.Context(), h.Alice())
		made, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		app := made.GetClient()
		laptop, phone := h.refreshToken(app), h.refreshToken(app)
		robot, _ := h.Robot("ci", 0)
		list := func(ctx context.Context, who string) []*pachpb.RefreshToken {
			t.Helper()
			res, err := h.API.Pach.ListRefreshTokens(ctx, &pachpb.ListRefreshTokensRequest{Principal: who})
			if err != nil {
				t.Fatal(err)
			}
			return res.GetRefreshTokens()
		}
		revoke := func(ctx context.Context, id string) error {
			_, err := h.API.Pach.RevokeSession(ctx, &pachpb.RevokeSessionRequest{Id: id})
			return err
		}
		hers := list(first, pachdtest.Alice)
		if len(hers) != 2 || len(list(h.Root(), "")) != 2 || len(list(h.Root(), "user:bob@example.com")) != 0 {
			t.Fatalf("hers: %v, of all: %v", hers, list(h.Root(), ""))
		}
		got := hers[0]
		if got.GetPrincipal() != pachdtest.Alice || got.GetClient() != "app" || got.GetConnector() != "demo" || got.GetUsed() == nil ||
			!got.GetExpires().AsTime().After(got.GetCreated().AsTime()) {
			t.Errorf("listed %v", got)
		}
		for _, who := range []string{"", pachdtest.Alice} {
			_, err := h.API.Pach.ListRefreshTokens(robot, &pachpb.ListRefreshTokensRequest{Principal: who})
			pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_EXTRACT_TOKENS")
		}
		sessions, err := h.API.Pach.ListTokens(first, &pachpb.ListTokensRequest{Principal: pachdtest.Alice, Sessions: true})
		if err != nil || len(sessions.GetTokens()) != 2 {
			t.Fatalf("%v, %v", sessions, err)
		}
		for _, id := range []string{got.GetId(), sessions.GetTokens()[0].GetId(), "nosuch", "", sessions.GetTokens()[0].GetId()[:4]} {
			pachdtest.Want(t, revoke(robot, id), codes.NotFound, "there is no session or token")
		}
		pachdtest.Want(t, revoke(h.Root(), sessions.GetTokens()[0].GetId()[:4]), codes.NotFound) // could be any
		if err := revoke(first, got.GetId()); err != nil || len(list(first, pachdtest.Alice)) != 1 {
			t.Errorf("her own: %v, %v", err, list(first, pachdtest.Alice))
		}
		working := 0
		for _, raw := range []string{laptop, phone} {
			if _, status := h.refresh(app, raw); status == http.StatusOK {
				working++
			}
		}
		if working != 1 {
			t.Errorf("%d refresh tokens work", working)
		}
		// Tokens are listed oldest first: the second is that of another device.
		if err := revoke(first, sessions.GetTokens()[1].GetId()); err != nil {
			t.Error(err)
		}
		_, err = h.WhoAmI(second)
		pachdtest.Want(t, err, codes.Unauthenticated)
		if _, err := h.WhoAmI(first); err != nil {
			t.Errorf("her other session: %v", err)
		}
		if err := revoke(h.Root(), sessions.GetTokens()[0].GetId()); err != nil {
			t.Errorf("an administrator: %v", err)
		}
		_, err = h.WhoAmI(first)
		pachdtest.Want(t, err, codes.Unauthenticated)
		tokens, err := h.API.Pach.ListTokens(h.Root(), &pachpb.ListTokensRequest{Principal: "pach:root"})
		if err != nil || len(tokens.GetTokens()) != 1 {
			t.Fatalf("%v, %v", tokens, err)
		}
		pachdtest.Want(t, revoke(h.Root(), tokens.GetTokens()[0].GetId()), codes.FailedPrecondition, "cannot revoke tokens for pach: users")
	})
}

// An application that is made again under the same id inherits nothing.
func TestDeleteOIDCClient_EndsWhatWasGranted(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		make := func() *identitypb.OIDCClient {
			t.Helper()
			made, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
				Id: "app", Name: "app", Secret: "the-same", RedirectUris: []string{"http://test.example.com/callback"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			return made.GetClient()
		}
		app := make()
		raw := h.refreshToken(app)
		if _, err := h.API.Identity.DeleteOIDCClient(h.Root(), &identitypb.DeleteOIDCClientRequest{Id: "app"}); err != nil {
			t.Fatal(err)
		}
		if _, status := h.refresh(app, raw); status != http.StatusUnauthorized {
			t.Errorf("while it is gone: %d", status)
		}
		if _, status := h.refresh(make(), raw); status != http.StatusBadRequest {
			t.Errorf("of one made again: %d", status)
		}
	})
}

func TestOIDCClients_PKCE(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		theirs := &identitypb.OIDCClient{Id: "console", Name: "console"}
		if _, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: theirs}); err != nil {
			t.Fatal(err)
		}
		for id, p := range map[string]pachpb.PKCE{"exempt": pachpb.PKCE_PKCE_OPTIONAL, "own": pachpb.PKCE_PKCE_UNKNOWN} {
			_, err := h.API.Pach.CreateOIDCClient(h.Root(), &pachpb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{Id: id, Name: id}, Pkce: p})
			if err != nil {
				t.Fatal(err)
			}
		}
		set := func(id string, p pachpb.PKCE) {
			t.Helper()
			if _, err := h.API.Pach.UpdateOIDCClient(h.Root(), &pachpb.UpdateOIDCClientRequest{Id: id, Pkce: p}); err != nil {
				t.Fatal(err)
			}
		}
		want := func(console, exempt, own pachpb.PKCE) {
			t.Helper()
			got := map[string]pachpb.PKCE{}
			req := &pachpb.ListOIDCClientsRequest{PageSize: 2}
			for {
				res, err := h.API.Pach.ListOIDCClients(h.Root(), req)
				if err != nil || len(res.GetClients()) > 2 {
					t.Fatalf("%v, %v", res, err)
				}
				for _, c := range res.GetClients() {
					got[c.GetClient().GetId()] = c.GetPkce()
					if c.GetClient().GetSecret() != "" {
						t.Error("a secret is shown")
					}
					one, err := h.API.Pach.GetOIDCClient(h.Root(), &pachpb.GetOIDCClientRequest{Id: c.GetClient().GetId()})
					if err != nil || one.GetPkce() != c.GetPkce() {
						t.Errorf("alone: %v, %v", one, err)
					}
				}
				if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
					break
				}
			}
			if diff := cmp.Diff(map[string]pachpb.PKCE{"console": console, "exempt": exempt, "own": own, "pachd": pachpb.PKCE_PKCE_REQUIRED}, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		want(pachpb.PKCE_PKCE_UNTIL_USED, pachpb.PKCE_PKCE_OPTIONAL, pachpb.PKCE_PKCE_REQUIRED)
		set("own", pachpb.PKCE_PKCE_OPTIONAL)
		set("exempt", pachpb.PKCE_PKCE_REQUIRED)
		set("console", pachpb.PKCE_PKCE_REQUIRED)
		want(pachpb.PKCE_PKCE_REQUIRED, pachpb.PKCE_PKCE_REQUIRED, pachpb.PKCE_PKCE_OPTIONAL)
		set("own", pachpb.PKCE_PKCE_UNTIL_USED)
		set("exempt", pachpb.PKCE_PKCE_UNKNOWN)
		want(pachpb.PKCE_PKCE_REQUIRED, pachpb.PKCE_PKCE_REQUIRED, pachpb.PKCE_PKCE_OPTIONAL)
	})
}

func TestExplain_BindingGroupAndSource(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		if err := h.Bind(pachdtest.Cluster(), "group:admins", "debugger"); err != nil {
			t.Fatal(err)
		}
		ask := &pachpb.ExplainRequest{Permission: authpb.Permission_CLUSTER_DEBUG_DUMP, Resource: pachdtest.Cluster()}
		got, err := h.API.Pach.Explain(session, ask)
		if err != nil || len(got.GetGrants()) != 1 || len(got.GetGrants()[0].GetSources()) != 1 {
			t.Fatalf("%v, %v", got, err)
		}
		seen := got.GetGrants()[0].GetSources()[0].GetSeen()
		wanted := &pachpb.ExplainResponse{Allowed: true, Principal: pachdtest.Alice, Grants: []*pachpb.Grant{{
			Resource: pachdtest.Cluster(), Principal: "group:admins", Role: "debugger", Sources: []*pachpb.MembershipSource{{Source: "connector/demo", Seen: seen}},
		}}}
		if diff := cmp.Diff(wanted, got, protocmp.Transform()); diff != "" || seen == nil {
			t.Errorf("(-want +got):\n%s", diff)
		}
		ask.Permission, ask.Resource = authpb.Permission_REPO_READ, pachdtest.Repo("default/images")
		ask.Principal = pachdtest.Alice
		got, err = h.API.Pach.Explain(session, ask)
		if err != nil || got.GetAllowed() || len(got.GetSuggestions()) == 0 || got.GetSuggestions()[0].GetRole() != "repoReader" {
			t.Errorf("what would be needed: %v, %v", got, err)
		}
		ask.Principal = "user:bob@example.com"
		_, err = h.API.Pach.Explain(session, ask)
		pachdtest.Want(t, err, codes.PermissionDenied, "CLUSTER_AUTH_GET_PERMISSIONS_FOR_PRINCIPAL")
		if got, err := h.API.Pach.Explain(h.Root(), ask); err != nil || got.GetPrincipal() != ask.GetPrincipal() {
			t.Errorf("an administrator asks: %v, %v", got, err)
		}
		for text, bad := range map[string]*pachpb.ExplainRequest{
			"resource is required": {Permission: authpb.Permission_REPO_READ},
			"unknown permission":   {Resource: pachdtest.Cluster()},
			"no prefix":            {Principal: "bob", Resource: pachdtest.Cluster(), Permission: authpb.Permission_REPO_READ},
		} {
			_, err := h.API.Pach.Explain(h.Root(), bad)
			pachdtest.Want(t, err, codes.InvalidArgument, text)
		}
	})
}

// Pitfall 16.
func TestUpdateOIDCClient_ClearListsRotateSecret(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		created, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"}, TrustedPeers: []string{"other"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		app := created.GetClient()
		got, err := h.API.Pach.UpdateOIDCClient(h.Root(), &pachpb.UpdateOIDCClientRequest{Id: "app", TrustedPeers: &pachpb.StringList{}})
		if err != nil || got.GetSecret() != "" {
			t.Fatalf("%v, %v", got, err)
		}
		stored, err := h.API.Identity.GetOIDCClient(h.Root(), &identitypb.GetOIDCClientRequest{Id: "app"})
		wanted := &identitypb.OIDCClient{Id: "app", Name: "app", RedirectUris: app.GetRedirectUris()}
		if diff := cmp.Diff(wanted, stored.GetClient(), protocmp.Transform()); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		got, err = h.API.Pach.UpdateOIDCClient(h.Root(), &pachpb.UpdateOIDCClientRequest{Id: "app", NewSecret: true})
		if err != nil || len(got.GetSecret()) < 40 || got.GetSecret() == app.GetSecret() {
			t.Fatalf("%v, %v", got, err)
		}
		if _, status := h.refresh(app, "x"); status != http.StatusUnauthorized {
			t.Errorf("with the old secret: %d", status)
		}
		app.Secret = got.GetSecret()
		h.refreshToken(app)
		_, err = h.API.Pach.UpdateOIDCClient(h.Root(), &pachpb.UpdateOIDCClientRequest{Id: "nosuch", NewSecret: true})
		pachdtest.Want(t, err, codes.NotFound, `unable to find OIDC client with id "nosuch"`)
	})
}

func TestListTokens_Pages(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		want := map[string]bool{"pach:root": true}
		for _, name := range []string{"a", "b", "c", "d"} {
			h.Robot(name, 0)
			want["robot:"+name] = true
		}
		got := map[string]bool{}
		req := &pachpb.ListTokensRequest{PageSize: 2}
		for n := 1; ; n++ {
			res, err := h.API.Pach.ListTokens(h.Root(), req)
			if err != nil || len(res.GetTokens()) > 2 || n > 3 {
				t.Fatalf("page %d: %v, %v", n, res, err)
			}
			for _, token := range res.GetTokens() {
				if got[token.GetPrincipal()] {
					t.Errorf("%s is listed twice", token.GetPrincipal())
				}
				got[token.GetPrincipal()] = true
			}
			if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("all pages (-want +got):\n%s", diff)
		}
	})
}

func TestListConnectorStates_Pages(t *testing.T) {
	h := open(t)
	h.Connect()
	h.connectAs("other")
	var ids []string
	for req := (&pachpb.ListConnectorStatesRequest{PageSize: 1}); ; {
		res, err := h.API.Pach.ListConnectorStates(h.Root(), req)
		if err != nil || len(res.GetStates()) > 1 || len(ids) > 2 {
			t.Fatalf("after %q: %v, %v", ids, res, err)
		}
		for _, s := range res.GetStates() {
			ids = append(ids, s.GetId())
		}
		if req.PageToken = res.GetNextPageToken(); req.GetPageToken() == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"demo", "other"}, ids); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// No list takes a token that it has not given, such as a key that somebody made up.
func TestPageTokens_OfEveryList(t *testing.T) {
	h := open(t)
	lists := 0
	for _, service := range api.Services() {
		file, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service.Desc.ServiceName))
		if err != nil {
			t.Fatal(err)
		}
		methods := file.(protoreflect.ServiceDescriptor).Methods()
		for n := range methods.Len() {
			m := methods.Get(n)
			field := m.Input().Fields().ByName("page_token")
			if field == nil {
				continue
			}
			lists++
			req, resp := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
			req.Set(field, protoreflect.ValueOfString("user:ada@example.com"))
			err := h.Conn.Invoke(h.Root(), "/"+service.Desc.ServiceName+"/"+string(m.Name()), req, resp)
			pachdtest.Want(t, err, codes.InvalidArgument, "page token")
		}
	}
	if lists < 13 {
		t.Errorf("%d lists were found", lists)
	}
}
