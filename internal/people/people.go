package people

import (
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/issuer/refreshtoken"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/session"
)

// Config is what a Service is made from.
type Config struct {
	DB       *db.DB
	Sessions *session.Service
	Registry *registry.Registry
	Refresh  *refreshtoken.Tokens
	Traces   *trace.Store
	Now      func() time.Time
}

// Service looks after people. It is safe for concurrent use.
type Service struct{ with Config }

// New makes a service.
func New(c Config) *Service { return &Service{c} }

// lastSeen is when somebody last signed in or used what that gave.
func lastSeen(p identity.Person) time.Time {
	if p.LastUse.After(p.LastLogin) {
		return p.LastUse
	}
	return p.LastLogin
}
