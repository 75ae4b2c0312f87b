package rpc

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	authpb "pachyderm/api/auth"
	datapb "pachyderm/api/data"
	pachpb "pachyderm/api/pach"
	pfspb "pachyderm/api/pfs"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

// forwardedFor is X-Forwarded-For as a proxy that speaks gRPC sends it.
const forwardedFor = "x-forwarded-for"

const (
	// maxStreams is how many calls one connection may have under way.
	maxStreams = 128
	// maxHeaders bounds the metadata of a call, in bytes: a token is the longest.
	maxHeaders = 32 << 10
	// readBuffer is what a connection reads at a time, in bytes. It holds these as long as
	// it is open, whether it says anything or not. writeBuffer is what it writes at a
	// time, and holds meanwhile: at least a frame of HTTP/2 that is full.
	readBuffer, writeBuffer = 8 << 10, 32 << 10
	// window is what may be sent of a request before it is read, in bytes, and
	// connWindow of all requests over a connection. gRPC itself would let them grow. How
	// much of it a stranger may use, volume says.
	window, connWindow = 1 << 20, 4 << 20
	// shakeFor is how long a connection may take to begin, TLS included.
	shakeFor = 10 * time.Second
	// idleFor is how long a connection may be open without a call.
	idleFor = 15 * time.Minute
	// pingAfter is after how long of silence a client is asked whether it is
	// there, and pingFor how long it may take to answer.
	pingAfter, pingFor = time.Minute, 20 * time.Second
	// pingsApart is how often clients may ask that.
	pingsApart = 5 * time.Second
	// callFor is how long a call may take, its request included, and waitFor one
	// that waits for a person: longer than any sign-in is waited for, so that
	// only whoever never says for which it waits is cut off.
	callFor, waitFor = 2 * time.Minute, 15 * time.Minute
	// dataFor is how long a call may take that carries files, or waits for a commit,
	// of somebody whose token is good.
	dataFor = 24 * time.Hour
	// refuseFor is how long a call for which there is no place may take to send
	// its request, and be told so.
	refuseFor = 100 * time.Millisecond
)

type refusedKey struct{}

type lateKey struct{}

// bounds are what the transport takes from anybody.
func (s *Server) bounds() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(maxHeaders),
		grpc.ReadBufferSize(readBuffer), grpc.WriteBufferSize(writeBuffer),
		grpc.StaticStreamWindowSize(window), grpc.StaticConnWindowSize(connWindow),
		grpc.ConnectionTimeout(shakeFor),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleFor, Time: pingAfter, Timeout: pingFor}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingsApart, PermitWithoutStream: true}),
		grpc.InTapHandle(s.begin),
	}
}

// begin is every call over the network before its request is read: it takes a
// place until the call is over, and has a longest life. One that gets no place
// and has a deadline is refused by limit: an error here would leave gRPC with the
// timer of the deadline, for as long as the client says.
func (s *Server) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	over := ctx
	if v := volumeOf(ctx); v != nil {
		v.begin()
		context.AfterFunc(over, v.end)
	}
	ctx = s.withClient(ctx)
	life := callFor
	leave, err := s.limits.Calls.Take("", limit.NetworkOf(ctx))
	if err == nil {
		context.AfterFunc(over, leave)
	} else if _, timed := ctx.Deadline(); !timed {
		return ctx, s.refusals.toStatus(ctx, info.FullMethodName, err)
	}
	switch info.FullMethodName {
	case authpb.API_Authenticate_FullMethodName, pachpb.API_WaitConnectorTest_FullMethodName, pachpb.API_WaitSetupTest_FullMethodName,
		pachpb.API_GetSetupLink_FullMethodName, grpc_health_v1.Health_Watch_FullMethodName:
		life = waitFor
	default:
		if v := volumeOf(over); v != nil && v.isTrusted() && carriesData(info.FullMethodName) {
			life = dataFor
		}
	}
	if err != nil {
		ctx, life = context.WithValue(ctx, refusedKey{}, err), refuseFor
	}
	ctx, cancel := context.WithTimeout(ctx, life)
	context.AfterFunc(over, cancel)
	if life > waitFor {
		ctx = context.WithValue(ctx, lateKey{}, time.AfterFunc(callFor, cancel))
	}
	return ctx, nil
}

// arrived is for a call whose request, or first message, is there: half of one is not kept
// for as long as what it asks for may take.
func arrived(ctx context.Context) {
	if late, ok := ctx.Value(lateKey{}).(*time.Timer); ok {
		late.Stop()
	}
}

// maxRequest is how large a request may be that carries no files, in bytes: gRPC's own
// limit where nobody sets one.
const maxRequest = 4 << 20

// checkSize refuses a request that only files may be as large as. gRPC has one limit for
// all methods. Fault: Invalid.
func checkSize(method string, req any) error {
	m, ok := req.(proto.Message)
	if !ok || carriesData(method) || proto.Size(m) <= maxRequest {
		return nil
	}
	return fault.New(fault.Invalid, "the request has %d bytes, and may have %d", proto.Size(m), maxRequest).
		Next("divide it into several")
}

func carriesData(method string) bool {
	return strings.HasPrefix(method, "/"+pfspb.API_ServiceDesc.ServiceName+"/") || method == datapb.API_ModifyFiles_FullMethodName
}

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

// limit refuses the calls that got no place, and counts those that need no
// token and cost something.
func (s *Server) limit(ctx context.Context, method string) error {
	if err, ok := ctx.Value(refusedKey{}).(error); ok {
		return err
	}
	switch method {
	case authpb.API_GetOIDCLogin_FullMethodName:
		return s.limits.Admit(limit.SignIns, limit.NetworkOf(ctx), "", 1)
	case authpb.API_Authenticate_FullMethodName, pachpb.API_BeginRootSession_FullMethodName, "/license_v2.API/Heartbeat",
		pachpb.API_BeginSetup_FullMethodName, pachpb.API_CheckSetup_FullMethodName, pachpb.API_StartSetupTest_FullMethodName,
		pachpb.API_SubmitSetup_FullMethodName:
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
	case *pachpb.WaitSetupTestRequest:
		what = r.GetTestId()
	case *pachpb.GetSetupLinkRequest:
		if r.GetSeen() != nil {
			what = rand.Text() // several may look at one link
		}
	}
	if what == "" {
		return func() {}, nil
	}
	return s.limits.Wait.Take(secret.Hash(what), limit.NetworkOf(ctx))
}
