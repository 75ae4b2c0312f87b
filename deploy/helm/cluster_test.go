//go:build cluster

package helm_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// apiServer is what make cluster builds.
const apiServer = "../../.tools/kube-apiserver-1.34.10"

// cluster is a real API server with etcd. Nothing schedules pods: what is shown is
// which objects it takes, and what becomes of them.
type cluster struct {
	t          *testing.T
	address    string
	kubeconfig string
	ca         string
	client     *http.Client
}

type m = map[string]any

func startCluster(t *testing.T) *cluster {
	t.Helper()
	dir := t.TempDir()
	etcd, peer, api := freeAddress(t), freeAddress(t), freeAddress(t)
	c := &cluster{t: t, address: "https://" + api, kubeconfig: filepath.Join(dir, "kubeconfig"), ca: filepath.Join(dir, "pki", "apiserver.crt")}
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for name, text := range map[string]string{
		"tokens.csv": "admin-token,admin,1,system:masters\n",
		"kubeconfig": fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: admin-token}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`, c.address),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(dir, "sa.key")
	if out, err := exec.CommandContext(t.Context(), "openssl", "genrsa", "-out", key, "2048").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	start(t, filepath.Join(dir, "etcd.log"), "etcd", "--data-dir", filepath.Join(dir, "etcd"),
		"--listen-client-urls", "http://"+etcd, "--advertise-client-urls", "http://"+etcd,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer, "--initial-cluster", "default=http://"+peer,
		"--unsafe-no-fsync")
	_, port, err := net.SplitHostPort(api)
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "apiserver.log")
	start(t, log, apiServer, "--etcd-servers=http://"+etcd, "--bind-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+filepath.Join(dir, "pki"),
		"--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kube.test", "--service-account-key-file="+key,
		"--service-account-signing-key-file="+key, "--authorization-mode=RBAC", "--token-auth-file="+filepath.Join(dir, "tokens.csv"),
		"--disable-admission-plugins=ServiceAccount", "--advertise-address=127.0.0.1")
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if status, _ := c.try(http.MethodGet, "/readyz", nil); status == http.StatusOK {
			return c
		}
		if time.Now().After(deadline) {
			text, err := os.ReadFile(log)
			t.Fatalf("the API server does not begin: %s %v", text, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// start runs a program until the test ends.
func start(t *testing.T, log, name string, args ...string) {
	t.Helper()
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(context.Background(), name, args...)
	c.Stdout, c.Stderr = out, out
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatalf("%v: make cluster installs what is needed", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		_ = out.Close()
	})
}

func (c *cluster) try(method, path string, body any) (int, m) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, c.address+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer admin-token")
	r.Header.Set("Content-Type", "application/json")
	res, err := c.client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var out m
	_ = json.Unmarshal(data, &out) // what is no object is not looked at
	return res.StatusCode, out
}

func (c *cluster) do(method, path string, body any) m {
	c.t.Helper()
	status, out := c.try(method, path, body)
	if status < 200 || status > 299 {
		c.t.Fatalf("%s %s: %d %v", method, path, status, out["message"])
	}
	return out
}

// helm runs helm on the cluster, and notes it in the transcript.
func (c *cluster) helm(args ...string) string {
	c.t.Helper()
	out, errs, err := helm(c.t, append(args, "--kubeconfig", c.kubeconfig, "--namespace", "pach")...)
	c.t.Logf("$ helm %s\n%s%s", strings.Join(args, " "), head(out), errs)
	if err != nil {
		c.t.Fatalf("helm %v: %s", args, errs)
	}
	if strings.Contains(errs, "PodSecurity") {
		c.t.Errorf("helm %v: %s", args, errs)
	}
	return out
}

func head(text string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[:min(len(lines), 6)], "")
}

func dig(v any, path ...string) any {
	for _, key := range path {
		in, _ := v.(m)
		v = in[key]
	}
	return v
}

// secrets are the versions of all Secrets but helm's own.
func (c *cluster) secrets() map[string]string {
	c.t.Helper()
	versions := map[string]string{}
	items, _ := c.do(http.MethodGet, "/api/v1/namespaces/pach/secrets", nil)["items"].([]any)
	for _, item := range items {
		if name := fmt.Sprint(dig(item, "metadata", "name")); !strings.HasPrefix(name, "sh.helm.") {
			versions[name] = fmt.Sprint(dig(item, "metadata", "resourceVersion"))
		}
	}
	return versions
}

// template is what new pods are made from: Kubernetes replaces them when it changes.
func (c *cluster) template() any {
	c.t.Helper()
	return dig(c.do(http.MethodGet, "/apis/apps/v1/namespaces/pach/deployments/pachd", nil), "spec", "template")
}

func (c *cluster) same(what string, want, got any) {
	c.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("%s:\n%s", what, diff)
	}
}

// pod tries the Deployment's pod: what no controller makes here.
func (c *cluster) pod(change func(container m)) (int, string) {
	c.t.Helper()
	var template m
	text, err := json.Marshal(c.template())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &template); err != nil {
		c.t.Fatal(err)
	}
	containers, _ := dig(template, "spec", "containers").([]any)
	container, _ := containers[0].(m)
	change(container)
	template["apiVersion"], template["kind"] = "v1", "Pod"
	metadata, _ := template["metadata"].(m)
	metadata["generateName"] = "pachd-"
	status, out := c.try(http.MethodPost, "/api/v1/namespaces/pach/pods?dryRun=All", template)
	return status, fmt.Sprint(out["message"])
}

func newNamespace(t *testing.T) *cluster {
	t.Helper()
	c := startCluster(t)
	labels := m{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
	c.do(http.MethodPost, "/api/v1/namespaces", m{"metadata": m{"name": "pach", "labels": labels}})
	for name, data := range map[string]m{
		"pachd-root-token": {"root-token": "a-root-token-of-an-operator"}, "pachd-sealing-key": {"sealing-key": strings.Repeat("A", 43) + "="},
		"pachyderm-db": {"password": "p"}, "pach-idps": {"upstream-idps": "[]"}, "pach-clients": {"additional-oidc-clients": "[]"},
		"pach-tls": {"tls.crt": "x", "tls.key": "x"},
	} {
		c.do(http.MethodPost, "/api/v1/namespaces/pach/secrets", m{"metadata": m{"name": name}, "stringData": data})
	}
	return c
}

// No Secret changes that need not, and no pod is replaced that need not be, by
// upgrades, rollbacks and a new installation.
func TestCluster_LifeOfARelease(t *testing.T) {
	c := newNamespace(t)
	c.helm("install", "pachyderm", chart, "--values", "testdata/values/replicas.yaml")
	secrets, template := c.secrets(), c.template()
	if status, text := c.pod(func(m) {}); status != http.StatusCreated {
		t.Errorf("a namespace that is restricted refuses the pod: %d %s", status, text)
	}
	if status, text := c.pod(func(container m) { delete(container, "securityContext") }); status != http.StatusForbidden {
		t.Errorf("it takes any pod: %d %s", status, text)
	}

	c.helm("upgrade", "pachyderm", chart, "--values", "testdata/values/replicas.yaml", "--set", "pachd.service.annotations.example=x")
	c.same("Secrets after an upgrade with an unrelated value", secrets, c.secrets())
	c.same("pods after an upgrade with an unrelated value", template, c.template())

	c.helm("upgrade", "pachyderm", chart, "--values", "testdata/values/replicas.yaml", "--set", "pachd.pachAuthClusterRoleBindings.robot:ci={repoReader}")
	c.same("pods after an upgrade with another role", template, c.template())
	if c.secrets()["pachyderm-config"] == secrets["pachyderm-config"] {
		t.Error("another role is not in the configuration")
	}

	c.helm("rollback", "pachyderm", "1")
	c.same("pods after a rollback", template, c.template())
	text := dig(c.do(http.MethodGet, "/api/v1/namespaces/pach/secrets/pachyderm-config", nil), "data", "pachd.yaml")

	c.helm("uninstall", "pachyderm")
	left := c.secrets()
	c.same("Secrets of the operator after uninstalling", kept(secrets), left)
	c.helm("install", "pachyderm", chart, "--values", "testdata/values/replicas.yaml")
	c.same("pods of a new installation", template, c.template())
	c.same("Secrets of the operator", left, kept(c.secrets()))
	again := dig(c.do(http.MethodGet, "/api/v1/namespaces/pach/secrets/pachyderm-config", nil), "data", "pachd.yaml")
	c.same("the configuration of a new installation", text, again)
}

// kept are the Secrets that are not the chart's own to change.
func kept(versions map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range versions {
		if key != "pachyderm-config" {
			out[key] = value
		}
	}
	return out
}

// crds are the definitions of what Kubernetes itself does not have: of the Gateway API
// and of the Prometheus Operator, as they were published.
const crds = "../../.tools/crds-1"

func (c *cluster) define() {
	c.t.Helper()
	files, err := filepath.Glob(crds + "/*.yaml")
	if err != nil || len(files) != 3 {
		c.t.Fatalf("%d definitions, %v: make cluster brings them", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			c.t.Fatal(err)
		}
		var definition m
		if err := yaml.Unmarshal(text, &definition); err != nil {
			c.t.Fatal(err)
		}
		c.do(http.MethodPost, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
		served := fmt.Sprintf("/apis/%v/v1/%v", dig(definition, "spec", "group"), dig(definition, "spec", "names", "plural"))
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if status, _ := c.try(http.MethodGet, served, nil); status == http.StatusOK {
				break
			}
			if time.Now().After(deadline) {
				c.t.Fatalf("%s is not served", served)
			}
		}
	}
}

// collections are where the API server takes objects of a kind.
func collections() map[string]string {
	return map[string]string{
		"Secret": "/api/v1/namespaces/pach/secrets", "Service": "/api/v1/namespaces/pach/services",
		"ServiceAccount": "/api/v1/namespaces/pach/serviceaccounts", "PersistentVolumeClaim": "/api/v1/namespaces/pach/persistentvolumeclaims",
		"Deployment":              "/apis/apps/v1/namespaces/pach/deployments",
		"HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/pach/horizontalpodautoscalers",
		"PodDisruptionBudget":     "/apis/policy/v1/namespaces/pach/poddisruptionbudgets",
		"Ingress":                 "/apis/networking.k8s.io/v1/namespaces/pach/ingresses",
		"NetworkPolicy":           "/apis/networking.k8s.io/v1/namespaces/pach/networkpolicies",
		"Role":                    "/apis/rbac.authorization.k8s.io/v1/namespaces/pach/roles",
		"RoleBinding":             "/apis/rbac.authorization.k8s.io/v1/namespaces/pach/rolebindings",
		"HTTPRoute":               "/apis/gateway.networking.k8s.io/v1/namespaces/pach/httproutes",
		"GRPCRoute":               "/apis/gateway.networking.k8s.io/v1/namespaces/pach/grpcroutes",
		"ServiceMonitor":          "/apis/monitoring.coreos.com/v1/namespaces/pach/servicemonitors",
	}
}

// Every object of every values file is valid, to the field: one that the schema does
// not have is an error, too. That this is looked at shows an object with one.
func TestCluster_SchemasOfEveryObject(t *testing.T) {
	c := newNamespace(t)
	c.define()
	seen := map[string]bool{}
	for _, file := range valuesFiles(t) {
		golden, err := os.ReadFile(filepath.Join("testdata", "golden", filepath.Base(file)))
		if err != nil {
			t.Fatal(err)
		}
		for decoder := yaml.NewDecoder(bytes.NewReader(golden)); ; {
			var object m
			if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if object == nil {
				continue
			}
			kind := fmt.Sprint(object["kind"])
			where := collections()[kind] + "?dryRun=All&fieldValidation=Strict"
			if status, out := c.try(http.MethodPost, where, object); status != http.StatusCreated {
				t.Errorf("%s: %s %v: %d %v", file, kind, dig(object, "metadata", "name"), status, out["message"])
			}
			if spec, _ := object["spec"].(m); spec != nil && !seen[kind] {
				spec["misspelt"] = true
				if status, out := c.try(http.MethodPost, where, object); status != http.StatusBadRequest {
					t.Errorf("%s with a field that there is not: %d %v", kind, status, out["message"])
				}
			}
			seen[kind] = true
		}
	}
	for kind := range collections() {
		if !seen[kind] {
			t.Errorf("no values make a %s", kind)
		}
	}
}

// Helm installs each of them.
func TestCluster_TakesEveryObject(t *testing.T) {
	c := newNamespace(t)
	c.define()
	for _, file := range valuesFiles(t) {
		c.helm("install", "pachyderm", chart, "--values", file)
		c.helm("uninstall", "pachyderm")
	}
	// The data outlives an uninstallation.
	c.do(http.MethodGet, "/api/v1/namespaces/pach/persistentvolumeclaims/pachd", nil)
}
