package test

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pachyderm/demo/op/optest"
)

// The load generator measures a deployment that it knows only by its address.
func TestLoad_Measures(t *testing.T) {
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(t, d.callback())
	d.start()
	d.connect(provider)
	load := func(password string, args ...string) (string, error) {
		cmd := exec.CommandContext(context.Background(), program(t, "load"),
			append([]string{"-server", "grpc://" + d.grpc, "-email", optest.Alice.Email, "-for", "300ms", "-at-once", "2", "-pid", strconv.Itoa(d.cmd.Process.Pid)}, args...)...)
		cmd.Env = []string{"PACH_LOAD_PASSWORD=" + password}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := load(optest.Alice.Password)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, what := range []string{"login", "whoami", "authorize"} {
		// done, failed, and the processor time of pachd
		if !regexp.MustCompile(`(?m)^` + what + ` +2 +[1-9]\d* +0 .* \S+ each$`).MatchString(out) {
			t.Errorf("%s was not measured:\n%s", what, out)
		}
	}
	for name, c := range map[string]struct {
		password, want string
		args           []string
	}{
		"no password":       {"", "PACH_LOAD_PASSWORD", nil},
		"wrong password":    {"not-hers", "refused", nil},
		"no such server":    {optest.Alice.Password, "127.0.0.1:9", []string{"-server", "grpc://127.0.0.1:9"}},
		"unknown measure":   {optest.Alice.Password, `"decide"`, []string{"-what", "decide"}},
		"no such process":   {optest.Alice.Password, "no process 4194305", []string{"-pid", "4194305"}},
		"no such connector": {optest.Alice.Password, "first login", []string{"-connector", "nosuch"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := load(c.password, c.args...)
			if err == nil || !strings.Contains(out, c.want) || c.password != "" && strings.Contains(out, c.password) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
