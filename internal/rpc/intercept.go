package rpc

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"pachyderm/api"
	"pachyderm/internal/access"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/requestid"
	"pachyderm/internal/secret"
)

// intercept is every call's way in: recover, authenticate, authorize, and on
// the way out faults become status.
func (s *Server) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	arrived(ctx)
	took := prometheus.NewTimer(s.Durations.WithLabelValues(info.FullMethod))
	ctx, traced := s.tracer.Request(ctx, info.FullMethod)
	defer func() {
		traced(err)
		err = s.finish(ctx, info.FullMethod, recover(), err)
		took.ObserveDuration()
	}()
	ctx = withID(s.withClient(ctx))
	if err := s.limit(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	if err := checkSize(info.FullMethod, req); err != nil {
		return nil, err
	}
	ctx, err = s.admit(ctx, info.FullMethod)
	if err != nil {
		return nil, err
	}
	leave, err := s.wait(ctx, req)
	if err != nil {
		return nil, err
	}
	defer leave()
	if err := s.pages.Open(info.FullMethod, req); err != nil {
		return nil, err
	}
	resp, err = handler(ctx, req)
	if err == nil {
		err = s.pages.Seal(info.FullMethod, resp)
	}
	return resp, err
}

func (s *Server) interceptStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	unknown, counted := srv == nil, info.FullMethod
	if unknown {
		counted = "unknown" // whoever calls makes the name up, and each would be counted by itself
	}
	defer func() { err = s.finish(stream.Context(), counted, recover(), err) }()
	if err := s.limit(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	if unknown {
		return handler(srv, stream)
	}
	ctx, err := s.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if info.IsClientStream {
		arrived(ctx) // listen has a limit of its own
		return listen(srv, admitted{stream, ctx}, handler)
	}
	return handler(srv, admitted{stream, ctx})
}

// admitted is a stream whose context knows the caller.
type admitted struct {
	grpc.ServerStream
	ctx context.Context
}

func (a admitted) Context() context.Context { return a.ctx }

// RecvMsg is grpc.ServerStream's.
func (a admitted) RecvMsg(m any) error {
	defer arrived(a.ctx)
	return a.ServerStream.RecvMsg(m)
}

// withID names a call, unless it came over HTTP, where it has its id. A caller that
// is gone already hears of none.
func withID(ctx context.Context) context.Context {
	known := requestid.Of(ctx) != ""
	ctx, id := requestid.New(ctx)
	if !known {
		_ = grpc.SetHeader(ctx, metadata.Pairs(requestid.Header, id))
	}
	return ctx
}

func errPanic(panicked any) error { return fmt.Errorf("panic: %v\n%s", panicked, debug.Stack()) }

// finish is every call's way out.
func (s *Server) finish(ctx context.Context, method string, panicked any, err error) error {
	if panicked != nil {
		err = errPanic(panicked)
	}
	err = s.refusals.toStatus(ctx, method, err)
	s.Calls.WithLabelValues(method, status.Code(err).String()).Inc()
	return err
}

// admit finds out who calls, and whether the policy table lets them. The
// context it returns knows the caller.
func (s *Server) admit(ctx context.Context, method string) (context.Context, error) {
	if err := checkTransaction(ctx, method); err != nil {
		return ctx, err
	}
	r := s.rows[method]
	switch r.kind {
	case public:
		return ctx, nil
	case optionalToken:
		return s.welcome(ctx), nil
	case unimplemented:
		return ctx, fault.New(fault.Unimplemented, "%s is not part of this pachd yet", method)
	case publicOnceActivated, openUntilActivated, signedIn, clusterPermission:
	default:
		return ctx, fmt.Errorf("no auth function for %q, this is a bug", method)
	}
	roles, err := s.sessions.Roles(ctx)
	switch {
	case err != nil:
		return ctx, err
	case !roles.Active() && r.kind == openUntilActivated:
		trust(ctx)
		return session.Unguarded(ctx), nil
	case !roles.Active():
		return ctx, session.ErrNotActivated()
	case r.kind == publicOnceActivated:
		return ctx, nil
	}
	c, err := s.authenticate(ctx, roles)
	if err == nil && r.need != 0 {
		err = c.AuthorizeCluster(r.need)
	}
	return session.NewContext(ctx, c), err
}

// checkTransaction refuses what would be changed at once although the caller
// expects it to be part of a transaction. (Console takes Unimplemented for
// "authentication is off".) Fault: Precondition.
func checkTransaction(ctx context.Context, method string) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if strings.Join(md.Get(api.TransactionKey), "") == "" || slices.Contains(reads, method) || slices.Contains(inTransactions, method) {
		return nil
	}
	return fault.New(fault.Precondition, "%s cannot be part of a transaction, and nothing was changed", method).
		Next("leave the transaction with pachctl stop transaction, or send no %s", api.TransactionKey)
}

// welcome turns nobody away: the context knows the caller if there is a good
// token, and otherwise nobody.
func (s *Server) welcome(ctx context.Context) context.Context {
	roles, err := s.sessions.Roles(ctx)
	if err != nil {
		return ctx
	}
	if !roles.Active() {
		return session.Unguarded(ctx)
	}
	c, err := s.authenticate(ctx, roles)
	if err != nil {
		return ctx
	}
	return session.NewContext(ctx, c)
}

// authenticate finds out who calls. The texts are upstream's, which clients
// look for.
func (s *Server) authenticate(ctx context.Context, roles *access.Index) (session.Caller, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	switch tokens := md.Get(api.TokenKey); len(tokens) {
	case 0:
		return session.Caller{}, fault.New(fault.Unauthenticated, "no authentication token (try logging in)")
	case 1:
		c, err := s.sessions.Verify(ctx, roles, secret.Text(tokens[0]))
		if err == nil {
			trust(ctx)
		}
		return c, err
	}
	return session.Caller{}, fault.New(fault.Unauthenticated, "multiple authentication token keys found in context")
}
