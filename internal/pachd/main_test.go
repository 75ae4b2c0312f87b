package pachd_test

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pachyderm/internal/pachd"
	"pachyderm/internal/pachd/pachdtest"
)

func environ(more ...string) []string {
	return append([]string{
		"PACHD_LISTEN_GRPC=127.0.0.1:0", "PACHD_LISTEN_HTTP=127.0.0.1:0", "PACHD_LISTEN_CALLBACK=", "PACHD_LISTEN_METRICS=",
		"PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "PACHD_LOG_LEVEL=error",
	}, more...)
}

// used is a data directory that pachd has run on.
func used(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Run("first start", func(t *testing.T) { pachdtest.StartIn(t, dir) })
	return dir
}

func edit(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMain_FailedStartSaysWhatToDo(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, c := range map[string]struct {
		dir     func(t *testing.T) string
		args    []string
		environ []string
		want    []string
	}{
		"no directory": {func(*testing.T) string { return "" }, nil, nil, []string{"no data directory", "--data-dir"}},
		"a directory in use": {func(t *testing.T) string {
			return pachdtest.Start(t).DataDir
		}, nil, nil, []string{"another pachd is running on the data directory", "stop it, or set --data-dir"}},
		"a directory that cannot be made": {func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "file")
			edit(t, os.WriteFile(file, nil, 0o600))
			return filepath.Join(file, "dir")
		}, nil, nil, []string{"cannot make the data directory", "--data-dir"}},
		"a directory that cannot be written": {func(*testing.T) string { return "/proc/self" }, nil, nil, []string{"cannot write the data directory /proc/self", "--data-dir"}},
		"a port in use": {fresh, nil, []string{"PACHD_LISTEN_GRPC=" + taken.Addr().String()}, []string{
			"listen.grpc", taken.Addr().String() + " is in use", "choose another (PACHD_LISTEN_GRPC)",
		}},
		"an address of another machine": {fresh, nil, []string{"PACHD_LISTEN_HTTP=192.0.2.7:1", "PACHD_INSECURE=true"}, []string{"listen.http: cannot listen on 192.0.2.7:1", "PACHD_LISTEN_HTTP"}},
		"plain text on the network":     {fresh, nil, []string{"PACHD_LISTEN_HTTP=0.0.0.0:0"}, []string{"in plain text", "tls.certFile", "insecure: true"}},
		"a newer schema": {func(t *testing.T) string {
			dir := used(t)
			pool, err := sql.Open("sqlite", filepath.Join(dir, "pachd.db"))
			edit(t, err)
			_, err = pool.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)`)
			edit(t, err)
			edit(t, pool.Close())
			return dir
		}, nil, nil, []string{"schema version 999", "start the newer pachd that made it"}},
		"a database that is none": {func(t *testing.T) string {
			dir := t.TempDir()
			edit(t, os.WriteFile(filepath.Join(dir, "pachd.db"), []byte(strings.Repeat("nonsense ", 999)), 0o600))
			return dir
		}, nil, nil, []string{"not a SQLite database", "restore a backup"}},
		"no sealing key": {func(t *testing.T) string {
			dir := used(t)
			edit(t, os.Remove(filepath.Join(dir, "sealing-key")))
			return dir
		}, nil, nil, []string{"sealing-key is missing", "restore it from a backup", "connectors, OIDC clients and signing keys are lost, roles and robots' tokens are not"}},
		"another sealing key": {func(t *testing.T) string {
			dir, other := used(t), used(t)
			key, err := os.ReadFile(filepath.Join(other, "sealing-key"))
			edit(t, err)
			edit(t, os.WriteFile(filepath.Join(dir, "sealing-key"), key, 0o600))
			return dir
		}, nil, nil, []string{"is not the one that this database was written with", "restore the right one", "docs/guides/backup.md"}},
		"a sealing key that is none": {func(t *testing.T) string {
			dir := used(t)
			edit(t, os.WriteFile(filepath.Join(dir, "sealing-key"), []byte("nonsense"), 0o600))
			return dir
		}, nil, nil, []string{"is not a sealing key", "restore what pachd made"}},
		"a sealing key for all to read": {func(t *testing.T) string {
			dir := used(t)
			edit(t, os.Chmod(filepath.Join(dir, "sealing-key"), 0o644))
			return dir
		}, nil, nil, []string{"can be read or written by others", "chmod 600"}},
		"a sealing key of another user": {func(t *testing.T) string {
			dir := used(t)
			edit(t, os.Chown(filepath.Join(dir, "sealing-key"), 65534, 65534))
			return dir
		}, nil, nil, []string{"belongs to another user, with id 65534", "chown it"}},
		"a root token that others may write": {func(t *testing.T) string {
			dir := t.TempDir()
			edit(t, os.WriteFile(filepath.Join(dir, "root-token"), []byte("known"), 0o600))
			edit(t, os.Chmod(filepath.Join(dir, "root-token"), 0o622))
			return dir
		}, nil, nil, []string{"root token", "can be read or written by others", "chmod 600"}},
		"a root token of another user": {func(t *testing.T) string {
			dir := t.TempDir()
			edit(t, os.WriteFile(filepath.Join(dir, "root-token"), []byte("known"), 0o600))
			edit(t, os.Chown(filepath.Join(dir, "root-token"), 65534, 65534))
			return dir
		}, nil, nil, []string{"root token", "belongs to another user", "remove it"}},
		"a root token that cannot be read": {func(t *testing.T) string {
			dir := t.TempDir()
			edit(t, os.Mkdir(filepath.Join(dir, "root-token"), 0o700))
			return dir
		}, nil, nil, []string{"cannot read the root token", "check its owner and mode"}},
		"a PostgreSQL that does not answer": {fresh, nil, []string{"PACHD_DATABASE_URL=postgres://pachd:hunter2@127.0.0.1:1/pachd"}, []string{
			"PostgreSQL at 127.0.0.1:1 does not answer", "start it or correct database.url",
		}},
		"a Secret outside of Kubernetes": {fresh, nil, []string{"PACHD_KUBERNETES_KEYS_SECRET=keys"}, []string{"pachd is not in a pod", "unset kubernetes.keysSecret"}},
		"a pod without a token": {fresh, nil, []string{
			"PACHD_KUBERNETES_KEYS_SECRET=keys", "KUBERNETES_SERVICE_HOST=127.0.0.1", "KUBERNETES_SERVICE_PORT=1", "PACHD_KUBERNETES_SERVICE_ACCOUNT=/nosuch",
		}, []string{"the pod has no service account's token: /nosuch/token is missing", "automountServiceAccountToken"}},
		"no name of a Secret": {fresh, nil, []string{"PACHD_KUBERNETES_KEYS_SECRET=../configmaps/x"}, []string{"kubernetes.keysSecret: \"../configmaps/x\" is not the name of a Secret"}},
		"no certificate":      {fresh, nil, []string{"PACHD_TLS_CERT_FILE=/nosuch/cert", "PACHD_TLS_KEY_FILE=/nosuch/key"}, []string{"tls:", "/nosuch/cert"}},
		"no such file":        {fresh, []string{"--config", "/nosuch/pachd.yaml"}, nil, []string{"cannot read the configuration /nosuch/pachd.yaml", "check --config"}},
		"a bad setting":       {fresh, nil, []string{"PACHD_LOG_LEVEL=loud", "PACHD_AUTH_ROOT_TOKEN=hunter2", "PACHD_ISSUER_SIGNING_ALGORITHM=HS256"}, []string{"log.level", "issuer.signingAlgorithm", "use RS256 or ES256"}},
		"a bad public address": {
			fresh, nil, []string{"PACHD_PUBLIC_URL=http://pach.example.com"}, []string{"http://pach.example.com", "use https"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			args := c.args
			if dir := c.dir(t); dir != "" {
				args = append([]string{"--data-dir", dir}, args...)
			}
			var stdout, stderr bytes.Buffer
			code := pachd.Main(t.Context(), args, environ(c.environ...), &stdout, &stderr)
			text := stderr.String()
			if code != 1 || stdout.Len() != 0 || !strings.HasPrefix(text, "pachd: ") || strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, &stdout, text)
			}
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("got %q, want %q", text, want)
				}
			}
			if strings.Contains(text, "hunter2") {
				t.Errorf("a secret was told: %q", text)
			}
		})
	}
}

func fresh(t *testing.T) string { return t.TempDir() }

func TestMain_StartAfterAFailedOne(t *testing.T) {
	dir := used(t)
	key := filepath.Join(dir, "sealing-key")
	edit(t, os.Rename(key, key+".away"))
	var out bytes.Buffer
	if code := pachd.Main(t.Context(), []string{"--data-dir", dir}, environ(), &out, &out); code != 1 {
		t.Fatalf("exit code %d: %s", code, &out)
	}
	if _, err := os.Stat(key); err == nil {
		t.Error("a new key was made")
	}
	edit(t, os.Rename(key+".away", key))
	pachdtest.StartIn(t, dir)
}

func TestMain_CommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":            {[]string{"--help"}, 0, "--data-dir DIR"},
		"the version":     {[]string{"--version"}, 0, "."},
		"an unknown flag": {[]string{"--datadir", "x"}, 2, "datadir"},
		"an argument":     {[]string{"--data-dir", "x", "y"}, 2, `unexpected argument "y"`},
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

func TestMain_RunsUntilStopped(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- pachd.Main(ctx, []string{"--data-dir", dir}, environ(), w, &stderr)
		_ = w.Close()
	}()
	lines := bufio.NewScanner(r)
	said := ""
	for lines.Scan() {
		said += lines.Text() + "\n"
		if strings.Contains(said, "root-token") {
			stop()
		}
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit code %d: %s", code, &stderr)
	}
	token, err := os.ReadFile(filepath.Join(dir, "root-token"))
	edit(t, err)
	if !regexp.MustCompile(`gRPC on 127\.0\.0\.1:\d+, sign-in at http://127\.0\.0\.1:\d+`).MatchString(said) || strings.Contains(said+stderr.String(), strings.TrimSpace(string(token))) {
		t.Errorf("it says: %s%s", said, &stderr)
	}
	stop()
}
