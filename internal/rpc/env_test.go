package rpc_test

import (
	"context"
	"testing"
	"time"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

// env is a pachd and what the tests of this package call of it most.
type env struct {
	*pachdtest.Server
	t    *testing.T
	auth authpb.APIClient
	idp  identitypb.APIClient
	pach pachpb.APIClient
}

func each(t *testing.T, f func(t *testing.T, h *env)) {
	t.Helper()
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) { f(t, newEnv(t, s)) }, settings)
}

func open(t *testing.T) *env {
	t.Helper()
	return newEnv(t, pachdtest.Start(t, settings))
}

func settings(c *config.Config) {
	c.Auth.SessionDuration = config.Duration(time.Hour)
	c.Cluster.DeploymentID = "the-deployment"
}

func newEnv(t *testing.T, s *pachdtest.Server) *env {
	return &env{Server: s, t: t, auth: s.API.Auth, idp: s.API.Identity, pach: s.API.Pach}
}

func as(ctx context.Context, token string) context.Context { return pachdtest.As(ctx, token) }
