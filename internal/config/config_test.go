package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
)

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pachd.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_EnvironmentOverFile(t *testing.T) {
	file := write(t, "publicURL: https://file.example.com\nlisten:\n  grpc: localhost:1\n  metrics: ''\nauth:\n  sessionDuration: 90m\n")
	c, err := Load("/data", file, []string{
		"PACHD_LISTEN_GRPC=localhost:2", "PACHD_PORT_30650_TCP_ADDR=10.0.0.1", "PACHD_DATABASE_URL=postgres://u:hunter2@h/d",
		"PACHD_LISTEN_CALLBACK=", "PACHD_AUTH_ROOT_TOKEN=ours-wins", "AUTH_ROOT_TOKEN=upstream", "CLUSTER_DEPLOYMENT_ID=d",
	})
	if err != nil {
		t.Fatal(err)
	}
	got := []string{c.PublicURL, c.Listen.GRPC, c.Listen.HTTP, c.Listen.Callback, c.Listen.Metrics, c.Database.URL.Reveal(), c.Auth.RootToken.Reveal(), c.Cluster.DeploymentID, time.Duration(c.Auth.SessionDuration).String()}
	want := []string{"https://file.example.com", "localhost:2", "localhost:30658", "", "", "postgres://u:hunter2@h/d", "ours-wins", "d", "1h30m0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLoad_NamesMistakes(t *testing.T) {
	for _, test := range []struct{ file, env, want string }{
		{file: "publicUrl: x", want: "did you mean publicURL"},
		{file: "listen:\n  grcp: x", want: "line 2"},
		{file: "insecure: yes please", want: "insecure"},
		{file: "listen: {grpc: 0.0.0.0:1}", want: "insecure: true"},
		{file: "listen: {http: nonsense}", want: "listen.http"},
		{file: "tls: {certFile: a}", want: "keyFile"},
		{file: "issuer: {signingAlgorithm: none}", want: "RS256"},
		{file: "auth: {sessionDuration: 0s}", want: "more than 0"},
		{file: "auth: {sessionDuration: soon}", want: "90m"},
		{file: "publicURL: ftp://x", want: "publicURL"},
		{file: "log: {level: loud}", want: "log.level"},
		{file: "database: {listenURL: 'sqlite:x', url: 'postgres://h/d'}", want: "database.listenURL: must begin with postgres:"},
		{file: "database: {passwordFile: /x}", want: "database.passwordFile: is for PostgreSQL"},
		{file: "database: {sslCert: /x, url: 'postgres://h/d'}", want: "both sslCert and sslKey"},
		{file: "database: {maxOpenConns: 1}", want: "maxOpenConns: must be more than 1"},
		{file: "database: {maxOpenConns: 4, maxIdleConns: 5}", want: "maxIdleConns: must be 0 to maxOpenConns"},
		{file: "storage: {s3: {bucket: b}}", want: "storage.s3.bucket: is for an object store"},
		{file: "storage: {dir: /x, s3: {endpoint: 'https://s3.example.com', bucket: b, accessKey: a, secretKey: s}}", want: "not both"},
		{file: "storage: {s3: {endpoint: 'https://s3.example.com', accessKey: a, secretKey: s}}", want: "storage.s3.bucket: is missing"},
		{file: "storage: {s3: {endpoint: 'https://s3.example.com/bucket', bucket: b, accessKey: a, secretKey: s}}", want: "storage.s3.endpoint"},
		{env: "PACHD_INSECURE=perhaps", want: "true or false"},
		{env: "SESSION_DURATION_MINUTES=many", want: "SESSION_DURATION_MINUTES"},
	} {
		_, err := Load("/data", write(t, test.file), []string{test.env})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), test.want) {
			t.Errorf("%q %q: %v, want %q", test.file, test.env, err, test.want)
		}
	}
	if _, err := Load("/data", "/nosuch/pachd.yaml", nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("no file: %v", err)
	}
}

// Whatever stands in the file, it is taken or refused, and what is taken is
// safe to serve with.
func FuzzLoad(f *testing.F) {
	f.Add("publicURL: https://pach.example.com\nlisten: {grpc: 0.0.0.0:30650}\ninsecure: true\n")
	f.Add("listen:\n  http: localhost:0\nauth: {sessionDuration: 1h}\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Load("/data", write(t, text), nil)
		if err != nil {
			return
		}
		if host, _, _ := strings.Cut(c.Listen.GRPC, ":"); host != "" && host != "localhost" && host != "127.0.0.1" && !strings.HasPrefix(c.Listen.GRPC, "[::1]") &&
			!strings.HasPrefix(host, "127.") && !c.Insecure && c.TLS.CertFile == "" && !strings.Contains(c.Listen.GRPC, "::1") {
			t.Errorf("plain text on %s was accepted: %q", c.Listen.GRPC, text)
		}
		if c.Auth.SessionDuration <= 0 {
			t.Errorf("a session of %v was accepted", c.Auth.SessionDuration)
		}
	})
}

// Whoever writes connectors may name files and variables, but not these.
func TestConfig_OwnPaths(t *testing.T) {
	file := write(t, "auth: {rootToken: hunter2}\ndatabase: {url: 'sqlite:/var/lib/p.db'}\nsealing: {keyFile: /keys/seal}\ntls: {certFile: /tls/c, keyFile: /tls/k}\nkubernetes: {serviceAccount: /account}\n")
	c, err := Load("/data", file, []string{"CLIENT_SECRET=x", "PGPASSWORD=hunter2", "PGSSLPASSWORD=hunter2", "PACHD_INSECURE=true", "AUTH_ROOT_TOKEN=hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/data", file, "/keys/seal", "/tls/k", "/account", "/data/objects", "/var/lib/p.db"}, c.Own()); diff != "" {
		t.Error(diff)
	}
	if _, ok := c.Environ["CLIENT_SECRET"]; !ok || len(c.Environ) != 1 {
		t.Errorf("variables that may be named: %v", c.Environ)
	}
}

func TestStorage_WhereItIs(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("of-the-store\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const s3, postgres = "storage: {s3: {endpoint: 'https://s3.example.com', bucket: b, accessKey: a}}", "PACHD_DATABASE_URL=postgres://h/d"
	for _, test := range []struct {
		file          string
		env           []string
		dir, endpoint string
		noted         bool
	}{
		{dir: "/data/objects"},
		{file: "storage: {dir: /elsewhere}", dir: "/elsewhere"},
		{env: []string{postgres}, dir: "/data/objects", noted: true},
		{file: s3, env: []string{"PACHD_STORAGE_S3_SECRET_KEY_FILE=" + key, postgres}, endpoint: "https://s3.example.com"},
	} {
		c, err := Load("/data", write(t, test.file), test.env)
		if err != nil {
			t.Fatal(err)
		}
		if c.Storage.Dir != test.dir || c.Storage.S3.Endpoint != test.endpoint || (len(c.StorageNotes) > 0) != test.noted {
			t.Errorf("%q: %q, %q, %q", test.file, c.Storage.Dir, c.Storage.S3.Endpoint, c.StorageNotes)
		}
		if test.endpoint != "" && c.Storage.S3.SecretKey != "of-the-store" {
			t.Error("the secret key is not that of the file")
		}
	}
	_, err := Load("/data", write(t, s3), []string{"PACHD_STORAGE_S3_SECRET_KEY_FILE=" + key + "-not"})
	if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "put the secret key into it") {
		t.Errorf("without the file: %v", err)
	}
}
