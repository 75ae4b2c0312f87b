package auth_test

import (
	"testing"

	"pachyderm/internal/pachd/pachdtest"
)

// env is a pachd whose sessions last an hour.
type env struct {
	*pachdtest.Server
	t *testing.T
}

func each(t *testing.T, f func(t *testing.T, h *env)) {
	t.Helper()
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) { f(t, &env{s, t}) }, pachdtest.ShortSessions)
}

func open(t *testing.T) *env {
	t.Helper()
	return &env{pachdtest.Start(t, pachdtest.ShortSessions), t}
}
