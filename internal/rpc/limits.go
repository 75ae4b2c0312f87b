package rpc

import (
	"context"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// forwardedFor is X-Forwarded-For as a proxy that speaks gRPC sends it.
const forwardedFor = "x-forwarded-for"

// withClient notes who calls, unless it came over HTTP, where that is known.
func (s *Server) withClient(ctx context.Context) context.Context {
	if _, ok := limit.FromContext(ctx); ok {
		return ctx
	}
	var address string
	if p, ok := peer.FromContext(ctx); ok {
		address = p.Addr.String()
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return limit.NewContext(ctx, s.limits.Proxies.Client(address, md.Get(forwardedFor)))
}

// limit counts the calls that need no token and cost something.
func (s *Server) limit(ctx context.Context, method string) error {
	switch method {
	case authpb.API_GetOIDCLogin_FullMethodName:
		return s.limits.Admit(limit.SignIns, limit.NetworkOf(ctx), "", 1)
	case authpb.API_Authenticate_FullMethodName, "/license_v2.API/Heartbeat":
		return s.limits.Admit(limit.Authenticates, limit.NetworkOf(ctx), "", 1)
	}
	return nil
}

// wait takes a place for a call that waits for a person.
func (s *Server) wait(ctx context.Context, req any) (leave func(), err error) {
	var what string
	switch r := req.(type) {
	case *authpb.AuthenticateRequest:
		what = r.GetOidcState()
	case *pachpb.WaitConnectorTestRequest:
		what = r.GetTestId()
	}
	if what == "" {
		return func() {}, nil
	}
	return s.limits.Wait.Take(secret.Hash(what), limit.NetworkOf(ctx))
}
