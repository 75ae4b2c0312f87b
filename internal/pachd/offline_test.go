package pachd_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	authpb "pachyderm/api/auth"
	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/pachd"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/secret"
)

// installation is what one pachd is told to have.
type installation struct{ dir, url string }

func newInstallation(t *testing.T, engine string) installation {
	t.Helper()
	i := installation{dir: t.TempDir()}
	i.url = "sqlite:" + filepath.Join(i.dir, "pachd.db")
	if engine == "postgres" {
		i.url = dbtest.PostgresURL(t)
	}
	return i
}

func (i installation) start(t *testing.T, change ...func(*config.Config)) *pachdtest.Server {
	t.Helper()
	return pachdtest.StartIn(t, i.dir, append(change, func(c *config.Config) { c.Database.URL = secret.Text(i.url) })...)
}

// run runs a command of pachd's.
func (i installation) run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, failed bytes.Buffer
	code = pachd.Main(t.Context(), append(args, "--data-dir", i.dir), environ("PACHD_DATABASE_URL="+i.url), &out, &failed)
	return code, out.String(), failed.String()
}

func (i installation) must(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	code, stdout, stderr := i.run(t, args...)
	if code != 0 || stderr != "" {
		t.Fatalf("pachd %s: exit code %d: %s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// refused runs a command that has to fail with one line that has all texts in it.
func (i installation) refused(t *testing.T, args []string, want ...string) {
	t.Helper()
	code, stdout, stderr := i.run(t, args...)
	if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "pachd: ") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("pachd %s: exit code %d, stdout %q, stderr %q", strings.Join(args, " "), code, stdout, stderr)
	}
	for _, text := range want {
		if !strings.Contains(stderr, text) {
			t.Errorf("pachd %s: got %q, want %q", strings.Join(args, " "), stderr, text)
		}
	}
}

// takes copies files of another data directory.
func (i installation) takes(t *testing.T, from installation, names ...string) {
	t.Helper()
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(from.dir, name))
		edit(t, err)
		edit(t, os.WriteFile(filepath.Join(i.dir, name), data, 0o600))
	}
}

// content is what is sealed in a dump.
func (i installation) content(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	edit(t, err)
	defer func() { _ = f.Close() }()
	sealer, err := secret.OpenKey(t.Context(), secret.File(filepath.Join(i.dir, "sealing-key")))
	edit(t, err)
	_, err = f.Seek(int64(len("pachd export 1\n")), io.SeekStart)
	edit(t, err)
	r, err := sealer.OpenFrom(f, "export/1")
	edit(t, err)
	all, err := io.ReadAll(r)
	edit(t, err)
	return all
}

// trust is one whose issuer's keys are written down.
func trust(t *testing.T) *pachpb.Trust {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	edit(t, err)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	edit(t, err)
	return &pachpb.Trust{
		Id: "ci", Issuer: "https://ci.example.com", Audience: "pachd", Robot: "ci", Claims: map[string]string{"repository": "genomics"}, Jwks: string(set),
	}
}

// state is what an administrator sees, but for what pachd knows of its own runs.
type state struct {
	Connectors *identitypb.ListIDPConnectorsResponse
	Clients    *identitypb.ListOIDCClientsResponse
	Trusts     *pachpb.ListTrustsResponse
	Users      *pachpb.ListUsersResponse
	Groups     *authpb.GetGroupsResponse
	Bound      map[string][]string
}

func stateOf(t *testing.T, s *pachdtest.Server) (all state) {
	t.Helper()
	var errs [6]error
	all.Connectors, errs[0] = s.API.Identity.ListIDPConnectors(s.Root(), &identitypb.ListIDPConnectorsRequest{})
	all.Clients, errs[1] = s.API.Identity.ListOIDCClients(s.Root(), &identitypb.ListOIDCClientsRequest{})
	all.Trusts, errs[2] = s.API.Pach.ListTrusts(s.Root(), &pachpb.ListTrustsRequest{})
	all.Users, errs[3] = s.API.Pach.ListUsers(s.Root(), &pachpb.ListUsersRequest{})
	all.Groups, errs[4] = s.API.Auth.GetGroupsForPrincipal(s.Root(), &authpb.GetGroupsForPrincipalRequest{Principal: pachdtest.Alice})
	all.Bound, errs[5] = s.Bound(s.Root(), pachdtest.Project("genomics"))
	for _, err := range errs {
		edit(t, err)
	}
	for _, u := range all.Users.GetUsers() {
		u.LastUsed = nil // written now and then, and at the end
	}
	return all
}

func TestExport_MovesAllToTheOtherDatabase(t *testing.T) {
	for _, way := range [][2]string{{"sqlite", "postgres"}, {"postgres", "sqlite"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			from, to := newInstallation(t, way[0]), newInstallation(t, way[1])
			s := from.start(t)
			s.Connect()
			session := s.Alice()
			_, robot := s.Robot("ci", 3600)
			edit(t, s.Bind(pachdtest.Project("genomics"), pachdtest.Alice, "projectWriter"))
			s.Client()
			_, err := s.API.Pach.CreateTrust(s.Root(), &pachpb.CreateTrustRequest{Trust: trust(t)})
			edit(t, err)
			before := stateOf(t, s)
			s.Stop()

			path := filepath.Join(t.TempDir(), "pachd.dump")
			if said := from.must(t, "export", path); !strings.Contains(said, path) || !strings.Contains(said, filepath.Join(from.dir, "sealing-key")) {
				t.Errorf("it says: %s", said)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			to.takes(t, from, "sealing-key", "root-token")
			to.must(t, "import", path)
			again := filepath.Join(t.TempDir(), "again.dump")
			to.must(t, "export", again)
			if !bytes.Equal(from.content(t, path), to.content(t, again)) {
				t.Error("what is exported after the import is not the same")
			}

			moved := to.start(t, func(c *config.Config) { c.Listen.HTTP = strings.TrimPrefix(s.HTTP, "http://") })
			for token, want := range map[string]string{session: pachdtest.Alice, robot: "robot:ci", moved.RootToken: "pach:root"} {
				if who, err := whoAmI(t, moved, token); who != want || err != nil {
					t.Errorf("%s: %s, %v", want, who, err)
				}
			}
			if diff := cmp.Diff(before, stateOf(t, moved), protocmp.Transform()); diff != "" {
				t.Errorf("-before +after:\n%s", diff)
			}
			if who, err := whoAmI(t, moved, moved.Alice()); who != pachdtest.Alice || err != nil {
				t.Errorf("a new sign-in: %s, %v", who, err)
			}
		})
	}
}

func TestExport_Refused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pachd.dump")
	t.Run("beside a pachd", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.start(t)
		i.refused(t, []string{"export", path}, "another pachd is running on the data directory", "stop it")
	})
	t.Run("beside a pachd elsewhere", func(t *testing.T) {
		i := newInstallation(t, "postgres")
		i.start(t)
		other := installation{t.TempDir(), i.url}
		other.takes(t, i, "sealing-key")
		other.refused(t, []string{"export", path}, "others are using the database", "stop every pachd on it", "--online")
	})
	t.Run("a file that is there", func(t *testing.T) {
		taken := filepath.Join(t.TempDir(), "dump")
		edit(t, os.WriteFile(taken, []byte("good"), 0o600))
		installation{dir: used(t)}.refused(t, []string{"export", taken}, "exists", "choose another name")
		if data, err := os.ReadFile(taken); string(data) != "good" {
			t.Errorf("%q, %v", data, err)
		}
	})
	t.Run("a folder that is not there", func(t *testing.T) {
		installation{dir: used(t)}.refused(t, []string{"export", "/nosuch/folder/dump"}, "there is no folder for /nosuch/folder/dump")
	})
	t.Run("a database that is not there", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.refused(t, []string{"export", path}, "no pachd has started on the database yet", "--data-dir")
		if _, err := os.Stat(filepath.Join(i.dir, "pachd.db")); err == nil {
			t.Error("a database was made")
		}
	})
	t.Run("without the sealing key", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.dir = used(t)
		i.url = "sqlite:" + filepath.Join(i.dir, "pachd.db")
		edit(t, os.Remove(filepath.Join(i.dir, "sealing-key")))
		i.refused(t, []string{"export", path}, "sealing-key is missing", "restore it")
	})
	if _, err := os.Lstat(path); err == nil {
		t.Error("a file was written")
	}
}

// A backup needs no pause.
func TestExport_Online(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := newInstallation(t, engine)
			s := i.start(t)
			_, robot := s.Robot("ci", 3600)
			path := filepath.Join(t.TempDir(), "pachd.dump")
			i.must(t, "export", "--online", path)
			s.Robot("later", 3600)
			to := newInstallation(t, engine)
			to.takes(t, i, "sealing-key", "root-token")
			to.must(t, "import", path)
			if who, err := whoAmI(t, to.start(t), robot); who != "robot:ci" || err != nil {
				t.Errorf("%s, %v", who, err)
			}
		})
	}
}

func TestImport_Refused(t *testing.T) {
	source := newInstallation(t, "sqlite")
	source.start(t).Stop()
	path := filepath.Join(t.TempDir(), "pachd.dump")
	source.must(t, "export", path)
	t.Run("beside a pachd", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.start(t)
		i.refused(t, []string{"import", path}, "another pachd is running on the data directory")
	})
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run("into what is in use, "+engine, func(t *testing.T) {
			i := newInstallation(t, engine)
			s := i.start(t)
			s.Stop()
			i.takes(t, source, "sealing-key")
			i.refused(t, []string{"import", path}, "the database is not empty", "import into a new database")
		})
	}
	t.Run("into what an older pachd uses", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.start(t).Stop()
		pool, err := sql.Open("sqlite", strings.TrimPrefix(i.url, "sqlite:"))
		edit(t, err)
		defer func() { _ = pool.Close() }()
		_, err = pool.ExecContext(t.Context(), `DELETE FROM goose_db_version WHERE version_id > 7`)
		edit(t, err)
		i.takes(t, source, "sealing-key")
		i.refused(t, []string{"import", path}, "the database has schema version 7", "pachd migrate apply")
	})
	t.Run("without a sealing key", func(t *testing.T) {
		i := newInstallation(t, "sqlite")
		i.refused(t, []string{"import", path}, "sealing-key is missing", "copy the one there that the dump was made with")
		if _, err := os.Stat(filepath.Join(i.dir, "sealing-key")); err == nil {
			t.Error("a key was made")
		}
	})
	t.Run("with another sealing key", func(t *testing.T) {
		i, other := newInstallation(t, "sqlite"), newInstallation(t, "sqlite")
		other.start(t).Stop()
		i.takes(t, other, "sealing-key")
		i.refused(t, []string{"import", path}, "the dump cannot be opened", "use the sealing key that it was made with")
		// The right one is all that was missing.
		i.takes(t, source, "sealing-key")
		i.must(t, "import", path)
	})
	t.Run("without a dump", func(t *testing.T) {
		newInstallation(t, "sqlite").refused(t, []string{"import", "/nosuch/dump"}, "cannot read /nosuch/dump")
	})
	t.Run("a dump that is cut off", func(t *testing.T) {
		data, err := os.ReadFile(path)
		edit(t, err)
		cut := filepath.Join(t.TempDir(), "cut.dump")
		edit(t, os.WriteFile(cut, data[:len(data)-1], 0o600))
		i := newInstallation(t, "sqlite")
		i.takes(t, source, "sealing-key")
		i.refused(t, []string{"import", cut}, "damaged or cut off", "nothing was imported")
		i.must(t, "import", path)
	})
}

func TestMigrate_PlanAndApply(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := newInstallation(t, engine)
			plan := i.must(t, "migrate", "plan")
			if !strings.Contains(plan, "schema version 0") || !strings.Contains(plan, "  1 init\n  2 trials\n") {
				t.Errorf("plan: %s", plan)
			}
			if i.must(t, "migrate", "plan") != plan {
				t.Error("the first plan has changed something")
			}
			if files, err := os.ReadDir(i.dir); len(files) > 0 || err != nil {
				t.Errorf("the plan has made %v, %v", files, err)
			}
			if said := i.must(t, "migrate", "apply"); !strings.Contains(said, "schema version 0") {
				t.Errorf("apply: %s", said)
			}
			if said := i.must(t, "migrate", "plan"); !strings.Contains(said, "there is nothing to do") {
				t.Errorf("plan afterwards: %s", said)
			}
			i.start(t).Stop()
			newer(t, i)
			for _, verb := range []string{"plan", "apply"} {
				i.refused(t, []string{"migrate", verb}, "schema version 999", "start the newer pachd that made it")
			}
			i.refused(t, []string{"export", filepath.Join(t.TempDir(), "dump")}, "schema version 999")
		})
	}
}

// newer has a pachd of a later version bring the schema up to date.
func newer(t *testing.T, i installation) {
	t.Helper()
	driver, name := "sqlite", strings.TrimPrefix(i.url, "sqlite:")
	if strings.HasPrefix(i.url, "postgres:") {
		driver, name = "pgx", i.url
	}
	pool, err := sql.Open(driver, name)
	edit(t, err)
	defer func() { _ = pool.Close() }()
	for _, statement := range []string{
		`ALTER TABLE tokens ADD COLUMN later TEXT NOT NULL DEFAULT ''`, `ALTER TABLE bindings ADD COLUMN later BIGINT NOT NULL DEFAULT 0`,
		`CREATE TABLE later (id TEXT NOT NULL PRIMARY KEY)`, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`,
	} {
		_, err := pool.ExecContext(t.Context(), statement)
		edit(t, err)
	}
}

// During a rolling upgrade those of the version before go on, and none starts again.
func TestMigrate_OlderReplicaGoesOn(t *testing.T) {
	i := newInstallation(t, "postgres")
	s := i.start(t)
	s.Connect()
	session := s.Alice()
	_, robot := s.Robot("ci", 3600)
	newer(t, i)
	if who, err := whoAmI(t, s, session); who != pachdtest.Alice || err != nil {
		t.Errorf("%s, %v", who, err)
	}
	if who, err := whoAmI(t, s, s.Alice()); who != pachdtest.Alice || err != nil {
		t.Errorf("a new sign-in: %s, %v", who, err)
	}
	edit(t, s.Bind(pachdtest.Project("genomics"), pachdtest.Alice, "projectWriter"))
	if _, err := s.API.Auth.RevokeAuthToken(s.Root(), &authpb.RevokeAuthTokenRequest{Token: robot}); err != nil {
		t.Error(err)
	}
	if who, err := whoAmI(t, s, robot); status.Code(err) != codes.Unauthenticated {
		t.Errorf("revoked: %s, %v", who, err)
	}
	if log := s.Log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("logged: %s", log)
	}
	s.Stop()
	c, err := config.Load(i.dir, "", environ("PACHD_DATABASE_URL="+i.url))
	edit(t, err)
	again, err := pachd.New(t.Context(), c, slog.New(slog.DiscardHandler), time.Now)
	if err == nil || !strings.Contains(fault.Message(err), "schema version 999, this pachd knows versions up to") {
		t.Errorf("started again: %v", err)
	}
	if err == nil {
		ended, end := context.WithCancel(t.Context())
		end()
		edit(t, again.Run(ended))
	}
}

// A file that is there is looked at, and stays as it is.
func TestMigratePlan_FileStaysAsItIs(t *testing.T) {
	i := newInstallation(t, "sqlite")
	path := filepath.Join(i.dir, "pachd.db")
	pool, err := sql.Open("sqlite", "file:"+path)
	edit(t, err)
	_, err = pool.ExecContext(t.Context(), `CREATE TABLE before (id TEXT)`)
	edit(t, err)
	edit(t, pool.Close())
	before, err := os.ReadFile(path)
	edit(t, err)
	i.must(t, "migrate", "plan")
	after, err := os.ReadFile(path)
	edit(t, err)
	files, err := os.ReadDir(i.dir)
	edit(t, err)
	if !bytes.Equal(before, after) || len(files) != 1 {
		t.Errorf("the same: %t; files %v", bytes.Equal(before, after), files)
	}
}

func TestRecoverRootToken_OldOneEnds(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			i := newInstallation(t, engine)
			s := i.start(t)
			_, robot := s.Robot("ci", 3600)
			path := filepath.Join(i.dir, "root-token")
			edit(t, os.Remove(path))
			if engine == "sqlite" {
				i.refused(t, []string{"recover", "root-token"}, "another pachd is running on the data directory")
				s.Stop()
			}
			said := i.must(t, "recover", "root-token")
			token, err := os.ReadFile(path)
			edit(t, err)
			if made := strings.TrimSpace(string(token)); !strings.Contains(said, path) || strings.Contains(said, made) || made == s.RootToken {
				t.Errorf("it says: %s", said)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			if engine == "sqlite" {
				lost := s.RootToken
				s = i.start(t)
				s.RootToken = lost
			}
			// A replica that runs has heard of it, by the time that the other's change is notified.
			for {
				_, err := whoAmI(t, s, s.RootToken)
				if status.Code(err) == codes.Unauthenticated {
					break
				}
			}
			for token, want := range map[string]string{strings.TrimSpace(string(token)): "pach:root", robot: "robot:ci"} {
				if who, err := whoAmI(t, s, token); who != want || err != nil {
					t.Errorf("%s: %s, %v", want, who, err)
				}
			}
			var events int64
			edit(t, s.DB.View(t.Context(), func(tx *db.Tx) error {
				return tx.Row(t.Context(), []any{&events},
					`SELECT count(*) FROM audit_events WHERE actor = 'pach:root' AND action = 'token.recover-root' AND object = 'pach:root'`)
			}))
			if events != 1 {
				t.Errorf("%d events", events)
			}
		})
	}
}

func TestRecoverRootToken_Refused(t *testing.T) {
	recover := []string{"recover", "root-token"}
	i := newInstallation(t, "sqlite")
	for range 2 {
		i.refused(t, recover, "no pachd has started on the database yet")
		i.must(t, "migrate", "apply")
	}
	if _, err := os.Stat(filepath.Join(i.dir, "sealing-key")); err == nil {
		t.Error("a key was made")
	}
	s := i.start(t)
	s.Stop()
	key := filepath.Join(i.dir, "sealing-key")
	edit(t, os.Rename(key, key+".away"))
	i.refused(t, recover, "sealing-key is missing")
	other := newInstallation(t, "sqlite")
	other.start(t).Stop()
	i.takes(t, other, "sealing-key")
	i.refused(t, recover, "is not the one that this database was written with")
	edit(t, os.Rename(key+".away", key))

	var stdout, stderr bytes.Buffer
	args := append(recover, "--data-dir", i.dir)
	if code := pachd.Main(t.Context(), args, environ("PACHD_AUTH_ROOT_TOKEN=hunter2hunter2"), &stdout, &stderr); code != 1 ||
		!strings.Contains(stderr.String(), "the root token is configured") || strings.Contains(stderr.String(), "hunter2") {
		t.Errorf("configured: exit code %d: %s", code, &stderr)
	}
	stderr.Reset()
	if code := pachd.Main(t.Context(), args, environ("PACHD_KUBERNETES_KEYS_SECRET=keys"), &stdout, &stderr); code != 1 ||
		!strings.Contains(stderr.String(), "the root token is in the Secret keys") {
		t.Errorf("in a Secret: exit code %d: %s", code, &stderr)
	}
	again := i.start(t)
	if who, err := whoAmI(t, again, s.RootToken); who != "pach:root" || err != nil {
		t.Errorf("after what was refused: %s, %v", who, err)
	}
	again.Deactivate(again.Root())
	again.Stop()
	i.refused(t, recover, "authentication is not activated", "pachctl auth activate")
}

func TestOffline_CommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":                      {[]string{"export", "--help"}, 0, "pachd import FILE"},
		"no file":                   {[]string{"export"}, 2, "pachd export needs a FILE"},
		"two files":                 {[]string{"import", "a", "b"}, 2, "there is no command pachd import a b"},
		"no verb":                   {[]string{"sealing-key"}, 2, "pachd sealing-key needs to be told what to do"},
		"an unknown verb":           {[]string{"migrate", "down"}, 2, "there is no command pachd migrate down"},
		"an unknown thing":          {[]string{"recover", "password"}, 2, "there is no command"},
		"an unknown flag":           {[]string{"export", "x", "--force"}, 2, "force"},
		"a flag of another command": {[]string{"import", "x", "--online"}, 2, "there is no command pachd import x --online"},
		"no directory":              {[]string{"export", "x"}, 1, "set one with --data-dir"},
	} {
		var stdout, stderr bytes.Buffer
		code := pachd.Main(t.Context(), c.args, nil, &stdout, &stderr)
		said, silent := &stdout, &stderr
		if c.code != 0 {
			said, silent = silent, said
		}
		if code != c.code || !strings.Contains(said.String(), c.want) || silent.Len() != 0 {
			t.Errorf("%s: exit code %d, stdout %q, stderr %q", name, code, &stdout, &stderr)
		}
	}
}

// The guide's way on from a lost sealing key, as it stands there.
func TestLostSealingKey_WhatTheGuideKeeps(t *testing.T) {
	old := newInstallation(t, "sqlite")
	s := old.start(t)
	s.Connect()
	s.Alice()
	_, robot := s.Robot("ci", 0)
	edit(t, s.Bind(pachdtest.Project("genomics"), pachdtest.Alice, "projectWriter"))
	edit(t, s.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"))
	_, err := s.API.Pach.CreateTrust(s.Root(), &pachpb.CreateTrustRequest{Trust: trust(t)})
	edit(t, err)
	_, err = s.API.Auth.ModifyMembers(s.Root(), &authpb.ModifyMembersRequest{Group: "group:admins", Add: []string{"robot:ci"}})
	edit(t, err)
	s.Stop()

	fresh := newInstallation(t, "sqlite")
	fresh.start(t).Stop()
	guide, err := os.ReadFile("../../docs/guides/backup.md")
	edit(t, err)
	_, script, _ := strings.Cut(string(guide), "\nsqlite3 /var/lib/pachd/pachd.db <<'END'\n")
	script, _, found := strings.Cut(script, "\nEND\n")
	if !found {
		t.Fatal("the guide has no such script")
	}
	pool, err := sql.Open("sqlite", filepath.Join(fresh.dir, "pachd.db"))
	edit(t, err)
	_, err = pool.ExecContext(t.Context(), strings.ReplaceAll(script, "/var/lib/pachd.lost", old.dir))
	edit(t, err)
	edit(t, pool.Close())

	s = fresh.start(t, func(c *config.Config) { c.Listen.HTTP = strings.TrimPrefix(s.HTTP, "http://") })
	if who, err := whoAmI(t, s, robot); who != "robot:ci" || err != nil {
		t.Errorf("%s, %v", who, err)
	}
	s.WantGroups("robot:ci", "group:admins")
	res, err := s.API.Pach.ListTrusts(s.Root(), &pachpb.ListTrustsRequest{})
	if err != nil || len(res.GetTrusts()) != 1 {
		t.Errorf("trusts: %v, %v", res, err)
	}
	s.Connect()
	if who, err := whoAmI(t, s, s.Alice()); who != pachdtest.Alice || err != nil {
		t.Errorf("with the connector made again: %s, %v", who, err)
	}
	bound, err := s.Bound(s.Root(), pachdtest.Project("genomics"))
	if diff := cmp.Diff(map[string][]string{pachdtest.Alice: {"projectWriter"}}, bound); diff != "" || err != nil {
		t.Errorf("roles: %v\n%s", err, diff)
	}
}
