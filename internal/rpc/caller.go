package rpc

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"pachyderm/internal/access"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

// tokenKey is the metadata key that upstream's clients send their token in.
const tokenKey = "authn-token" //nolint:gosec // a name, not a credential

// caller is who makes a call, as the interceptor found out.
type caller struct {
	name   principal.Name
	groups []principal.Name
	token  token.Info
	// may is everybody's roles as they were when the call came in.
	may *access.Index
}

type callerKey struct{}

func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// intercept is every call's way in: recover, authenticate, authorize, and on
// the way out faults become status.
func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() { err = s.finish(ctx, info.FullMethod, recover(), err) }()
	ctx, err = s.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	defer func() { err = s.finish(stream.Context(), info.FullMethod, recover(), err) }()
	if _, err := s.admit(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(srv, stream)
}

// finish is every call's way out.
func (s *Server) finish(ctx context.Context, method string, panicked any, err error) error {
	if panicked != nil {
		err = fmt.Errorf("panic: %v\n%s", panicked, debug.Stack())
	}
	err = toStatus(ctx, s.Log, method, err)
	s.Calls.WithLabelValues(method, status.Code(err).String()).Inc()
	return err
}

func (s *Server) admit(ctx context.Context, method string) (context.Context, error) {
	r := s.rows[method]
	switch r.kind {
	case public:
		return ctx, nil
	case signedIn, clusterNeed:
		c, err := s.authenticate(ctx)
		if err != nil {
			return ctx, err
		}
		if r.kind == clusterNeed {
			if err := s.authorize(c, access.Resource{Type: access.Cluster}, r.need); err != nil {
				return ctx, err
			}
		}
		return context.WithValue(ctx, callerKey{}, c), nil
	case later:
		return ctx, fault.New(fault.Unimplemented, "%s is not part of this pachd yet", method)
	}
	return ctx, fmt.Errorf("no auth function for %q, this is a bug", method)
}

// authenticate finds out who calls, and what all may do now. The texts are upstream's, which clients look for.
func (s *Server) authenticate(ctx context.Context) (c caller, err error) {
	if c.may, err = s.Access.Index(ctx); err != nil {
		return c, err
	}
	if !c.may.Active() {
		return c, errNotActivated()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	tokens := md.Get(tokenKey)
	switch {
	case len(tokens) == 0:
		return c, fault.New(fault.Unauthenticated, "no authentication token (try logging in)")
	case len(tokens) > 1:
		return c, fault.New(fault.Unauthenticated, "multiple authentication token keys found in context")
	}
	known, err := s.callers.get(ctx, secret.Text(tokens[0]), s.identify)
	if err != nil {
		return c, err
	}
	if err := known.token.CheckExpiry(s.Now()); err != nil {
		return c, err
	}
	known.may = c.may
	return known, nil
}

// identify reads who a token belongs to: token, gate and groups in one view of
// the database.
func (s *Server) identify(ctx context.Context, raw secret.Text) (c caller, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		c.token, err = token.Verify(ctx, tx, raw, s.Now())
		if err != nil {
			return err
		}
		c.name = c.token.Subject
		if err := identity.Gate(ctx, tx, c.token.IdentityID); err != nil {
			return err
		}
		c.groups, err = identity.Groups(ctx, tx, c.name)
		return err
	})
	return c, err
}

// authorize checks one permission of a caller on a resource.
func (s *Server) authorize(c caller, r access.Resource, need access.Permission) error {
	if c.may.Decide(c.name, c.groups, r, access.SetOf(need)).Allowed {
		return nil
	}
	return access.DeniedError(c.name, r, []access.Permission{need})
}

func errNotActivated() error {
	return fault.New(fault.Unimplemented, "the auth service is not activated")
}

// remoteHost is the address of the client, without its port.
func remoteHost(ctx context.Context) string {
	p, ok := peer.FromContext(ctx)
	if !ok || p.Addr == nil {
		return ""
	}
	host, _, err := net.SplitHostPort(p.Addr.String())
	if err != nil {
		return p.Addr.String()
	}
	return host
}
