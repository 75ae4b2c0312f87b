package rpc_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
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
// answer (GetVersion) of the same server, by turns: the ratio of the rates is
// what counts, and the goal is 0.9. The ratio of the processor times, of client
// and server together, is the one that other work of the machine does not change.
func BenchmarkCalls(b *testing.B) {
	server := pachdtest.Start(b)
	for _, connections := range []int{1, 8, 32, 200} {
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
				for _, c := range conns {
					if err := errors.Join(call(c), constant(c)); err != nil { // connected and warm
						b.Fatal(err)
					}
				}
				b.ResetTimer()
				var took, reference cost
				const turns = 10 // so that both have the same share of what else the machine does
				for turn := range turns {
					share := b.N / turns
					if turn < b.N%turns {
						share++
					}
					took.add(rate(b, conns, share, call))
					b.StopTimer()
					reference.add(rate(b, conns, share, constant))
					b.StartTimer()
				}
				b.ReportMetric(float64(reference.wall)/float64(took.wall), "of-constant")
				b.ReportMetric(float64(reference.cpu)/float64(took.cpu), "of-constant-cpu")
				b.ReportMetric(float64(b.N)/took.wall.Seconds(), "calls/s")
			})
		}
	}
}

// cost is what calls took: by the clock, and of this process on processors.
type cost struct{ wall, cpu time.Duration }

func (c *cost) add(o cost) { c.wall, c.cpu = c.wall+o.wall, c.cpu+o.cpu }

func spent(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// rate makes so many calls, divided among the connections, and returns what all took.
func rate(b *testing.B, conns []*grpc.ClientConn, calls int, call func(*grpc.ClientConn) error) cost {
	b.Helper()
	start, before := time.Now(), spent(b)
	var wg sync.WaitGroup
	for n, c := range conns {
		share := calls / len(conns)
		if n < calls%len(conns) {
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
	return cost{time.Since(start), spent(b) - before}
}
