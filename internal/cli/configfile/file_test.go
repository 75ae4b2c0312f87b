package configfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// home is an environment with a configuration file of its own.
type home map[string]string

func newHome(t *testing.T, text string) home {
	t.Helper()
	h := home{"PACH_CONFIG": filepath.Join(t.TempDir(), "config.json")}
	if text == "" {
		return h
	}
	if err := os.WriteFile(h["PACH_CONFIG"], []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h home) getenv(name string) string { return h[name] }

func (h home) text(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(h["PACH_CONFIG"])
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// The form is upstream's to the byte, and what is not known here stays.
func TestChange_KeepsForm(t *testing.T) {
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
	h := newHome(t, text)
	if err := Change(h.getenv, func(*File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, h.text(t)); diff != "" {
		t.Errorf("reading and writing changed it (-before +after):\n%s", diff)
	}
}

func TestLoad_FirstRun(t *testing.T) {
	h := newHome(t, "")
	h["PACHD_ADDRESS"] = "pachd.example.com"
	c, err := Load(h.getenv)
	if err != nil {
		t.Fatal(err)
	}
	var written map[string]any
	if err := json.Unmarshal([]byte(h.text(t)), &written); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"user_id": c.UserID, "v2": map[string]any{
		"active_context": "default", "metrics": true,
		"contexts": map[string]any{"default": map[string]any{"pachd_address": "grpc://pachd.example.com:30650"}},
	}}
	if diff := cmp.Diff(want, written); diff != "" || len(c.UserID) != 32 {
		t.Errorf("user id %q (-want +got):\n%s", c.UserID, diff)
	}
	info, err := os.Stat(h["PACH_CONFIG"])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestLoad_OtherForms(t *testing.T) {
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
			h := newHome(t, test.text)
			c, err := Load(h.getenv)
			if err != nil {
				t.Fatal(err)
			}
			doc, err := c.Find(c.V2.Active)
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

func TestChange_Symlink(t *testing.T) {
	h := newHome(t, "")
	target := filepath.Join(t.TempDir(), "elsewhere.json")
	if err := os.WriteFile(target, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, h["PACH_CONFIG"]); err != nil {
		t.Fatal(err)
	}
	if err := Change(h.getenv, func(c *File) error { c.UserID = "me"; return nil }); err != nil {
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

func TestSave_Unwritable(t *testing.T) {
	h := newHome(t, "")
	path := h["PACH_CONFIG"]
	if err := os.Mkdir(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // a directory in its place
		t.Fatal(err)
	}
	if err := fresh(h.getenv).save(h.getenv); err == nil || !strings.Contains(err.Error(), "PACH_CONFIG") {
		t.Errorf("got %v", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
