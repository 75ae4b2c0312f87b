//go:build cluster

package helm_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pachyderm/api/identity"
	"pachyderm/internal/config/kubesecret"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/pachd"
	"pachyderm/internal/pachd/pachdtest"
)

const keysPath = "/api/v1/namespaces/pach/secrets/pachyderm-auth"

// serviceAccount is the folder that Kubernetes mounts for pachd's pods.
func (c *cluster) serviceAccount() string {
	c.t.Helper()
	ca, err := os.ReadFile(c.ca)
	if err != nil {
		c.t.Fatal(err)
	}
	token := dig(c.do(http.MethodPost, "/api/v1/namespaces/pach/serviceaccounts/pachyderm/token",
		m{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": m{"expirationSeconds": 3600}}), "status", "token")
	dir := c.t.TempDir()
	for name, text := range map[string]string{"token": fmt.Sprint(token), "ca.crt": string(ca), "namespace": "pach"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	return dir
}

// keys is the Secret as pachd's pods reach it.
func (c *cluster) keys() *kubesecret.Secret {
	c.t.Helper()
	u, err := url.Parse(c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	return kubesecret.New(kubesecret.Pod{Host: u.Hostname(), Port: u.Port(), ServiceAccount: c.serviceAccount()}, "pachyderm-auth")
}

// replica starts pachd with what the chart has made for it, on a database of PostgreSQL.
func (c *cluster) replica(database, dataDir string, environ ...string) (*pachdtest.Server, error) {
	c.t.Helper()
	file, ours := c.configuration(database)
	return pachdtest.TryWith(c.t, dataDir, file, append(ours, environ...))
}

// configuration is the file and the variables of a pod.
func (c *cluster) configuration(database string) (file string, environ []string) {
	c.t.Helper()
	text := dig(c.do(http.MethodGet, "/api/v1/namespaces/pach/secrets/pachyderm-config", nil), "data", "pachd.yaml")
	made, err := base64.StdEncoding.DecodeString(fmt.Sprint(text))
	if err != nil {
		c.t.Fatal(err)
	}
	file = filepath.Join(c.t.TempDir(), "pachd.yaml")
	if err := os.WriteFile(file, made, 0o600); err != nil {
		c.t.Fatal(err)
	}
	u, err := url.Parse(c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	store := filepath.Join(c.t.TempDir(), "secret-key") // as the pod's volume has it; nobody is at its store's address
	if err := os.WriteFile(store, []byte("of the store"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return file, []string{
		"PACHD_STORAGE_S3_ACCESS_KEY=of-the-store", "PACHD_STORAGE_S3_SECRET_KEY_FILE=" + store,
		"PACHD_DATABASE_URL=" + database, "PACHD_DATABASE_PASSWORD_FILE=", "PACHD_TLS_CERT_FILE=", "PACHD_TLS_KEY_FILE=", "PACHD_INSECURE=true", "PACHD_SHUTDOWN_DELAY=0s",
		"KUBERNETES_SERVICE_HOST=" + u.Hostname(), "KUBERNETES_SERVICE_PORT=" + u.Port(), "PACHD_KUBERNETES_SERVICE_ACCOUNT=" + c.serviceAccount(),
	}
}

// data is what the Secret has, decoded.
func (c *cluster) data() map[string]string {
	c.t.Helper()
	in, _ := c.do(http.MethodGet, keysPath, nil)["data"].(m)
	out := map[string]string{}
	for key, value := range in {
		text, err := base64.StdEncoding.DecodeString(fmt.Sprint(value))
		if err != nil {
			c.t.Fatal(err)
		}
		out[key] = string(text)
	}
	return out
}

// setData has an administrator put something else into the Secret.
func (c *cluster) setData(data map[string]string) {
	c.t.Helper()
	secret := c.do(http.MethodGet, keysPath, nil)
	delete(secret, "data")
	secret["stringData"] = data
	c.do(http.MethodPut, keysPath, secret)
}

// wantRoot holds a replica to the root token of the Secret.
func (c *cluster) wantRoot(s *pachdtest.Server) {
	c.t.Helper()
	s.RootToken = c.data()["root-token"]
	if who, err := s.WhoAmI(s.Root()); err != nil || who.GetUsername() != "pach:root" {
		c.t.Errorf("the root token of the Secret: %v, %v", who, err)
	}
}

// wantRefused holds a replica that must not start to what it says.
func (c *cluster) wantRefused(what, want string, s *pachdtest.Server, err error) {
	c.t.Helper()
	if s != nil && err == nil {
		s.Stop()
	}
	if !strings.Contains(fault.Message(err), want) {
		c.t.Errorf("%s: pachd says %v, want %q", what, err, want)
	}
	c.t.Logf("%s: %s", what, fault.Message(err))
	for _, value := range c.data() {
		if value != "" && err != nil && strings.Contains(err.Error(), value) {
			c.t.Errorf("%s: a key is told: %v", what, err)
		}
	}
}

// Writers that race for the Secret hold the same key, whoever is first.
func TestCluster_RacingWritersHoldOneKey(t *testing.T) {
	c := newNamespace(t)
	c.helm("install", "pachyderm", chart, "--values", "testdata/values/postgres.yaml")
	if data := c.data(); len(data) != 0 {
		t.Fatalf("the chart has drawn %d values", len(data))
	}
	const rounds, writers = 5, 4
	for round := range rounds {
		c.setData(nil)
		var all sync.WaitGroup
		var got [writers]string
		for n := range writers {
			key := c.keys().Key("sealing-key")
			all.Go(func() {
				value, err := key.Fill(t.Context(), fmt.Append(nil, "value-", n))
				if err != nil {
					t.Error(err)
				}
				got[n] = string(value)
			})
		}
		all.Wait()
		has := c.data()["sealing-key"]
		for _, value := range got {
			if has == "" || value != has {
				t.Errorf("round %d: the Secret has %q, writers hold %q", round, has, got)
			}
		}
	}
}

// With PostgreSQL and no Secrets by name: replicas that start at once make one sealing
// key and one root token, which nothing that becomes of the release changes.
func TestCluster_KeysAreMadeOnce(t *testing.T) {
	c := newNamespace(t)
	values := []string{"--values", "testdata/values/postgres.yaml"}
	c.helm(append([]string{"install", "pachyderm", chart}, values...)...)
	database := dbtest.PostgresURL(t)
	var replicas [3]*pachdtest.Server
	var all sync.WaitGroup
	for n := range replicas {
		dir := t.TempDir()
		all.Go(func() {
			s, err := c.replica(database, dir)
			if err != nil {
				t.Error(err)
			}
			replicas[n] = s
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for _, s := range replicas {
		c.wantRoot(s)
		for key, value := range c.data() {
			if strings.Contains(s.Log.String(), value) {
				t.Errorf("%s is in the log", key)
			}
		}
		if _, err := os.Stat(filepath.Join(s.DataDir, "sealing-key")); err == nil {
			t.Error("a sealing key is on the disk of a pod")
		}
	}
	secrets, template := c.secrets(), c.template()

	c.helm(append([]string{"upgrade", "pachyderm", chart, "--set", "pachd.service.annotations.example=x"}, values...)...)
	c.same("Secrets after an upgrade", secrets, c.secrets())
	c.helm("rollback", "pachyderm", "1")
	c.same("Secrets after a rollback", secrets, c.secrets())
	c.same("pods after a rollback", template, c.template())
	for _, s := range replicas {
		s.Stop()
	}
	c.helm("uninstall", "pachyderm")
	c.same("Secrets after uninstalling", kept(secrets), c.secrets())
	c.helm(append([]string{"install", "pachyderm", chart}, values...)...)
	again, err := c.replica(database, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.wantRoot(again)
	c.same("Secrets of a new installation", kept(secrets), kept(c.secrets()))
}

// A root token that was once in the values stays when it is taken out of them, and what
// pachd has filled stays when one is put there.
func TestCluster_RootTokenOfTheValues(t *testing.T) {
	c := newNamespace(t)
	values := []string{"--values", "testdata/values/postgres.yaml"}
	c.helm(append([]string{"install", "pachyderm", chart, "--set", "pachd.rootToken=the-root-token-of-the-values"}, values...)...)
	database := dbtest.PostgresURL(t)
	start := func() {
		t.Helper()
		s, err := c.replica(database, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		c.wantRoot(s)
		s.Stop()
	}
	key := c.keys().Key("sealing-key")
	if _, err := key.Fill(t.Context(), []byte(strings.Repeat("A", 43)+"=")); err != nil {
		t.Fatal(err)
	}
	c.helm(append([]string{"upgrade", "pachyderm", chart}, values...)...)
	start()
	c.same("the Secret without the value", map[string]string{
		"root-token": "the-root-token-of-the-values", "sealing-key": strings.Repeat("A", 43) + "=",
	}, c.data())
	c.helm(append([]string{"upgrade", "pachyderm", chart, "--set", "pachd.rootToken=another-root-token"}, values...)...)
	c.same("the Secret with another value", map[string]string{"root-token": "another-root-token", "sealing-key": strings.Repeat("A", 43) + "="}, c.data())
}

// The sealing key is replaced in the Secret, beside replicas that run and follow it.
func TestCluster_SealingKeyIsReplaced(t *testing.T) {
	c := newNamespace(t)
	c.helm("install", "pachyderm", chart, "--values", "testdata/values/postgres.yaml")
	database := dbtest.PostgresURL(t)
	var replicas [2]*pachdtest.Server
	for n := range replicas {
		var err error
		if replicas[n], err = c.replica(database, t.TempDir()); err != nil {
			t.Fatal(err)
		}
		c.wantRoot(replicas[n])
	}
	before := c.data()
	for n, step := range []string{"add", "use", "remove"} {
		file, environ := c.configuration(database)
		var stdout, stderr bytes.Buffer
		args := []string{"sealing-key", step, "--data-dir", t.TempDir(), "--config", file}
		if code := pachd.Main(t.Context(), args, environ, &stdout, &stderr); code != 0 || !strings.Contains(stdout.String(), "Copy the Secret") {
			t.Fatalf("%s: exit code %d: %s%s", step, code, &stdout, &stderr)
		}
		t.Logf("$ pachd sealing-key %s\n%s", step, &stdout)
		for _, s := range replicas {
			for strings.Count(s.Log.String(), "the sealing key was read again") < n+1 {
				time.Sleep(50 * time.Millisecond)
			}
			_, err := s.API.Identity.CreateOIDCClient(s.Root(), &identity.CreateOIDCClientRequest{Client: &identity.OIDCClient{
				Id: fmt.Sprint(step, s.GRPC), Name: step, RedirectUris: []string{"https://app.example.com/callback"},
			}})
			if err != nil {
				t.Errorf("%s: %v", step, err)
			}
		}
	}
	after := c.data()
	if after["sealing-key.old"] == "" || after["sealing-key"] == before["sealing-key"] || after["root-token"] != before["root-token"] {
		t.Error("the Secret has not the new key, the old one beside it, and the root token that was there")
	}
	third, err := c.replica(database, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.wantRoot(third)
	c.setData(map[string]string{"sealing-key": before["sealing-key"]})
	s, err := c.replica(database, t.TempDir())
	c.wantRefused("the key from before", "is not the one that this database was written with", s, err)
}

// Whatever is wrong with the Secret, pachd says so, and writes nothing over it.
func TestCluster_SecretThatCannotBeUsed(t *testing.T) {
	c := newNamespace(t)
	values := []string{"--values", "testdata/values/postgres.yaml"}
	c.helm(append([]string{"install", "pachyderm", chart}, values...)...)
	database := dbtest.PostgresURL(t)
	c.setData(map[string]string{"sealing-key": "garbage"})
	s, err := c.replica(database, t.TempDir())
	c.wantRefused("garbage, on a new database", "sealing-key in the Secret pachyderm-auth is not a sealing key", s, err)
	c.setData(nil)

	first, err := c.replica(database, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	good := c.data()
	for what, test := range map[string]struct {
		data map[string]string
		want string
	}{
		"emptied":          {nil, "the sealing key sealing-key in the Secret pachyderm-auth is missing: restore it from a backup; without it connectors"},
		"an empty key":     {map[string]string{"sealing-key": "", "root-token": good["root-token"]}, "is not a sealing key"},
		"garbage":          {map[string]string{"sealing-key": "garbage", "root-token": good["root-token"]}, "is not a sealing key"},
		"another key":      {map[string]string{"sealing-key": strings.Repeat("A", 43) + "="}, "is not the one that this database was written with"},
		"a short root":     {map[string]string{"sealing-key": good["sealing-key"], "root-token": "abc"}, "root-token in the Secret pachyderm-auth is too short"},
		"an empty root":    {map[string]string{"sealing-key": good["sealing-key"], "root-token": ""}, "root-token in the Secret pachyderm-auth is too short"},
		"a key, no longer": {map[string]string{"root-token": good["root-token"]}, "is missing: restore it from a backup"},
	} {
		c.setData(test.data)
		before := c.secrets()
		// What a pod had on its disk before does not stand in for it.
		dir := t.TempDir()
		for _, name := range []string{"sealing-key", "root-token"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(good[name]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := c.replica(database, dir)
		c.wantRefused(what, test.want, s, err)
		c.same(what, before, c.secrets())
	}
	// Who runs goes on meanwhile.
	first.RootToken = good["root-token"]
	if _, err := first.WhoAmI(first.Root()); err != nil {
		t.Errorf("a replica that runs: %v", err)
	}

	c.setData(map[string]string{"sealing-key": good["sealing-key"]})
	renewed, err := c.replica(database, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.wantRoot(renewed)
	if _, err := first.WhoAmI(first.Root()); err == nil {
		t.Error("the root token that was removed from the Secret goes on")
	}
	renewed.Stop()

	// pachd may do nothing else in Kubernetes.
	account := c.serviceAccount()
	u, _ := url.Parse(c.address)
	other := kubesecret.New(kubesecret.Pod{Host: u.Hostname(), Port: u.Port(), ServiceAccount: account}, "pachyderm-db")
	if _, err := other.Key("password").Read(t.Context()); err == nil || !strings.Contains(fault.Message(err), "no Role allows") {
		t.Errorf("another Secret: %v", err)
	}

	c.setData(nil)
	locked := c.do(http.MethodGet, keysPath, nil)
	locked["immutable"] = true
	c.do(http.MethodPut, keysPath, locked)
	s, err = c.replica(dbtest.PostgresURL(t), t.TempDir())
	c.wantRefused("immutable", "the Secret pachyderm-auth cannot be changed", s, err)

	c.do(http.MethodDelete, "/apis/rbac.authorization.k8s.io/v1/namespaces/pach/rolebindings/pachd", nil)
	s, err = c.replica(database, t.TempDir())
	c.wantRefused("no Role", "no Role allows pachd's service account to get the Secret pachyderm-auth: apply the chart's Role", s, err)
	s, err = c.replica(database, t.TempDir(), "KUBERNETES_SERVICE_PORT=1")
	c.wantRefused("the API is down", "does not answer: pachd starts from the Secret pachyderm-auth", s, err)

	c.helm(append([]string{"upgrade", "pachyderm", chart}, values...)...) // brings the RoleBinding back
	c.do(http.MethodDelete, keysPath, nil)
	if _, err = c.replica(database, t.TempDir()); !strings.Contains(fault.Message(err), "there is no Secret pachyderm-auth in pachd's namespace: restore it") {
		t.Errorf("no Secret: %v", err)
	}
}
