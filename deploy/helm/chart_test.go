package helm_test

import (
	"bytes"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	"google.golang.org/grpc/health/grpc_health_v1"

	"pachyderm/api"
	"pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	// program is helm, which make deps installs.
	program = "../../.tools/helm-3.22.0"
	chart   = "pachyderm"
)

// helm runs helm; it knows no cluster.
func helm(t *testing.T, args ...string) (out, errs string, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err = c.Run()
	if _, isExit := err.(*exec.ExitError); err != nil && !isExit { //nolint:errorlint // as Run returns it
		t.Fatalf("%v: make deps installs it", err)
	}
	return stdout.String(), stderr.String(), err
}

func render(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, err := helm(t, append([]string{"template", "pachyderm", chart, "--namespace", "pach"}, args...)...)
	if err != nil {
		t.Fatalf("%v\n%s", args, errs)
	}
	return out
}

func valuesFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files with values, %v", len(files), err)
	}
	return files
}

func TestChart_Lints(t *testing.T) {
	for _, file := range valuesFiles(t) {
		if out, _, err := helm(t, "lint", "--strict", "--values", file, chart); err != nil {
			t.Errorf("%s: %s", file, out)
		}
	}
}

// The guide shows values that are rendered here.
func TestGuide_ValuesAreTested(t *testing.T) {
	page, err := os.ReadFile("../../docs/guides/helm.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)<!-- values: (\\w+) -->\n```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 2 {
		t.Errorf("%d blocks with values", len(blocks))
	}
	for _, b := range blocks {
		file, err := os.ReadFile(filepath.Join("testdata", "values", b[1]+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(file), b[2]); diff != "" {
			t.Errorf("%s:\n%s", b[1], diff)
		}
	}
}

// Every object that the chart makes of typical values, to be read when it changes.
func TestChart_Golden(t *testing.T) {
	for _, file := range valuesFiles(t) {
		got := render(t, "--values", file)
		if again := render(t, "--values", file); again != got {
			t.Errorf("%s: rendered twice it differs:\n%s", file, cmp.Diff(got, again))
		}
		golden := filepath.Join("testdata", "golden", filepath.Base(file))
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (go test ./deploy/helm -update):\n%s", file, diff)
		}
	}
}

// What upstream lets through, or draws anew at each rendering, is said in words.
func TestChart_RefusesInWords(t *testing.T) {
	const postgres = "global.postgresql.postgresqlHost=db,global.postgresql.postgresqlExistingSecretName=s"
	for name, test := range map[string]struct{ set, want string }{
		"a scheme in a host":          {"ingress.enabled=true,ingress.host=https://pach.example.com", "ingress.host: \"https://pach.example.com\" is an address: write the host alone"},
		"a path in a host":            {"proxy.host=pach.example.com/dex", "proxy.host"},
		"an Ingress without a host":   {"ingress.enabled=true", "ingress.host: an Ingress needs the host"},
		"a port in a host":            {"ingress.enabled=true,ingress.host=a.example.com:8443", "ingress.host: \"a.example.com:8443\" has a port: write the host alone"},
		"a pattern for a host":        {"gateway.enabled=true,gateway.host=*.example.com", "gateway.host: \"*.example.com\" is a pattern"},
		"a scheme for a Gateway":      {"gateway.enabled=true,gateway.host=https://a.example.com", "gateway.host: \"https://a.example.com\" is an address"},
		"a Gateway without a host":    {"gateway.enabled=true,gateway.parentRefs[0].name=g", "gateway.host: a route needs the host"},
		"a Gateway without a name":    {"gateway.enabled=true,gateway.host=a.example.com", "gateway.parentRefs: a route needs a Gateway"},
		"two routes on a listener":    {"gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g,gateway.grpcParentRefs[0].name=g", "it would take only one of the two routes of a host"},
		"TLS behind a Gateway":        {"gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g,pachd.tls.enabled=true,pachd.tls.secretName=s", "let TLS end at the Gateway"},
		"another host of the Gateway": {"gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g,ingress.enabled=true,ingress.host=b.example.com", "use one host for both"},
		"TLS at one of two":           {"gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g,ingress.enabled=true,ingress.host=a.example.com", "one of Gateway and Ingress speaks TLS"},
		"an issuer of no Gateway":     {"gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g,oidc.issuerURI=https://b.example.com/dex", "is on another host than \"a.example.com\""},
		"the trial at a Gateway":      {"oidc.mockIDP=true,gateway.enabled=true,gateway.host=a.example.com,gateway.parentRefs[0].name=g", "would be a clusterAdmin at a public address"},
		"metrics behind a policy":     {"metrics.serviceMonitor.enabled=true,pachd.networkPolicy.enabled=true", "keep Prometheus from the metrics"},
		"TLS of pachd":                {"pachd.tls.enabled=true", "set pachd.tls.secretName"},
		"TLS of the Ingress":          {"ingress.enabled=true,ingress.host=a.example.com,ingress.tls.enabled=true", "set ingress.tls.secretName"},
		"TLS of the proxy":            {"proxy.tls.enabled=true", "set proxy.tls.secretName"},
		"TLS behind plain text":       {"ingress.enabled=true,ingress.host=a.example.com,pachd.tls.enabled=true,pachd.tls.secretName=s", "people would sign in in plain text"},
		"an issuer beside the proxy":  {"oidc.issuerURI=https://pach.example.com/oidc", "behind the proxy the issuer's path is /dex"},
		"an issuer on another host":   {"oidc.issuerURI=https://other.example.com/dex,proxy.host=pach.example.com", "is on another host than \"pach.example.com\""},
		"an issuer without scheme":    {"oidc.issuerURI=pach.example.com/dex", "write one such as https://"},
		"allClusterUsers twice":       {"deployTarget=LOCAL,pachd.pachAuthClusterRoleBindings.allClusterUsers={repoReader}", "allClusterUsers is there twice"},
		"the trial's connector":       {"oidc.mockIDP=true,proxy.host=pach.example.com", "would be a clusterAdmin at a public address"},
		"two lists of connectors":     {"oidc.upstreamIDPs[0].id=a,oidc.upstreamIDPsSecretName=s", "keep one of the two"},
		"two root tokens":             {"pachd.rootToken=a-root-token,pachd.rootTokenSecretName=s", "keep one of the two"},
		"a short root token":          {"pachd.rootToken=abc", "too short to be a secret"},
		"SQLite for many":             {"pachd.replicas=3", "3 replicas need PostgreSQL"},
		"SQLite for ever more":        {"pachd.autoscaling.enabled=true", "several replicas need PostgreSQL"},
		"PostgreSQL, no password":     {"global.postgresql.postgresqlHost=db,pachd.sealingKeySecretName=s,pachd.rootTokenSecretName=s", "PostgreSQL needs a password"},
		"several, and one volume":     {postgres + ",pachd.replicas=2", "pachd.storage: several replicas need one place for the bytes of files"},
		"ever more, and one volume":   {postgres + ",pachd.autoscaling.enabled=true", "pachd.storage: several replicas need one place"},
		"a store of no kind":          {"pachd.storage.backend=S3", "pachd.storage.backend: \"S3\" is none: use AMAZON or MINIO, or pachd.storage.s3"},
		"a store without a bucket":    {"pachd.storage.s3.endpoint=https://s3.example.com,pachd.storage.s3.secretName=s", "pachd.storage.s3: an object store needs an address and a bucket"},
		"a store without keys":        {"pachd.storage.s3.endpoint=https://s3.example.com,pachd.storage.s3.bucket=b", "pachd.storage.s3: the object store needs an access key"},
		"half a key":                  {"pachd.storage.backend=minio,pachd.storage.minio.endpoint=m:9000,pachd.storage.minio.bucket=b,pachd.storage.minio.id=i", "pachd.storage.minio: the object store needs an access key"},
		"AMAZON without a region":     {"pachd.storage.backend=AMAZON,pachd.storage.amazon.bucket=b,pachd.storage.s3.secretName=s", "pachd.storage.amazon: an object store needs an address"},
		"MINIO without an address":    {"pachd.storage.backend=MINIO,pachd.storage.minio.bucket=b,pachd.storage.s3.secretName=s", "pachd.storage.minio: an object store needs an address"},
		"another case":                {"oidc.upstreamIdps={}", "oidc.upstreamIdps: there is no such value: did you mean oidc.upstreamIDPs?"},
		"a word left out":             {"pachd.rootTokenSecret=s", "did you mean pachd.rootTokenSecretName?"},
		"two letters":                 {"ingress.tls.secretNaem=s", "did you mean ingress.tls.secretName?"},
		"a section":                   {"ingres.enabled=true", "ingres: there is no such value: did you mean ingress?"},
		"nothing like it":             {"pachd.zzz=1", "pachd.zzz: there is no such value: use one of activateAuth"},
		"a value of another type":     {"pachd.replicas=many", "got string, want integer"},
		"roles that are not a list":   {"pachd.pachAuthClusterRoleBindings.a=clusterAdmin", "got string, want array"},
		"an sslmode that there isn't": {"global.postgresql.postgresqlSSL=yes", "postgresqlSSL"},
	} {
		args := []string{"template", "pachyderm", chart, "--set", test.set}
		if _, errs, err := helm(t, args...); err == nil || !strings.Contains(errs, test.want) {
			t.Errorf("%s: got %q, want %q", name, errs, test.want)
		}
	}
}

// notes are what helm install prints; helm template does not, so that a copy of the
// chart has them in an object.
func notes(t *testing.T, args ...string) string {
	t.Helper()
	copied := filepath.Join(t.TempDir(), chart)
	if err := os.CopyFS(copied, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	const text = "notes: |\n  {{- include (print .Template.BasePath \"/NOTES.txt\") . | nindent 2 }}\n"
	if err := os.WriteFile(filepath.Join(copied, "templates", "notes.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, err := helm(t, append([]string{"template", "pachyderm", copied, "--show-only", "templates/notes.yaml"}, args...)...)
	if err != nil {
		t.Fatal(errs)
	}
	var in struct {
		Notes string `yaml:"notes"`
	}
	if err := yaml.Unmarshal([]byte(out), &in); err != nil {
		t.Fatal(err)
	}
	return in.Notes
}

// What upstream's values set beyond this part installs, and is named.
func TestChart_NamesWhatIsNotUsed(t *testing.T) {
	_, list, _ := strings.Cut(notes(t, "--values", "testdata/values/upstream-large.yaml"), "These values have nothing to set here and are not used:\n")
	got := strings.Fields(list)
	want := []string{
		"console", "etcd", "global.postgresql.identityDatabaseFullNameOverride", "kubeEventTail", "loki-stack", "pachd.externalService",
		"pachd.localhostIssuer", "pachd.oauthClientID", "pachd.storage.backend", "pachd.storage.google", "pgbouncer", "postgresql",
		"proxy.service.legacyPorts",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The connector for trials comes with a warning, and only where it is asked for.
func TestChart_WarnsOfTheTrialsConnector(t *testing.T) {
	const warning = "is a clusterAdmin. Set oidc.upstreamIDPs."
	for set, want := range map[string]bool{"deployTarget=LOCAL": true, "oidc.mockIDP=true": true, "deployTarget=LOCAL,oidc.mockIDP=false": false, "deployTarget=GOOGLE": false} {
		if got := strings.Contains(notes(t, "--set", set), warning); got != want {
			t.Errorf("%s: warns %t", set, got)
		}
		if got := strings.Contains(render(t, "--set", set), "mockPassword"); got != want {
			t.Errorf("%s: has the connector %t", set, got)
		}
	}
}

// Whoever installs learns where the keys are that pachd makes, and what hangs on them.
func TestChart_SaysWhatPachdKeeps(t *testing.T) {
	const sealed, root = "without the sealing key the database cannot be used", "get secret pachyderm-auth --output 'jsonpath={.data.root-token}'"
	for file, want := range map[string][2]bool{"postgres": {true, true}, "nothing": {false, true}, "replicas": {false, false}} {
		text := notes(t, "--values", "testdata/values/"+file+".yaml")
		if got := [2]bool{strings.Contains(text, sealed), strings.Contains(text, root)}; got != want {
			t.Errorf("%s: %v, want %v:\n%s", file, got, want, text)
		}
	}
}

// object is one of those that the chart makes.
type object struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	StringData map[string]string `yaml:"stringData"`
	Spec       struct {
		Template struct {
			Metadata struct {
				Annotations map[string]string `yaml:"annotations"`
				Labels      map[string]string `yaml:"labels"`
			} `yaml:"metadata"`
			Spec struct {
				Containers []struct {
					Args []string `yaml:"args"`
					Env  []struct {
						Name, Value string
					} `yaml:"env"`
					VolumeMounts []struct {
						Name string `yaml:"name"`
						Path string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
				} `yaml:"containers"`
				Volumes []struct {
					Name  string `yaml:"name"`
					Claim *struct {
						Name string `yaml:"claimName"`
					} `yaml:"persistentVolumeClaim"`
				} `yaml:"volumes"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func find(t *testing.T, rendered, kind, name string) object {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(rendered))
	for {
		var o object
		if err := d.Decode(&o); err != nil {
			t.Fatalf("there is no %s %s: %v", kind, name, err)
		}
		if o.Kind == kind && o.Metadata.Name == name {
			return o
		}
	}
}

// freeAddress is one that nothing listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// claimOf is the claim of the volume that a directory is on, or "".
func claimOf(deployment object, dir string) (claim string) {
	spec, longest := deployment.Spec.Template.Spec, ""
	for _, m := range spec.Containers[0].VolumeMounts {
		if !strings.HasPrefix(dir+"/", m.Path+"/") || len(m.Path) < len(longest) {
			continue
		}
		longest, claim = m.Path, ""
		for _, v := range spec.Volumes {
			if v.Name == m.Name && v.Claim != nil {
				claim = v.Claim.Name
			}
		}
	}
	return claim
}

// What upstream's values say of an object store is what pachd is configured with.
func TestChart_ObjectStoresOfUpstreamsValues(t *testing.T) {
	const keys = "pachd.storage.s3.secretName=s,"
	for set, want := range map[string]string{
		keys + "pachd.storage.backend=AMAZON,pachd.storage.amazon.bucket=b,pachd.storage.amazon.region=eu-west-1":                              "bucket: b\nendpoint: https://s3.eu-west-1.amazonaws.com\nregion: eu-west-1\nsecretKeyFile: /run/pachd/storage/secret-key",
		keys + "pachd.storage.backend=AMAZON,pachd.storage.amazon.bucket=b,pachd.storage.amazon.customEndpoint=https://s3.example.com":         "bucket: b\nendpoint: https://s3.example.com\nregion: \"\"\nsecretKeyFile: /run/pachd/storage/secret-key",
		keys + "pachd.storage.backend=minio,pachd.storage.minio.bucket=b,pachd.storage.minio.endpoint=m:9000,pachd.storage.minio.secure=false": "bucket: b\nendpoint: http://m:9000\npathStyle: true\nsecretKeyFile: /run/pachd/storage/secret-key",
	} {
		_, store, _ := strings.Cut(find(t, render(t, "--set", set), "Secret", "pachyderm-config").StringData["pachd.yaml"], "  s3:\n")
		store, _, _ = strings.Cut(store, "\nauth:")
		store, _, _ = strings.Cut(store, "\nsealing:")
		if got := strings.TrimSpace(strings.ReplaceAll(store, "    ", "")); got != want {
			t.Errorf("%s: got\n%s", set, got)
		}
	}
}

// Each configuration that the chart makes is one that pachd takes.
func TestChart_ConfigurationIsPachds(t *testing.T) {
	for _, file := range valuesFiles(t) {
		rendered := render(t, "--values", file)
		text := find(t, rendered, "Secret", "pachyderm-config").StringData["pachd.yaml"]
		root := filepath.Join(t.TempDir(), "root-token")
		if err := os.WriteFile(root, []byte("a-root-token-for-all"), 0o600); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "pachd.yaml")
		text = strings.NewReplacer("/run/pachd/root-token/root-token", root, "/run/pachd/storage/secret-key", root).Replace(text)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var environ []string
		for _, e := range find(t, rendered, "Deployment", "pachd").Spec.Template.Spec.Containers[0].Env {
			if e.Name == "PACHD_STORAGE_S3_ACCESS_KEY" {
				e.Value = "of the Secret"
			}
			environ = append(environ, e.Name+"="+e.Value)
		}
		c, err := config.Load("/pach", path, environ)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if claim := claimOf(find(t, rendered, "Deployment", "pachd"), c.Storage.Dir); c.Storage.S3.Endpoint == "" && claim == "" {
			t.Errorf("%s: a restart would lose the bytes of files, which are in %s", file, c.Storage.Dir)
		}
		isPostgres := strings.HasPrefix(c.Database.URL.Reveal(), "postgres://")
		if want := strings.Contains(rendered, "POSTGRES_HOST"); isPostgres != want {
			t.Errorf("%s: the database is %.12s", file, c.Database.URL.Reveal())
		}
	}
}

// The page's "set your IdP values directly through Helm": values, pachd with what the
// chart makes of them, and a person who signs in.
func TestChart_ConnectorInValuesSignsPeopleIn(t *testing.T) {
	address := freeAddress(t)
	issuer := "http://" + address + "/dex"
	op := optest.Start(t, issuer+"/callback")
	values := filepath.Join(t.TempDir(), "values.yaml")
	text := "oidc:\n  issuerURI: " + issuer + "\n  upstreamIDPs:\n  - id: demo\n    name: Demo\n    type: oidc\n    config:\n      issuer: " + op.Issuer +
		"\n      clientID: " + op.ClientID + "\n      clientSecret: " + op.ClientSecret + "\n      redirectURI: " + issuer + "/callback\n" +
		"pachd:\n  rootToken: the-root-token-of-the-values\n  pachAuthClusterRoleBindings:\n    user:alice@example.com: [clusterAdmin]\n"
	if err := os.WriteFile(values, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	rendered := render(t, "--values", values)
	root := filepath.Join(t.TempDir(), "root-token")
	if err := os.WriteFile(root, []byte(find(t, rendered, "Secret", "pachyderm-auth").StringData["root-token"]), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pachd.yaml")
	made := find(t, rendered, "Secret", "pachyderm-config").StringData["pachd.yaml"]
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(made, "/run/pachd/root-token/root-token", root)), 0o600); err != nil {
		t.Fatal(err)
	}
	s := pachdtest.StartWith(t, t.TempDir(), file, []string{"PACHD_LISTEN_HTTP=" + address, "PACHD_LOG_FORMAT=text"})
	s.RootToken = "the-root-token-of-the-values"
	if who, err := s.WhoAmI(s.Root()); err != nil || who.GetUsername() != "pach:root" {
		t.Errorf("the root token of the values: %v, %v", who, err)
	}
	session := pachdtest.As(t.Context(), s.Alice())
	if who, err := s.WhoAmI(session); err != nil || who.GetUsername() != pachdtest.Alice {
		t.Errorf("%v, %v", who, err)
	}
	if _, err := s.API.Auth.GetRobotToken(session, &auth.GetRobotTokenRequest{Robot: "ci"}); err != nil {
		t.Errorf("the role of the values: %v", err)
	}
}

// Whatever leads people to one host leads calls of each service to gRPC.
func TestChart_RoutesEveryService(t *testing.T) {
	for file, line := range map[string]string{"plain-ingress": "path: /%s/\n", "gateway": "value: /%s\n", "gateway-grpc": "service: %s\n"} {
		rendered := render(t, "--values", "testdata/values/"+file+".yaml")
		for _, s := range append(api.Services(), api.Service{Desc: &grpc_health_v1.Health_ServiceDesc}) {
			if want := fmt.Sprintf(line, s.Desc.ServiceName); strings.Count(rendered, want) != 1 {
				t.Errorf("%s: there is not one %q", file, want)
			}
		}
	}
}

// A connector or role that changes is taken over by the running pods; another
// setting is not, so it rolls them.
func TestChart_RollsOnlyForSettings(t *testing.T) {
	annotation := func(set string) string {
		return find(t, render(t, "--set", "proxy.host=pach.example.com", "--set", set), "Deployment", "pachd").
			Spec.Template.Metadata.Annotations["checksum/settings"]
	}
	before := annotation("pachd.replicas=1")
	if got := annotation("pachd.pachAuthClusterRoleBindings.robot:ci={repoReader}"); got != before {
		t.Error("another role rolls the pods")
	}
	if got := annotation("pachd.logLevel=debug"); got == before {
		t.Error("another log level does not roll the pods")
	}
	labels := find(t, render(t, "--values", "testdata/values/labels.yaml"), "Deployment", "pachd").Spec.Template.Metadata.Labels
	if labels["app.kubernetes.io/name"] != "pachd" || labels["team"] != "data" {
		t.Errorf("labels of the pods: %v", labels)
	}
}
