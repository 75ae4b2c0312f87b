package pachd_test

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	adminpb "pachyderm/api/admin"
	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/pachd"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/rename"
	"pachyderm/internal/secret"
)

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func as(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authn-token", token)
}

func whoAmI(t *testing.T, s *pachdtest.Server, token string) (string, error) {
	t.Helper()
	res, err := authpb.NewAPIClient(dial(t, s.GRPC)).WhoAmI(as(t.Context(), token), &authpb.WhoAmIRequest{})
	return res.GetUsername(), err
}

func get(t *testing.T, u string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func cluster() *authpb.Resource { return &authpb.Resource{Type: authpb.ResourceType_CLUSTER} }

func bind(ctx context.Context, api authpb.APIClient, who string, roles ...string) error {
	_, err := api.ModifyRoleBinding(ctx, &authpb.ModifyRoleBindingRequest{Resource: cluster(), Principal: who, Roles: roles})
	return err
}

func may(ctx context.Context, api authpb.APIClient) (bool, error) {
	res, err := api.Authorize(ctx, &authpb.AuthorizeRequest{Resource: cluster(), Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
	return res.GetAuthorized(), err
}

// engines runs f with a configuration for each database.
func engines(t *testing.T, f func(t *testing.T, on func(*config.Config))) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, func(*config.Config) {}) })
	t.Run("postgres", func(t *testing.T) {
		u := dbtest.ReadyPostgresURL(t)
		f(t, func(c *config.Config) { c.Database.URL = secret.Text(u) })
	})
}

func TestNew_RestartKeepsEverything(t *testing.T) {
	engines(t, func(t *testing.T, on func(*config.Config)) {
		dir := t.TempDir()
		var root, robot, id, keys string
		read := func(t *testing.T, s *pachdtest.Server) (id, keys string) {
			t.Helper()
			info, err := adminpb.NewAPIClient(dial(t, s.GRPC)).InspectCluster(t.Context(), &adminpb.InspectClusterRequest{})
			if err != nil {
				t.Fatal(err)
			}
			_, keys = get(t, s.HTTP+"/keys")
			return info.GetId(), keys
		}
		t.Run("first", func(t *testing.T) {
			s := pachdtest.StartIn(t, dir, on)
			root = s.RootToken
			conn := dial(t, s.GRPC)
			api := authpb.NewAPIClient(conn)
			res, err := api.GetRobotToken(as(t.Context(), root), &authpb.GetRobotTokenRequest{Robot: "ci"})
			if err != nil {
				t.Fatal(err)
			}
			robot = res.GetToken()
			if err := bind(as(t.Context(), root), api, "robot:ci", "debugger"); err != nil {
				t.Fatal(err)
			}
			document, err := structpb.NewStruct(map[string]any{"username": "u", "password": "hidden"})
			if err != nil {
				t.Fatal(err)
			}
			_, err = identitypb.NewAPIClient(conn).CreateIDPConnector(as(t.Context(), root), &identitypb.CreateIDPConnectorRequest{
				Connector: &identitypb.IDPConnector{Id: "mock", Name: "Mock", Type: "mockPassword", Config: document},
			})
			if err != nil {
				t.Fatal(err)
			}
			id, keys = read(t, s)
		})
		t.Run("second", func(t *testing.T) {
			s := pachdtest.StartIn(t, dir, on)
			if s.RootToken != root {
				t.Error("another root token was made")
			}
			if who, err := whoAmI(t, s, root); who != "pach:root" || err != nil {
				t.Errorf("root is %s, %v", who, err)
			}
			if who, err := whoAmI(t, s, robot); who != "robot:ci" || err != nil {
				t.Errorf("the robot is %s, %v", who, err)
			}
			conn := dial(t, s.GRPC)
			if ok, err := may(as(t.Context(), robot), authpb.NewAPIClient(conn)); !ok || err != nil {
				t.Errorf("the robot's role: %v, %v", ok, err)
			}
			all, err := identitypb.NewAPIClient(conn).ListIDPConnectors(as(t.Context(), root), &identitypb.ListIDPConnectorsRequest{})
			if err != nil || len(all.GetConnectors()) != 1 || all.GetConnectors()[0].GetId() != "mock" {
				t.Errorf("connectors: %v, %v", all, err)
			}
			againID, againKeys := read(t, s)
			if againID != id || againKeys != keys || id == "" || !strings.Contains(keys, `"kid"`) {
				t.Errorf("cluster %s, then %s; keys %s, then %s", id, againID, keys, againKeys)
			}
		})
	})
}

func TestBindings_OtherSpellings(t *testing.T) {
	engines(t, func(t *testing.T, on func(*config.Config)) {
		dir := t.TempDir()
		t.Run("an older version", func(t *testing.T) {
			s := pachdtest.StartIn(t, dir, on)
			s.Update(func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO bindings (resource_type, resource_name, principal, role)
					VALUES (1, '', 'user:ALICE@example.com', 'pachdLogReader')`)
				return err
			})
			// It knew no form of names, so that the next start waits until they are renamed.
			s.Update(func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `DELETE FROM meta WHERE key = $1`, rename.MetaKey)
				return err
			})
		})
		t.Run("this one", func(t *testing.T) {
			s := pachdtest.StartIn(t, dir, on)
			s.Connect()
			if err := s.Bind(pachdtest.Project("default"), "user:Alice@EXAMPLE.com", "projectOwner"); err != nil {
				t.Fatal(err)
			}
			her := as(t.Context(), s.Alice())
			for _, r := range []*authpb.Resource{pachdtest.Cluster(), pachdtest.Project("default")} {
				bound, err := s.Bound(s.Root(), r)
				if err != nil || len(bound["user:alice@example.com"]) != 1 || len(bound["user:ALICE@example.com"]) > 0 {
					t.Errorf("on %s: %v, %v", r, bound, err)
				}
			}
			for permission, on := range map[authpb.Permission]*authpb.Resource{
				authpb.Permission_CLUSTER_GET_PACHD_LOGS: pachdtest.Cluster(), authpb.Permission_PROJECT_DELETE: pachdtest.Project("default"),
			} {
				res, err := s.API.Auth.Authorize(her, &authpb.AuthorizeRequest{Resource: on, Permissions: []authpb.Permission{permission}})
				if err != nil || !res.GetAuthorized() {
					t.Errorf("%s is not hers: %v", permission, err)
				}
			}
		})
	})
}

func TestRootToken_CrashBeforeItIsStored(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "root-token"), []byte("pach_MADEBYTHESTARTBEFORE\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := pachdtest.StartIn(t, dir)
	if who, err := whoAmI(t, s, "pach_MADEBYTHESTARTBEFORE"); who != "pach:root" || err != nil {
		t.Errorf("%s, %v", who, err)
	}
}

func TestRootToken_FileIsPrivate(t *testing.T) {
	s := pachdtest.Start(t)
	info, err := os.Stat(filepath.Join(s.DataDir, "root-token"))
	if err != nil || info.Mode().Perm() != 0o600 || len(s.RootToken) < 26 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if strings.Contains(s.Log.String(), s.RootToken) {
		t.Error("the root token is in the log")
	}
}

func TestRootToken_Configured(t *testing.T) {
	engines(t, func(t *testing.T, on func(*config.Config)) {
		dir := t.TempDir()
		made := ""
		for n, c := range []struct{ configured, works, not string }{
			{"", "", ""},
			{"chosen-root-token", "chosen-root-token", "made"},
			{"chosen-root-token", "chosen-root-token", "made"},
			{"another-root-token", "another-root-token", "chosen-root-token"},
			{"", "another-root-token", "made"},
		} {
			t.Run(string(rune('1'+n)), func(t *testing.T) {
				s := pachdtest.StartIn(t, dir, on, func(c0 *config.Config) { c0.Auth.RootToken = secret.Text(c.configured) })
				if n == 0 {
					made, c.works = s.RootToken, s.RootToken
				}
				if who, err := whoAmI(t, s, c.works); who != "pach:root" || err != nil {
					t.Errorf("%s: %s, %v", c.works, who, err)
				}
				if c.not == "made" {
					c.not = made
				}
				if _, err := whoAmI(t, s, c.not); n > 0 && status.Code(err) != codes.Unauthenticated {
					t.Errorf("%s: %v", c.not, err)
				}
			})
		}
	})
}

// outage makes a PostgreSQL database refuse everybody until the returned
// function is called.
func outage(t *testing.T, databaseURL string) (over func()) {
	t.Helper()
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	pool, err := sql.Open("pgx", u.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	do := func(statement string) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	do("ALTER DATABASE " + name + " WITH ALLOW_CONNECTIONS false")
	do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'")
	return func() { do("ALTER DATABASE " + name + " WITH ALLOW_CONNECTIONS true") }
}

// awaitReady waits until people may be sent there.
func awaitReady(t *testing.T, s *pachdtest.Server) {
	t.Helper()
	for {
		if code, _ := get(t, s.HTTP+"/readyz"); code == http.StatusOK {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A replica that alone does not hear what others change is no place to send
// people to.
func TestReady_OnlyWhileChangesAreReceived(t *testing.T) {
	database := dbtest.PostgresURL(t)
	cable, through := dbtest.NewCable(t, database)
	s := pachdtest.Start(t, func(c *config.Config) {
		c.Database.URL, c.Database.ListenURL = secret.Text(database), secret.Text(through)
	})
	awaitReady(t, s)
	cable.Cut(true)
	for {
		code, text := get(t, s.HTTP+"/readyz")
		if code == http.StatusOK {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if code != http.StatusServiceUnavailable || strings.TrimSpace(text) != "changes of other replicas are not received" {
			t.Errorf("readiness: %d: %s", code, text)
		}
		break
	}
	// What it answers is read from the database then, and right.
	if who, err := whoAmI(t, s, s.RootToken); who != "pach:root" || err != nil {
		t.Errorf("%s, %v", who, err)
	}
	cable.Cut(false)
	awaitReady(t, s)
	if log := s.Log.String(); !strings.Contains(log, "changes of other replicas are not received") || !strings.Contains(log, "are received again") {
		t.Errorf("the log does not tell: %s", log)
	}
}

func TestSignIn_ThroughAPooler(t *testing.T) {
	direct := dbtest.PostgresURL(t)
	pooler := dbtest.Pooler(t, direct)
	s := pachdtest.Start(t, func(c *config.Config) {
		c.Database.URL, c.Database.ListenURL = secret.Text(pooler), secret.Text(direct)
	})
	s.Connect()
	for range 3 {
		session := s.Alice()
		if who, err := whoAmI(t, s, session); who != pachdtest.Alice || err != nil {
			t.Errorf("%s, %v", who, err)
		}
		if _, err := s.API.Auth.RevokeAuthToken(s.Root(), &authpb.RevokeAuthTokenRequest{Token: session}); err != nil {
			t.Fatal(err)
		}
		if who, err := whoAmI(t, s, session); status.Code(err) != codes.Unauthenticated {
			t.Errorf("revoked: %s, %v", who, err)
		}
	}
	if log := s.Log.String(); strings.Contains(log, "level=ERROR") || strings.Contains(log, "are not received") {
		t.Errorf("logged: %s", log)
	}
}

func TestShutdown_NotReadyFirst(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c, err := config.Load(t.TempDir(), "", []string{
		"PACHD_LISTEN_GRPC=127.0.0.1:0", "PACHD_LISTEN_HTTP=127.0.0.1:0",
		"PACHD_LISTEN_CALLBACK=", "PACHD_LISTEN_METRICS=", "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_SHUTDOWN_DELAY=1s",
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := pachd.New(ctx, c, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.Run(ctx) }()
	s := &pachdtest.Server{HTTP: "http://" + p.HTTP()}
	awaitReady(t, s)
	stop()
	for refused := false; !refused; {
		code, text := get(t, s.HTTP+"/readyz")
		refused = code == http.StatusServiceUnavailable && strings.TrimSpace(text) == "pachd is stopping"
	}
	if _, err := authpb.NewAPIClient(dial(t, p.GRPC())).WhoAmI(t.Context(), &authpb.WhoAmIRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a call before it stops: %v", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestDatabase_Gone(t *testing.T) {
	database := dbtest.PostgresURL(t)
	s := pachdtest.Start(t, func(c *config.Config) { c.Database.URL = secret.Text(database) })
	awaitReady(t, s)
	if who, err := whoAmI(t, s, s.RootToken); who != "pach:root" || err != nil {
		t.Fatalf("before: %s, %v", who, err)
	}
	over := outage(t, database)
	// It is gone for all replicas: whoever is sent here hears of it.
	if code, text := get(t, s.HTTP+"/readyz"); code != http.StatusOK {
		t.Errorf("readiness: %d: %s", code, text)
	}
	if code, _ := get(t, s.HTTP+"/healthz"); code != http.StatusOK {
		t.Errorf("pachd itself lives, and says %d", code)
	}
	// Nobody is told that their token is bad, nor where the database is.
	_, err := whoAmI(t, s, "made-up")
	if status.Code(err) != codes.Unavailable || !strings.Contains(status.Convert(err).Message(), "the database does not answer") || strings.Contains(err.Error(), "127.0.0.1") {
		t.Errorf("a call: %v", err)
	}
	_, err = authpb.NewAPIClient(dial(t, s.GRPC)).WhoAmI(t.Context(), &authpb.WhoAmIRequest{})
	if text := status.Convert(err).Message(); strings.Contains(text, "test_") || strings.Contains(text, "127.0.0.1") {
		t.Errorf("a call without a token: %v", err)
	}
	over()
	awaitReady(t, s)
	if who, err := whoAmI(t, s, s.RootToken); who != "pach:root" || err != nil {
		t.Errorf("afterwards: %s, %v", who, err)
	}
}

// Ten calls at once brought the original down, with a made-up token even.
func TestCalls_ConcurrentSeeEachChange(t *testing.T) {
	engines(t, func(t *testing.T, on func(*config.Config)) {
		s := pachdtest.Start(t, on)
		var apis [200]authpb.APIClient
		for n := range apis {
			apis[n] = authpb.NewAPIClient(dial(t, s.GRPC))
		}
		root := as(t.Context(), s.RootToken)
		res, err := apis[0].GetRobotToken(root, &authpb.GetRobotTokenRequest{Robot: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		robot, stranger := as(t.Context(), res.GetToken()), as(t.Context(), "made-up")

		const callers, changes = len(apis), 12
		done := make(chan struct{})
		var wg sync.WaitGroup
		for n := range callers {
			wg.Go(func() {
				api := apis[n%len(apis)]
				for {
					select {
					case <-done:
						return
					default:
					}
					_, err := may(robot, api)
					if err == nil {
						_, err = api.WhoAmI(root, &authpb.WhoAmIRequest{})
					}
					if err != nil {
						t.Errorf("caller %d: %v", n, err)
						return
					}
					if n%8 == 0 {
						if _, err := may(stranger, api); status.Code(err) != codes.Unauthenticated {
							t.Errorf("caller %d, made up: %v", n, err)
							return
						}
					}
				}
			})
		}
		for n := range changes {
			var roles []string
			if n%2 == 0 {
				roles = []string{"debugger"}
			}
			if err := bind(root, apis[n%len(apis)], "robot:ci", roles...); err != nil {
				t.Errorf("change %d: %v", n, err)
				break
			}
			if ok, err := may(robot, apis[(n+1)%len(apis)]); err != nil || ok != (n%2 == 0) {
				t.Errorf("after change %d: %v, %v", n, ok, err)
				break
			}
		}
		close(done)
		wg.Wait()
	})
}

// What an older version has stored while it ran beside, or after this one, is renamed
// although the start does not wait for it.
func TestStart_RenamesWhatAnOlderVersionStored(t *testing.T) {
	dir := t.TempDir()
	s := pachdtest.StartIn(t, dir)
	if err := s.Bind(pachdtest.Project("images"), "user:alice@example.com", "projectViewer"); err != nil {
		t.Fatal(err)
	}
	s.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE bindings SET principal = 'user:Alice@Example.com' WHERE principal = 'user:alice@example.com'`)
		return err
	})
	s.Stop()
	s = pachdtest.StartIn(t, dir)
	for {
		bound, err := s.Bound(s.Root(), pachdtest.Project("images"))
		if err != nil {
			t.Fatal(err)
		}
		if len(bound["user:alice@example.com"]) == 1 {
			return
		}
		runtime.Gosched()
	}
}
