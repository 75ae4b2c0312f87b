package pachd_test

import (
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/config"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/test/idp"
)

// root is the repository.
const root = "../.."

var metricName = regexp.MustCompile(`\bpachd_[a-z_]+[a-z]\b`)

// family is a metric without what its type adds to its name.
func family(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

func families(text string) []string {
	found := map[string]bool{}
	for _, name := range metricName.FindAllString(text, -1) {
		found[family(name)] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// scrape reads what Prometheus would.
func scrape(t *testing.T, s *pachdtest.Server) string {
	t.Helper()
	code, text := get(t, "http://"+s.Metrics()+"/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d: %s", code, text)
	}
	return text
}

// What docs/metrics.md explains is what there is, and what is watched exists.
func TestMetrics_DocumentedAndWatched(t *testing.T) {
	certificate := idp.NewCA(t).Certificate(t)
	s := pachdtest.Start(t, func(c *config.Config) {
		c.TLS = config.TLS{CertFile: certificate.CertFile, KeyFile: certificate.KeyFile}
	})
	plain := pachdtest.Start(t, func(c *config.Config) { c.Limits.SignInsPerMinute = 4 })
	plain.Connect()
	plain.Alice()
	err := plain.Issuer.Registry.UpdateConnector(t.Context(), registry.Operator(), registry.Connector{ID: "demo", Config: map[string]any{
		"clientSecretExpires": "2027-05-31",
	}})
	if err != nil {
		t.Fatal(err)
	}
	for code := 0; code != http.StatusTooManyRequests; {
		code, _ = get(t, plain.HTTP+"/auth?client_id=pachctl")
	}
	read := func(path string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	text := scrape(t, plain)
	for _, want := range []string{
		`pachd_sign_ins_total{connector="demo",result="ok"} 1`, `pachd_connector_duration_seconds_count{connector="demo",step="callback"} 1`,
		`pachd_connector_expiry_timestamp_seconds{connector="demo",what="client secret"} 1.8117216e+09`,
		`pachd_limited_total{limit="sign-ins"} 1`, `pachd_http_duration_seconds_count{code="429",endpoint="auth"} 1`, `pachd_database_listening 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	served, documented := families(scrape(t, s)+text), families(read("docs/metrics.md"))
	if !slices.Equal(served, documented) {
		t.Errorf("served:\n%s\ndocumented:\n%s", strings.Join(served, "\n"), strings.Join(documented, "\n"))
	}
	err = fs.WalkDir(os.DirFS(root), "deploy/monitoring", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, name := range families(read(path)) {
			if !slices.Contains(documented, name) {
				t.Errorf("%s watches %s, which is not there", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Strangers cannot make series: each would stay in memory for good.
func TestMetrics_LabelsAreNotStrangers(t *testing.T) {
	s := pachdtest.Start(t)
	s.Connect()
	for _, path := range []string{"/made-up-path", "/auth/made-up-connector?client_id=pachctl", "/made-up.php", "/api/made-up.API/Method"} {
		get(t, s.HTTP+path)
	}
	_ = s.Call(t.Context(), "/made.up.API/Method")
	if text := scrape(t, s); strings.Contains(text, "made") {
		t.Errorf("what strangers send is a label:\n%s", text)
	}
}
