package rpc_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	authpb "pachyderm/api/auth"
	versionpb "pachyderm/api/version"
	"pachyderm/internal/pachd/pachdtest"
)

// BenchmarkCalls measures authenticated calls over gRPC against a constant
// answer (GetVersion) of the same server in the same run: the ratio of the
// rates is what counts, and the budget is 0.85.
func BenchmarkCalls(b *testing.B) {
	server := pachdtest.Start(b)
	for _, connections := range []int{1, 8, 64} {
		conns := make([]*grpc.ClientConn, connections)
		for n := range conns {
			conn, err := grpc.NewClient(server.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = conn.Close() })
			conns[n] = conn
		}
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authn-token", server.RootToken)
		constant := func(c *grpc.ClientConn) error {
			_, err := versionpb.NewAPIClient(c).GetVersion(ctx, &emptypb.Empty{})
			return err
		}
		for name, call := range map[string]func(*grpc.ClientConn) error{
			"WhoAmI": func(c *grpc.ClientConn) error {
				_, err := authpb.NewAPIClient(c).WhoAmI(ctx, &authpb.WhoAmIRequest{})
				return err
			},
			"Authorize": func(c *grpc.ClientConn) error {
				_, err := authpb.NewAPIClient(c).Authorize(ctx, &authpb.AuthorizeRequest{
					Resource:    &authpb.Resource{Type: authpb.ResourceType_PROJECT, Name: "default"},
					Permissions: []authpb.Permission{authpb.Permission_PROJECT_LIST_REPO, authpb.Permission_PROJECT_CREATE_REPO},
				})
				return err
			},
		} {
			b.Run(fmt.Sprintf("%s/connections=%d", name, connections), func(b *testing.B) {
				took := rate(b, conns, call)
				b.StopTimer()
				reference := rate(b, conns, constant)
				b.ReportMetric(float64(reference)/float64(took), "of-constant")
				b.ReportMetric(float64(b.N)/took.Seconds(), "calls/s")
			})
		}
	}
}

// rate makes b.N calls, divided among the connections, and returns the time
// that all took.
func rate(b *testing.B, conns []*grpc.ClientConn, call func(*grpc.ClientConn) error) time.Duration {
	b.Helper()
	for _, c := range conns {
		if err := call(c); err != nil { // connected and warm
			b.Fatal(err)
		}
	}
	start := time.Now()
	var wg sync.WaitGroup
	for n, c := range conns {
		share := b.N / len(conns)
		if n < b.N%len(conns) {
			share++
		}
		wg.Go(func() {
			for range share {
				if err := call(c); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}
