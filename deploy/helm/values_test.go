package helm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	values "pachyderm/internal/config/chart"
	"pachyderm/internal/pachd"
)

// pachd executes the chart's templates itself: what it makes is what helm makes.
func TestCheckValues_MakesWhatHelmMakes(t *testing.T) {
	for _, file := range valuesFiles(t) {
		rendered := render(t, "--values", file)
		v, err := values.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		made, err := v.Make()
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		var want, got map[string]any
		if err := yaml.Unmarshal([]byte(find(t, rendered, "Secret", "pachyderm-config").StringData["pachd.yaml"]), &want); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal([]byte(made.Config), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
			t.Errorf("%s: helm and pachd:\n%s", file, diff)
		}
		var environ []string
		for _, e := range find(t, rendered, "Deployment", "pachd").Spec.Template.Spec.Containers[0].Env {
			if _, unseen := made.Unseen[e.Name]; !unseen {
				environ = append(environ, e.Name+"="+e.Value)
			}
		}
		if diff := cmp.Diff(environ, made.Environ); diff != "" {
			t.Errorf("%s: variables of helm and pachd:\n%s", file, diff)
		}
	}
}

func checkValues(t *testing.T, file string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = pachd.Main(t.Context(), []string{"config", "check", "--values", file}, nil, &out, &errs)
	return code, out.String(), errs.String()
}

func TestCheckValues_TakesWhatInstalls(t *testing.T) {
	for _, file := range valuesFiles(t) {
		code, stdout, stderr := checkValues(t, file)
		if code != 0 || stderr != "" || !strings.Contains(stdout, file+" can be had") {
			t.Errorf("%s: exit code %d: %s%s", file, code, stdout, stderr)
		}
		if file == "testdata/values/upstream-large.yaml" && strings.Count(stdout, " is not used: ") != 13 {
			t.Errorf("what is not used: %s", stdout)
		}
		if file == "testdata/values/replicas.yaml" && !strings.Contains(stdout, "IDP_CONNECTORS is in the Secret pach-idps, which was not looked at") {
			t.Errorf("what was not looked at: %s", stdout)
		}
	}
}

// What helm would refuse, and what pachd would refuse in the pod, is said with its line
// before anything is installed.
func TestCheckValues_RefusesInWords(t *testing.T) {
	connector := "oidc:\n  upstreamIDPs:\n  - id: a\n    name: A\n    type: oidc\n    config:\n      issuer: https://a.example.com\n      clientID: x\n"
	for name, test := range map[string]struct {
		values string
		helm   bool // refuses it as well
		want   []string
	}{
		"unknown keys, all at once": {"pachd:\n  replcas: 3\noidc:\n  upstreamIdps: []\ningres: {}\n", true, []string{
			"pachd.replcas: there is no such value: did you mean replicas? (line 2)",
			"oidc.upstreamIdps: there is no such value: did you mean upstreamIDPs? (line 4)",
			"ingres: there is no such value: did you mean ingress? (line 5)",
		}},
		"nothing like it": {"pachd:\n  zzzzzzzzzz: 3\n", true, []string{"pachd.zzzzzzzzzz: there is no such value: use one of activateAuth,"}},
		"types": {"pachd:\n  replicas: many\n  rootToken: 12345678\n  service:\n    type: X\n    oidcPort: 99999\n  groups: {a: b}\n", true, []string{
			"pachd.replicas is of type string, and has to be integer (line 2)", "pachd.rootToken is of type integer, and has to be string (line 3)",
			"pachd.service.type has to be one of", "pachd.service.oidcPort has to be 65535 or less (line 6)", "pachd.groups.a is of type string, and has to be array (line 7)",
		}},
		"too few":                    {"pachd:\n  replicas: 0\n", true, []string{"pachd.replicas has to be 1 or more"}},
		"nothing":                    {"global:\n  postgresql:\n    postgresqlExistingSecretKey: ''\n", true, []string{"postgresqlExistingSecretKey must not be empty (line 3)"}},
		"what the chart refuses":     {"pachd:\n  logLevel: info\n  replicas: 3\n", true, []string{"pachd.replicas: 3 replicas need PostgreSQL", "(line 3)"}},
		"an issuer beside the proxy": {"oidc:\n  issuerURI: https://pach.example.com/oidc\n", true, []string{"behind the proxy the issuer's path is /dex (line 2)"}},
		"a section that is null":     {"pachd: null\n", true, []string{"see that no section is null"}},
		"no mapping":                 {"- a\n", true, []string{"is not a mapping in YAML"}},
		"no YAML":                    {"a: b: c\n", true, []string{"is not a mapping in YAML"}},
		"a key of a connector":       {connector + "      clientSecrt: hunter2\n", false, []string{"oidc.upstreamIDPs[0]: ", "config.clientSecrt: did you mean clientSecret? (line 3)"}},
		"a secret that no pod has": {
			connector + "      clientSecret: ${file:/etc/shadow}\n      redirectURI: http://localhost:30658/dex/callback\n", false,
			[]string{"put it into the Secret that oidc.dexCredentialSecretName names, and write ${file:/dexcreds/NAME} (line 3)"},
		},
		"a role":     {"pachd:\n  pachAuthClusterRoleBindings:\n    user:alice@example.com: [clusterAdmn]\n", false, []string{"pachd.pachAuthClusterRoleBindings.user:alice@example.com: unknown role", "(line 3)"}},
		"a duration": {"pachd:\n  sessionDuration: forever\n", false, []string{"pachd.sessionDuration: expected a duration such as 90m or 720h (line 2)"}},
		"a client":   {"oidc:\n  additionalClients:\n  - {id: x, name: X}\n  - id: x\n    nme: y\n", false, []string{"oidc.additionalClients[1]: nme: did you mean name? (line 4)"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(test.values), 0o600); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := checkValues(t, file)
			if code != 1 || stdout != "" || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "hunter2") || strings.Contains(stderr, "/tmp/pachd-") {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("got %q, want %q", stderr, want)
				}
			}
			if _, _, err := helm(t, "template", "pachyderm", "pachyderm", "--values", file); (err != nil) != test.helm {
				t.Errorf("helm refuses it: %v", err)
			}
		})
	}
}

// Anchors, merge keys, comments alone: what YAML has, values may have.
func TestCheckValues_TakesYAML(t *testing.T) {
	files, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for _, text := range []string{"", "# nothing\n", "deployTarget: &x LOCAL\npachd:\n  <<: {replicas: 1}\n  clusterDeploymentID: *x\n", "global: {anybodys: 1}\n"} {
		file := filepath.Join(files, "values.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, stdout, stderr := checkValues(t, file); code != 0 {
			t.Errorf("%q: %s%s", text, stdout, stderr)
		}
		if _, errs, err := helm(t, "template", "pachyderm", "pachyderm", "--values", file); err != nil {
			t.Errorf("%q: helm: %s", text, errs)
		}
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
