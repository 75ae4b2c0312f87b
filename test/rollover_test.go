package test

import (
	"context"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/test/idp"
	"pachyderm/test/walk"
)

// service hands connections to replicas that are ready, as one of Kubernetes does.
type service struct {
	replicas []*daemon
	ready    []atomic.Bool
	next     atomic.Uint64
}

// listen serves one port of all replicas.
func (s *service) listen(t testing.TB, port func(*daemon) string) (address string) {
	t.Helper()
	address = idp.FreeAddress(t)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			n := s.pick()
			if n < 0 {
				_ = in.Close()
				continue
			}
			go pipe(in, port(s.replicas[n]))
		}
	}()
	return address
}

func (s *service) pick() int {
	for range s.replicas {
		n := int(s.next.Add(1) % uint64(len(s.replicas)))
		if s.ready[n].Load() {
			return n
		}
	}
	return -1
}

// watch asks each replica whether it is ready until ctx ends.
func (s *service) watch(ctx context.Context) {
	probe := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for ctx.Err() == nil {
		for n, d := range s.replicas {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+d.http+"/readyz", nil)
			if err != nil {
				return
			}
			res, err := probe.Do(r)
			s.ready[n].Store(err == nil && res.StatusCode == http.StatusOK)
			if err == nil {
				_ = res.Body.Close()
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// terminate asks a pachd to stop, as Kubernetes does, and waits until it has.
func (d *daemon) terminate() error {
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	err := d.cmd.Wait()
	d.cmd = nil
	return err
}

// Replicas are restarted one after the other while people sign in by whichever is
// ready. A client that tries for three seconds notices nothing.
func TestRollOver_LosesNoLogin(t *testing.T) {
	logins := 60
	if n, err := strconv.Atoi(os.Getenv("PACH_ROLLOVER_LOGINS")); err == nil {
		logins = n
	}
	s, httpAt := replicas(t, 2)
	grpcAt := s.listen(t, func(d *daemon) string { return d.grpc })
	provider := optest.Start(t, "http://"+httpAt+"/callback")
	asSeen := *s.replicas[0]
	asSeen.http = httpAt
	asSeen.connect(provider)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { s.watch(ctx) })
	defer watching.Wait()
	defer stop()
	for s.pick() < 0 {
		time.Sleep(10 * time.Millisecond)
	}

	var wg sync.WaitGroup
	var begun, restarts atomic.Int64
	for range 4 {
		wg.Go(func() {
			conn, err := grpc.NewClient(grpcAt, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			l, err := walk.NewLogin(t.Context(), pachpb.NewAPIClient(conn), authpb.NewAPIClient(conn),
				walk.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password})
			if err != nil {
				t.Error(err)
				return
			}
			l.Patience = 3 * time.Second
			for begun.Add(1) <= int64(logins) || restarts.Load() < 3 {
				session, err := l.Run(t.Context())
				if err != nil {
					t.Errorf("a login, after %d restarts: %v", restarts.Load(), err)
				} else if who, err := authpb.NewAPIClient(conn).WhoAmI(as(t.Context(), session), &authpb.WhoAmIRequest{}, grpc.WaitForReady(true)); err != nil {
					t.Errorf("its session, after %d restarts: %v, %v", restarts.Load(), who, err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for n := 0; ; n++ {
		select {
		case <-done:
			t.Logf("%d logins over %d restarts", begun.Load(), restarts.Load())
			return
		default:
		}
		d := s.replicas[n%len(s.replicas)]
		if err := d.terminate(); err != nil {
			t.Errorf("a replica that was told to stop: %v", err)
		}
		d.start()
		for !s.ready[n%len(s.replicas)].Load() {
			time.Sleep(10 * time.Millisecond)
		}
		restarts.Add(1)
	}
}
