package kit

import (
	"os"
	"path/filepath"
	"testing"

	"pachyderm/internal/cli/configfile"
)

func TestNewTarget(t *testing.T) {
	for name, test := range map[string]struct {
		context  configfile.Context
		override string
		want     string
	}{
		"its address":        {configfile.Context{Address: "grpc://a:1"}, "", "grpc://a:1"},
		"the environment's":  {configfile.Context{Address: "grpc://a:1", ServerCAs: "LS0t"}, "b:2", "b:2"},
		"a forwarded port":   {configfile.Context{PortForwarders: map[string]uint32{"pachd": 7}}, "", "grpc://localhost:7"},
		"none":               {configfile.Context{}, "", "grpc://localhost:30650"},
		"address over ports": {configfile.Context{Address: "grpc://a:1", PortForwarders: map[string]uint32{"pachd": 7}}, "", "grpc://a:1"},
	} {
		got, err := newTarget("c", &test.context, func(name string) string { return map[string]string{"PACHD_ADDRESS": test.override}[name] })
		if err != nil || got.address != test.want || test.override != "" && len(got.CAs) > 0 {
			t.Errorf("%s: got %+v, %v, want %q", name, got, err, test.want)
		}
	}
	if _, err := newTarget("c", &configfile.Context{ServerCAs: "%"}, func(string) string { return "" }); err == nil {
		t.Error("server_cas that is not base64 was taken")
	}
	one, two := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for _, path := range []string{one, two} {
		if err := os.WriteFile(path, []byte(filepath.Base(path)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	context := &configfile.Context{ServerCAs: "LS0t"}
	vars := map[string]string{"PACHD_ADDRESS": "grpcs://b", "PACH_CA_CERTS": one + "," + two}
	getenv := func(name string) string { return vars[name] }
	if got, err := newTarget("c", context, getenv); err != nil || string(got.CAs) != "one\ntwo\n" {
		t.Errorf("got %+v, %v", got, err)
	}
	vars["PACH_CA_CERTS"] = one + "-gone"
	if _, err := newTarget("c", context, getenv); err == nil {
		t.Error("a missing file was taken")
	}
}
