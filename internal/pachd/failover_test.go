package pachd_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	"pachyderm/internal/config"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// makers make tokens as fast as they can until they are stopped, and remember
// those that were acknowledged and what else they were told.
type makers struct {
	wg   sync.WaitGroup
	done chan struct{}

	mu    sync.Mutex
	made  []string
	other map[codes.Code]int
	said  string // with the last refusal
}

func startMakers(t *testing.T, replicas []*pachdtest.Server) *makers {
	t.Helper()
	m := &makers{done: make(chan struct{}), other: map[codes.Code]int{}}
	for n := range 4 {
		s := replicas[n%len(replicas)]
		root := pachdtest.As(t.Context(), replicas[0].RootToken)
		m.wg.Go(func() {
			for {
				select {
				case <-m.done:
					return
				default:
				}
				r, err := s.API.Auth.GetRobotToken(root, &authpb.GetRobotTokenRequest{Robot: "ci"})
				m.mu.Lock()
				if err == nil {
					m.made = append(m.made, r.GetToken())
				} else {
					m.other[status.Code(err)]++
					m.said = status.Convert(err).Message()
				}
				m.mu.Unlock()
			}
		})
	}
	return m
}

// await waits until many more tokens are made, or calls refused.
func (m *makers) await(made, refused int) {
	count := func() (int, int) {
		m.mu.Lock()
		defer m.mu.Unlock()
		n := 0
		for _, c := range m.other {
			n += c
		}
		return len(m.made), n
	}
	made0, refused0 := count()
	for {
		made1, refused1 := count()
		if made1-made0 >= made && refused1-refused0 >= refused {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (m *makers) stop() {
	close(m.done)
	m.wg.Wait()
}

// replicasOn starts two on one database, with one sealing key and root token.
func replicasOn(t *testing.T, database string) []*pachdtest.Server {
	t.Helper()
	first := pachdtest.Start(t, func(c *config.Config) { c.Database.URL = secret.Text(database) })
	second := pachdtest.Start(t, func(c *config.Config) {
		c.Database.URL, c.Sealing.KeyFile = secret.Text(database), first.DataDir+"/sealing-key"
		c.Auth.RootToken = secret.Text(first.RootToken)
	})
	return []*pachdtest.Server{first, second}
}

func holdsAll(t *testing.T, replicas []*pachdtest.Server, tokens []string) {
	t.Helper()
	for n, raw := range tokens {
		if who, err := whoAmI(t, replicas[n%len(replicas)], raw); err != nil || who != "robot:ci" {
			t.Fatalf("token %d of %d that were acknowledged: %s, %v", n+1, len(tokens), who, err)
		}
	}
}

// onlyUnavailable holds what was refused to one code and sentence.
func (m *makers) onlyUnavailable(t *testing.T) {
	t.Helper()
	for code, n := range m.other {
		if code != codes.Unavailable {
			t.Errorf("%d calls were answered with %s", n, code)
		}
	}
	if len(m.other) == 0 || !strings.Contains(m.said, "the database does not answer") {
		t.Errorf("of %v, the last said: %s", m.other, m.said)
	}
}

func TestDatabase_StoppedAndStarted(t *testing.T) {
	t.Parallel()
	cluster := dbtest.NewCluster(t)
	replicas := replicasOn(t, cluster.URL)
	for _, s := range replicas {
		awaitReady(t, s)
	}
	m := startMakers(t, replicas)
	m.await(20, 0)
	cluster.Stop()
	m.await(0, 1500)
	for _, s := range replicas {
		if code, text := get(t, s.HTTP+"/readyz"); code != http.StatusOK {
			t.Errorf("the database is away for everybody, and this replica is not ready: %s", text)
		}
	}
	cluster.Start()
	m.await(20, 0)
	m.stop()
	m.onlyUnavailable(t)
	holdsAll(t, replicas, m.made)
	for _, s := range replicas {
		awaitReady(t, s)
	}
}

// The primary is gone as in a power cut, and the standby takes its place: what
// was acknowledged is there, and replicas hear of each other's changes again.
func TestDatabase_FailsOver(t *testing.T) {
	cluster := dbtest.NewCluster(t)
	replicas := replicasOn(t, cluster.URL)
	for _, s := range replicas {
		awaitReady(t, s)
	}
	m := startMakers(t, replicas)
	m.await(20, 0)
	cluster.Kill()
	m.await(0, 20)
	cluster.Promote()
	m.await(20, 0)
	m.stop()
	m.onlyUnavailable(t)
	for _, s := range replicas {
		awaitReady(t, s)
	}
	holdsAll(t, replicas, m.made)
	for _, raw := range slices.Compact(m.made)[:5] {
		if _, err := replicas[0].API.Auth.RevokeAuthToken(replicas[0].Root(), &authpb.RevokeAuthTokenRequest{Token: raw}); err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := whoAmI(t, replicas[1], raw); status.Code(err) == codes.Unauthenticated {
				break
			}
			time.Sleep(10 * time.Millisecond) // until the other replica has heard of it
		}
	}
}
