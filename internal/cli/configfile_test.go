package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testEnv is an environment with a configuration file of its own.
func testEnv(t *testing.T, vars map[string]string) (Env, *bytes.Buffer, *bytes.Buffer) {
	t.Helper()
	all := map[string]string{"PACH_CONFIG": filepath.Join(t.TempDir(), "config.json"), "USER": "tester"}
	for k, v := range vars {
		all[k] = v
	}
	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	return Env{Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr, Getenv: func(k string) string { return all[k] }, Now: time.Now}, stdout, stderr
}

func (e Env) put(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(e.Getenv("PACH_CONFIG"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (e Env) got(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(e.Getenv("PACH_CONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The form is upstream's to the byte, and what is not known here stays.
func TestConfigIsKeptAsItWas(t *testing.T) {
	const text = `{
  "user_id": "0123456789abcdef0123456789abcdef",
  "v2": {
    "active_context": "prod",
    "active_enterprise_context": "hq",
    "contexts": {
      "hq": {
        "source": 3,
        "pachd_address": "grpcs://hq.example.com:443",
        "server_cas": "LS0t",
        "session_token": "one",
        "active_transaction": "tx",
        "cluster_name": "c",
        "auth_info": "a",
        "namespace": "n",
        "cluster_deployment_id": "d",
        "enterprise_server": true
      },
      "prod": {
        "port_forwarders": {
          "dex": 30658,
          "pachd": 30650
        },
        "project": "default",
        "added_later": {
          "a": [
            1,
            "x"
          ]
        }
      }
    },
    "metrics": true,
    "max_shell_completions": "64"
  },
  "v3": {}
}
`
	e, _, _ := testEnv(t, nil)
	e.put(t, text)
	if err := e.changeConfig(func(*configFile) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, e.got(t)); diff != "" {
		t.Errorf("reading and writing changed it (-before +after):\n%s", diff)
	}
}

func TestConfigOfTheFirstRun(t *testing.T) {
	e, _, _ := testEnv(t, map[string]string{"PACHD_ADDRESS": "pachd.example.com"})
	c, err := e.loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal([]byte(e.got(t)), &written); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"user_id": c.UserID, "v2": map[string]any{
		"active_context": "default", "metrics": true,
		"contexts": map[string]any{"default": map[string]any{"pachd_address": "grpc://pachd.example.com:30650"}},
	}}
	if diff := cmp.Diff(want, written); diff != "" || len(c.UserID) != 32 {
		t.Errorf("user id %q (-want +got):\n%s", c.UserID, diff)
	}
	info, err := os.Stat(e.Getenv("PACH_CONFIG"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestConfigReadsWhatOthersWrite(t *testing.T) {
	for name, test := range map[string]struct{ text, context string }{
		"first version": {
			`{"user_id": "u", "v1": {"pachd_address": "1.2.3.4:650", "session_token": "t"}}`,
			`{"source":1,"pachd_address":"grpc://1.2.3.4:650","session_token":"t"}`,
		},
		"YAML, with a source by name": {
			"v2:\n  active_context: default\n  contexts:\n    default: {source: IMPORTED, pachd_address: https://pachd:443}\n",
			`{"source":3,"pachd_address":"grpcs://pachd:443"}`,
		},
		"an empty context": {`{"v2": {"active_context": "default", "contexts": {"default": null}}}`, `{}`},
		"an empty object":  {`{}`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			e, _, _ := testEnv(t, nil)
			e.put(t, test.text)
			c, err := e.loadConfig()
			if err != nil {
				t.Fatal(err)
			}
			doc, err := c.find(c.V2.Active)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(doc)
			if err != nil || string(got) != test.context {
				t.Errorf("got %s, %v, want %s", got, err, test.context)
			}
		})
	}
}

func TestConfigWrittenThroughALinkStaysOne(t *testing.T) {
	e, _, _ := testEnv(t, nil)
	target := filepath.Join(t.TempDir(), "elsewhere.json")
	if err := os.WriteFile(target, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, e.Getenv("PACH_CONFIG")); err != nil {
		t.Fatal(err)
	}
	if err := e.changeConfig(func(c *configFile) error { c.UserID = "me"; return nil }); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(target)
	if err != nil || !strings.Contains(string(data), `"me"`) {
		t.Errorf("the target has %s, %v", data, err)
	}
	left, err := os.ReadDir(filepath.Dir(target))
	if err != nil || len(left) != 1 {
		t.Errorf("beside the target: %v, %v", left, err)
	}
}

func TestConfigThatCannotBeWritten(t *testing.T) {
	e, _, _ := testEnv(t, nil)
	path := e.Getenv("PACH_CONFIG")
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // a directory in its place
		t.Fatal(err)
	}
	if err := e.saveConfig(e.newConfig()); err == nil || !strings.Contains(err.Error(), "PACH_CONFIG") {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhereToConnect(t *testing.T) {
	for name, test := range map[string]struct {
		doc      contextDoc
		override string
		want     string
	}{
		"its address":        {contextDoc{Address: "grpc://a:1"}, "", "grpc://a:1"},
		"the environment's":  {contextDoc{Address: "grpc://a:1", ServerCAs: "LS0t"}, "b:2", "b:2"},
		"a forwarded port":   {contextDoc{PortForwarders: map[string]uint32{"pachd": 7}}, "", "grpc://localhost:7"},
		"none":               {contextDoc{}, "", "grpc://localhost:30650"},
		"address over ports": {contextDoc{Address: "grpc://a:1", PortForwarders: map[string]uint32{"pachd": 7}}, "", "grpc://a:1"},
	} {
		p := &place{doc: &test.doc}
		err := p.locate(func(name string) string { return map[string]string{"PACHD_ADDRESS": test.override}[name] })
		if err != nil || p.address != test.want || test.override != "" && len(p.cas) > 0 {
			t.Errorf("%s: got %q, %v, want %q", name, p.address, err, test.want)
		}
	}
	if err := (&place{doc: &contextDoc{ServerCAs: "%"}}).locate(func(string) string { return "" }); err == nil {
		t.Error("server_cas that is not base64 was taken")
	}
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, path := range []string{one, two} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &place{doc: &contextDoc{ServerCAs: "LS0t"}}
	vars := map[string]string{"PACHD_ADDRESS": "grpcs://b", "PACH_CA_CERTS": one + "," + two}
	if err := p.locate(func(name string) string { return vars[name] }); err != nil || string(p.cas) != "one\ntwo\n" {
		t.Errorf("got %q, %v", p.cas, err)
	}
	vars["PACH_CA_CERTS"] = one + "-gone"
	if err := p.locate(func(name string) string { return vars[name] }); err == nil {
		t.Error("a missing file was taken")
	}
}
