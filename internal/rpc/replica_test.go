package rpc_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	"pachyderm/internal/config"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// Two pachds on one PostgreSQL: what one changes the other soon knows, by
// nothing but the announcement.
func TestReplicas_ForgetWhatAnotherChanged(t *testing.T) {
	url := dbtest.ReadyPostgresURL(t)
	key := filepath.Join(t.TempDir(), "sealing-key")
	share := func(c *config.Config) {
		c.Database.URL = secret.Text(url)
		c.Sealing.KeyFile = key
		c.Auth.RootToken = "the-root-token-of-both"
	}
	here, there := pachdtest.Start(t, share), pachdtest.Start(t, share)
	apiHere, apiThere := here.API.Auth, there.API.Auth
	root := pachdtest.As(t.Context(), here.RootToken)

	res, err := apiHere.GetRobotToken(root, &authpb.GetRobotTokenRequest{Robot: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	robot := pachdtest.As(t.Context(), res.GetToken())
	who, err := apiThere.WhoAmI(robot, &authpb.WhoAmIRequest{})
	if err != nil || who.GetUsername() != "robot:ci" {
		t.Fatalf("the other replica says %v, %v", who, err)
	}

	cluster := &authpb.Resource{Type: authpb.ResourceType_CLUSTER}
	_, err = apiHere.ModifyRoleBinding(root, &authpb.ModifyRoleBindingRequest{Resource: cluster, Principal: "robot:ci", Roles: []string{"debugger"}})
	if err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		res, err := apiThere.Authorize(robot, &authpb.AuthorizeRequest{Resource: cluster, Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
		if err != nil {
			t.Fatal(err)
		}
		return res.GetAuthorized()
	})

	if _, err := apiHere.RevokeAuthTokensForUser(root, &authpb.RevokeAuthTokensForUserRequest{Username: "robot:ci"}); err != nil {
		t.Fatal(err)
	}
	if _, err := apiHere.WhoAmI(robot, &authpb.WhoAmIRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("here, the very next call: %v", err)
	}
	until(t, func() bool {
		_, err := apiThere.WhoAmI(robot, &authpb.WhoAmIRequest{})
		return status.Code(err) == codes.Unauthenticated
	})
}

// What one is told of the issuer the other serves.
func TestReplicas_ServeTheSameIssuer(t *testing.T) {
	url := dbtest.ReadyPostgresURL(t)
	key := filepath.Join(t.TempDir(), "sealing-key")
	share := func(c *config.Config) {
		c.Database.URL = secret.Text(url)
		c.Sealing.KeyFile = key
		c.Auth.RootToken = "the-root-token-of-both"
	}
	here, there := pachdtest.Start(t, share), pachdtest.Start(t, share)
	const issuer = "http://localhost:30658/dex"
	_, err := here.API.Identity.SetIdentityServerConfig(pachdtest.As(t.Context(), here.RootToken), &identitypb.SetIdentityServerConfigRequest{
		Config: &identitypb.IdentityServerConfig{Issuer: issuer},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, replica := range []*pachdtest.Server{here, there} {
		until(t, func() bool {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, replica.HTTP+"/dex/.well-known/openid-configuration", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			var document struct{ Issuer string }
			return res.StatusCode == http.StatusOK && json.NewDecoder(res.Body).Decode(&document) == nil && document.Issuer == issuer
		})
	}
}

// until asks again and again; the test's own time limit ends it.
func until(t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		if t.Context().Err() != nil {
			t.Fatal(t.Context().Err())
		}
	}
}
