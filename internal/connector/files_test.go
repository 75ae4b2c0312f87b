package connector_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dexconn "github.com/dexidp/dex/connector"

	"pachyderm/internal/connector"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

// guarded are deps with a data directory that holds a token.
func guarded(t *testing.T) (d connector.Deps, token, elsewhere string) {
	t.Helper()
	data, other := t.TempDir(), t.TempDir()
	token, elsewhere = filepath.Join(data, "root-token"), filepath.Join(other, "token")
	for _, path := range []string{token, elsewhere} {
		if err := os.WriteFile(path, []byte("hunter2"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d = allDeps()
	d.References = &secret.References{Folders: []string{"/"}, Never: []string{data, "/dev"}}
	return d, token, elsewhere
}

func TestFiles_PachdsOwn(t *testing.T) {
	t.Parallel()
	d, token, _ := guarded(t)
	seen := 0
	for _, typ := range connector.Types() {
		for _, k := range connector.Keys(typ) {
			if !slices.Contains(k.Rules, "file") {
				continue
			}
			seen++
			for _, path := range []string{token, "/dev/zero"} {
				config := maps.Clone(minimal(t, typ))
				config[k.Path] = path
				if k.Type.Kind().String() == "slice" {
					config[k.Path] = []any{path}
				}
				_, err := connector.Open("x", typ, config, d)
				if fault.FieldOf(err) != "config."+k.Path || !strings.Contains(fault.Message(err), "may not be used") {
					t.Errorf("%s: %s is %s: %v", typ, k.Path, path, err)
				}
			}
		}
	}
	if seen < 11 {
		t.Errorf("only %d keys name files", seen)
	}
}

// What stands in clientAssertion is sent to where apiURL says.
func TestFiles_ClientAssertion(t *testing.T) {
	t.Parallel()
	d, token, elsewhere := guarded(t)
	told := make(chan string, 8)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		told <- r.PostForm.Get("client_assertion")
	}))
	defer listener.Close()
	signIn := func(path string) error {
		config := map[string]any{"clientID": "c", "clientAssertion": path, "redirectURI": callback, "apiURL": listener.URL, "tenant": "t"}
		p, err := connector.Open("ms", "microsoft", config, d)
		if err != nil {
			return err
		}
		_, err = p.Connector.(dexconn.CallbackConnector).HandleCallback(
			dexconn.Scopes{}, nil, httptest.NewRequest(http.MethodGet, callback+"?code=x", nil),
		)
		return err
	}
	_ = signIn(elsewhere) // which fails, since nothing answers with tokens
	if got := <-told; got != "hunter2" {
		t.Errorf("the assertion was %q", got)
	}
	if err := signIn(token); fault.FieldOf(err) != "config.clientAssertion" || len(told) > 0 {
		t.Errorf("pachd's own: %v, %d told", err, len(told))
	}
	d.References = &secret.References{Folders: []string{t.TempDir()}}
	if err := signIn(elsewhere); fault.FieldOf(err) != "config.clientAssertion" || len(told) > 0 {
		t.Errorf("outside of the folders for secrets: %v, %d told", err, len(told))
	}
}
