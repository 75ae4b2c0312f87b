package connector_test

import (
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/probe"
	"pachyderm/internal/fetch"
	"pachyderm/internal/secret"
)

// outsider is what a document of somebody who is nobody here is opened with, on a
// server whose administrators may name an environment variable and a folder.
func outsider(t *testing.T, reach fetch.Reach) (d connector.Deps, file string) {
	t.Helper()
	folder := t.TempDir()
	file = filepath.Join(folder, "secret")
	if err := os.WriteFile(file, []byte("hidden"), 0o600); err != nil {
		t.Fatal(err)
	}
	d = connector.Deps{
		Now: time.Now, Log: slog.New(slog.DiscardHandler), Callback: callback, AllowHTTP: true, FormURL: func(string) string { return callback },
		References: &secret.References{Environ: map[string]secret.Text{"SECRET": "hidden"}, Names: []string{"*"}, Folders: []string{folder}},
	}
	return d.ForOutsider(reach), file
}

func TestForOutsider_NamesNothingOfTheServer(t *testing.T) {
	d, file := outsider(t, fetch.Anywhere)
	for name, test := range map[string]struct {
		typ    string
		change map[string]any
	}{
		"an environment variable": {"oidc", map[string]any{"clientSecret": "${env:SECRET}"}},
		"a file":                  {"oidc", map[string]any{"clientSecret": "${file:" + file + "}"}},
		"a file of roots":         {"oidc", map[string]any{"rootCAs": []any{file}}},
		"a service account":       {"google", map[string]any{"serviceAccountFilePath": file, "domainToAdminEmail": map[string]any{"*": "a@example.com"}}},
		"a directory's CA":        {"ldap", map[string]any{"rootCA": file}},
	} {
		config := minimal(t, test.typ)
		if _, err := connector.Open("x", test.typ, config, d); err != nil {
			t.Fatalf("%s without it: %v", test.typ, err)
		}
		maps.Copy(config, test.change)
		if _, err := connector.Open("x", test.typ, config, d); err == nil {
			t.Errorf("%s can be named", name)
		}
	}
}

func TestForOutsider_PublicOnly(t *testing.T) {
	d, _ := outsider(t, fetch.PublicOnly)
	for typ, opens := range map[string]bool{
		"oidc": true, "saml": true, "oauth": true, "github": true, "gitlab": true, "google": true, "microsoft": true,
	} {
		if _, err := connector.Open("x", typ, minimal(t, typ), d); (err == nil) != opens {
			t.Errorf("%s: %v", typ, err)
		}
	}
	for _, typ := range connector.Types() {
		if slices.Contains([]string{"oidc", "saml", "oauth", "github", "gitlab", "google", "microsoft"}, typ) {
			continue
		}
		if _, err := connector.Open("x", typ, minimal(t, typ), d); err == nil {
			t.Errorf("%s may connect to where it likes", typ)
		}
	}
	for _, c := range []struct {
		typ    string
		change map[string]any
	}{
		{"gitlab", map[string]any{"baseURL": "http://127.0.0.1:1"}},
		{"github", map[string]any{"hostName": "intranet.example.com", "rootCA": ""}},
		{"microsoft", map[string]any{"apiURL": "http://127.0.0.1:1"}},
		{"microsoft", map[string]any{"graphURL": "http://127.0.0.1:1"}},
	} {
		config := minimal(t, c.typ)
		maps.Copy(config, c.change)
		if _, err := connector.Open("x", c.typ, config, d); err == nil {
			t.Errorf("%s may connect to %v", c.typ, c.change)
		}
	}
	// Who listens here is not told from who does not.
	said := map[string]string{}
	for _, issuer := range []string{"http://127.0.0.1:1", "http://127.0.0.1:22", "http://localhost:1", "http://[::1]:1"} {
		config := minimal(t, "oidc")
		config["issuer"] = issuer
		for _, s := range connector.Check(t.Context(), "x", "oidc", config, d) {
			if s.Status == probe.Failed {
				said[issuer] = s.Name
			}
		}
	}
	for issuer, step := range said {
		if step != "tcp" {
			t.Errorf("%s fails at %s", issuer, step)
		}
	}
	if len(said) != 4 {
		t.Errorf("some were connected to: %v", said)
	}
}
