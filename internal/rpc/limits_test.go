package rpc

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	pfspb "pachyderm/api/pfs"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
)

func bounded() *Server {
	log := slog.New(slog.DiscardHandler)
	return &Server{refusals: to(log), limits: limit.New(limit.Config{SignInsPerMinute: 600, Log: log, Now: time.Now})}
}

// called is the context of a call from an address, until it is over.
func called(t *testing.T, address string) (ctx context.Context, over func()) {
	ctx, over = context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 4711}}))
	t.Cleanup(over)
	return ctx, over
}

func TestBegin_CallsHaveALongestLife(t *testing.T) {
	s := bounded()
	for method, most := range map[string]time.Duration{
		authpb.API_WhoAmI_FullMethodName: callFor, authpb.API_Authenticate_FullMethodName: waitFor, pachpb.API_WaitConnectorTest_FullMethodName: waitFor,
	} {
		ctx, _ := called(t, "192.0.2.1")
		ctx, err := s.begin(ctx, &tap.Info{FullMethodName: method})
		end, limited := ctx.Deadline()
		if left := time.Until(end); err != nil || !limited || left > most || most == waitFor && left < callFor {
			t.Errorf("%s: may take %v, %v", method, left, err)
		}
	}
}

// received is a stream of which a message has come.
type received struct{ grpc.ServerStream }

func (received) RecvMsg(any) error { return nil }

// What asks for files may take a day; half of a request is not kept that long.
func TestBegin_RequestsHaveToArrive(t *testing.T) {
	for name, arrives := range map[string]func(context.Context){
		"half": nil, "unary": arrived, "stream": func(ctx context.Context) { _ = admitted{received{}, ctx}.RecvMsg(nil) },
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, over := context.WithCancel(peer.NewContext(t.Context(), &peer.Peer{Addr: volumeAddr{&net.TCPAddr{}, &volume{trusted: true}}}))
			defer over()
			ctx, err := bounded().begin(ctx, &tap.Info{FullMethodName: pfspb.API_CreateRepo_FullMethodName})
			if err != nil {
				t.Fatal(err)
			}
			if arrives != nil {
				arrives(ctx)
			}
			time.Sleep(callFor + time.Second)
			if alive := ctx.Err() == nil; alive != (arrives != nil) {
				t.Errorf("%s: alive after two minutes: %v", name, alive)
			}
			time.Sleep(dataFor)
			if ctx.Err() == nil {
				t.Errorf("%s: a day was not the end", name)
			}
		})
	}
}

func TestBegin_CallsOfOneNetwork(t *testing.T) {
	s := bounded()
	s.limits.Calls.Network = 2
	begin := func(ctx context.Context) (context.Context, error) {
		return s.begin(ctx, &tap.Info{FullMethodName: authpb.API_WhoAmI_FullMethodName})
	}
	var leave func()
	for range 2 {
		ctx, over := called(t, "192.0.2.1")
		if _, err := begin(ctx); err != nil {
			t.Fatal(err)
		}
		leave = over
	}
	ctx, _ := called(t, "192.0.2.1")
	if _, err := begin(ctx); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one too many: %v", err)
	}
	timed, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	refused, err := begin(timed)
	if err != nil {
		t.Errorf("one too many that has a deadline is refused before gRPC can forget the deadline: %v", err)
	}
	if err := s.limit(refused, authpb.API_WhoAmI_FullMethodName); !fault.Is(err, fault.Exhausted) {
		t.Errorf("and not after it: %v", err)
	}
	if end, _ := refused.Deadline(); time.Until(end) > refuseFor {
		t.Errorf("it may stay until %v", end)
	}
	other, _ := called(t, "192.0.2.2")
	if _, err := begin(other); err != nil {
		t.Errorf("another network: %v", err)
	}
	for leave(); ; { // until the place is given back
		ctx, over := called(t, "192.0.2.1")
		if _, err := begin(ctx); err == nil {
			break
		}
		over()
	}
}

func TestWait_CallsForOneSignIn(t *testing.T) {
	s := bounded()
	s.limits.Wait.Each = 1
	ctx, _ := called(t, "192.0.2.1")
	ctx = s.withClient(ctx)
	for name, req := range map[string]any{
		"a sign-in":        &authpb.AuthenticateRequest{OidcState: "x"},
		"a connector test": &pachpb.WaitConnectorTestRequest{TestId: "y"},
	} {
		leave, err := s.wait(ctx, req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := s.wait(ctx, req); !fault.Is(err, fault.Exhausted) {
			t.Errorf("%s, another: %v", name, err)
		}
		leave()
		if _, err := s.wait(ctx, req); err != nil {
			t.Errorf("%s, after it: %v", name, err)
		}
	}
	s.limits.Wait.Total = 0
	if _, err := s.wait(ctx, &authpb.AuthenticateRequest{IdToken: "x"}); err != nil {
		t.Errorf("what does not wait: %v", err)
	}
}
