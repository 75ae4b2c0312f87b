package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
)

func TestUpstream_DatabaseFromVariables(t *testing.T) {
	for name, test := range map[string]struct {
		environ []string
		want    string
		note    string
	}{
		"all": {
			[]string{
				"POSTGRES_HOST=db.example.com", "POSTGRES_PORT=6543", "POSTGRES_DATABASE=d", "POSTGRES_USER=u", "POSTGRES_PASSWORD=p@:/w",
				"POSTGRES_SSL=verify-full", "PG_BOUNCER_HOST=bouncer",
			},
			"postgres://u:p%40%3A%2Fw@db.example.com:6543/d?sslmode=verify-full", "PG_BOUNCER_HOST has no effect",
		},
		"the host alone":                     {[]string{"POSTGRES_HOST=db"}, "postgres://pachyderm@db:5432/pachyderm", ""},
		"of a Service":                       {[]string{"POSTGRES_PORT=tcp://10.0.0.1:5432"}, "sqlite:/data/pachd.db", "POSTGRES_PORT is passed over"},
		"a host beside a Service's variable": {[]string{"POSTGRES_HOST=db", "POSTGRES_PORT=tcp://10.0.0.1:5432"}, "postgres://pachyderm@db:5432/pachyderm", "passed over"},
		"set apart":                          {[]string{"POSTGRES_HOST=db", "PACHD_DATABASE_URL=sqlite:/x"}, "sqlite:/x", "database.url is set"},
	} {
		c, err := Load("/data", "", test.environ)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.Database.URL.Reveal(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
		if !strings.Contains(strings.Join(c.Notes, "\n"), test.note) {
			t.Errorf("%s: notes %q, want %q", name, c.Notes, test.note)
		}
	}
}

// A variable of upstream's is never passed over in silence, and its value, which may
// be secret, never shown.
func TestUpstream_RefusesWhatCannotBeHonoured(t *testing.T) {
	for name, test := range map[string]struct{ environ, want string }{
		"a member":               {"ENTERPRISE_MEMBER=true", "ENTERPRISE_MEMBER cannot be honoured: there is no enterprise server"},
		"Determined":             {"DETERMINED_PASSWORD=hunter2", "DETERMINED_PASSWORD cannot be honoured"},
		"a worker's token":       {"PJS_WORKER_AUTH_TOKEN=hunter2", "PJS_WORKER_AUTH_TOKEN cannot be honoured"},
		"another listener":       {"PEER_PORT=1653", "pachd has no such listener"},
		"a port":                 {"PORT=hunter2", "PORT: \"hunter2\" is not a port"},
		"a database and no host": {"POSTGRES_DATABASE=d", "POSTGRES_DATABASE is set, and POSTGRES_HOST is not"},
		"a list that is none":    {"IDP_CONNECTORS=x", "IDP_CONNECTORS: expected a list"},
		"an unknown key":         {"IDP_CONFIG=isuer: https://a", "IDP_CONFIG: isuer: did you mean issuer?"},
		"a secret of nobody":     {"AUTH_CLIENT_SECRET=hunter2", "AUTH_CLIENT_SECRET: it is the secret of the client in AUTH_CONFIG"},
	} {
		_, err := Load("/data", "", []string{test.environ})
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") && name != "a port" {
			t.Errorf("%s: the value is shown: %v", name, err)
		}
	}
	if _, err := Load("/data", "", []string{"ENTERPRISE_MEMBER=false", "PEER_PORT=", "PORT_30650_TCP=tcp://10.0.0.1:1"}); err != nil {
		t.Errorf("what asks for nothing: %v", err)
	}
}

func TestUpstream_Ports(t *testing.T) {
	c, err := Load("/data", write(t, "listen: {grpc: '127.0.0.1:1', metrics: ''}"), []string{"PORT=1650", "OIDC_PORT=1657", "PROMETHEUS_PORT=1656"})
	if err != nil {
		t.Fatal(err)
	}
	want := Listen{GRPC: "127.0.0.1:1650", HTTP: "localhost:30658", Callback: "localhost:1657"}
	if diff := cmp.Diff(want, c.Listen); diff != "" {
		t.Error(diff)
	}
}

func TestBootstrap_TwoSourcesOfOneThing(t *testing.T) {
	file := write(t, "bootstrap:\n  roleBindings:\n    user:a@example.com: [clusterAdmin]\n")
	_, err := Load("/data", file, []string{"AUTH_CLUSTER_RBAC=user:b@example.com: [clusterAdmin]"})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), file+", bootstrap.roleBindings declares the same: keep one of the two") {
		t.Error(err)
	}
	root := write(t, "bootstrap: {rootTokenFile: "+write(t, "a-root-token\n")+"}")
	if c, err := Load("/data", root, nil); err != nil || c.Auth.RootToken.Reveal() != "a-root-token" {
		t.Errorf("%q, %v", c.Auth.RootToken.Reveal(), err)
	}
	if _, err := Load("/data", root, []string{"AUTH_ROOT_TOKEN=another-one"}); !fault.Is(err, fault.Invalid) {
		t.Errorf("two root tokens: %v", err)
	}
	if _, err := Load("/data", write(t, "bootstrap: {rootTokenFile: /nosuch}"), nil); !fault.Is(err, fault.Precondition) {
		t.Errorf("no file: %v", err)
	}
}

// Variables that hold what is declared are pachd's own: no connector may name them.
func TestConfig_DeclaringVariablesAreOwn(t *testing.T) {
	c, err := Load("/data", "", []string{"AUTH_CONFIG={issuer: https://a.example.com, client_secret: hunter2}", "AUTH_CLIENT_SECRET=hunter2", "OTHER=x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Environ["OTHER"]; !ok || len(c.Environ) != 1 {
		t.Errorf("variables that may be named: %v", c.Environ)
	}
}
