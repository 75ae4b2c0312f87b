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

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/rpc/caller"
	"pachyderm/internal/secret"
	"pachyderm/internal/token"
)

// tokenKey is the metadata key that upstream's clients send their token in.
const tokenKey = "authn-token" //nolint:gosec // a name, not a credential

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
	case signedIn, clusterNeed, onceActive:
		c, err := s.authenticate(ctx)
		if r.kind == onceActive && c.May != nil && !c.May.Active() {
			return ctx, nil
		}
		if err != nil {
			return ctx, err
		}
		if r.need != 0 {
			if err := c.AuthorizeCluster(r.need); err != nil {
				return ctx, err
			}
		}
		return caller.With(ctx, c), nil
	case later:
		return ctx, fault.New(fault.Unimplemented, "%s is not part of this pachd yet", method)
	}
	return ctx, fmt.Errorf("no auth function for %q, this is a bug", method)
}

// authenticate finds out who calls, and what all may do now. The texts are upstream's, which clients look for.
func (s *Server) authenticate(ctx context.Context) (c caller.Caller, err error) {
	if c.May, err = s.Access.Index(ctx); err != nil {
		return c, err
	}
	if !c.May.Active() {
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
	if err := known.Token.CheckExpiry(s.Now()); err != nil {
		return c, err
	}
	known.May = c.May
	return known, nil
}

// identify reads who a token belongs to: token, gate and groups in one view of
// the database.
func (s *Server) identify(ctx context.Context, raw secret.Text) (c caller.Caller, err error) {
	err = s.DB.View(ctx, func(tx *db.Tx) error {
		c.Token, err = token.Verify(ctx, tx, raw, s.Now())
		if err != nil {
			return err
		}
		c.Name = c.Token.Subject
		if err := identity.Gate(ctx, tx, c.Token.IdentityID); err != nil {
			return err
		}
		if err := identity.GateName(ctx, tx, c.Name); err != nil {
			return err
		}
		c.Groups, err = identity.Groups(ctx, tx, c.Name)
		return err
	})
	return c, err
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
