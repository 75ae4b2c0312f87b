//go:build cluster

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// compose is what a program for compose files makes of ours (compose-spec.io).
type compose struct {
	Secrets  map[string]struct{ File string }
	Services map[string]struct {
		Command     []string
		Environment map[string]string
		Secrets     []struct{ Source, Target string }
		User        string
		HealthCheck struct{ Test []string }
	}
}

// Another machine's files and network, for programs that run as in containers.
const container = `set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir="$1/upper",workdir="$1/work" root
mount -t proc proc root/proc
mount --rbind /dev root/dev
mount -t tmpfs tmpfs root/run
mount -t tmpfs tmpfs root/tmp
cp "$2" root/usr/bin/pachd
cp "$3" root/script
ip link set lo up
exec chroot root bash -e /script
`

// No container engine is here: the same programs run with the commands, variables,
// users and secrets of the file, at its addresses and paths, and a real PostgreSQL as
// its image sets one up.
func TestMachine_Compose(t *testing.T) {
	t.Chdir("../..")
	_, p := newRelease(t)
	text, err := os.ReadFile("deploy/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := json.Unmarshal([]byte(command(t, "deploy", "../.tools/compose-go-2.16.2", "-no-interpolation", "-no-path-resolution", "-format", "json", "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	pachd, postgres := c.Services["pachd"], c.Services["postgres"]
	var script strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&script, format+"\n", args...) }
	line("echo 127.0.0.1 postgres >>/etc/hosts; mkdir -p /run/secrets /project /run/postgresql /pach; cd /project")
	_, commands, _ := strings.Cut(string(text), "\n#\n")
	commands, _, _ = strings.Cut(commands, "\n#\n")
	steps := regexp.MustCompile(`(?m)^#\t(.*)$`).FindAllStringSubmatch(commands, -1)
	if len(steps) != 5 {
		t.Fatalf("the commands at its top: %v", steps)
	}
	for _, step := range steps {
		line("%s", step[1])
	}
	for _, s := range slices.Concat(pachd.Secrets, postgres.Secrets) {
		line("cp -p %s %s", c.Secrets[s.Source].File, s.Target)
	}
	env := postgres.Environment
	line(`export PATH="$PATH:$(echo /usr/lib/postgresql/*/bin)"; chown postgres /run/postgresql`)
	line("cat %s >/tmp/pw; chown postgres /tmp/pw", env["POSTGRES_PASSWORD_FILE"])
	line("as='setpriv --reuid postgres --regid postgres --clear-groups'")
	line("$as initdb -D /tmp/data --username=%s --pwfile=/tmp/pw --auth-host=scram-sha-256 --auth-local=trust >/dev/null", env["POSTGRES_USER"])
	line("$as postgres -D /tmp/data 2>/tmp/postgres.log & trap 'kill %%1 %%2' EXIT")
	line("for i in $(seq 100); do %s >/dev/null && break; sleep 0.1; done", strings.Join(postgres.HealthCheck.Test[1:], " "))
	line("test %[1]s = %[2]s || createdb --host /run/postgresql --username %[1]s %[2]s", env["POSTGRES_USER"], env["POSTGRES_DB"])
	line("createdb --host /run/postgresql --username %s %[1]s 2>/dev/null || true", env["POSTGRES_USER"])
	user, group, _ := strings.Cut(pachd.User, ":")
	line("chown %s:%s /pach; chmod 700 /pach", user, group)
	var variables []string
	for _, name := range slices.Sorted(maps.Keys(pachd.Environment)) {
		variables = append(variables, name+"='"+pachd.Environment[name]+"'")
	}
	line("setpriv --reuid %s --regid %s --clear-groups --no-new-privs --bounding-set -all env -i %s /usr/bin/pachd %s >/tmp/pachd.log 2>&1 &",
		user, group, strings.Join(variables, " "), strings.Join(pachd.Command, " "))
	line("for i in $(seq 300); do curl -sf http://localhost:30658/readyz && break; sleep 0.1; done; echo; cat /tmp/pachd.log; ls /pach")
	line("psql --host /run/postgresql --username %s --dbname %s -Atc 'SELECT count(*) > 10 FROM pg_tables WHERE schemaname = $$public$$'", env["POSTGRES_USER"], env["POSTGRES_DB"])

	dir, err := os.MkdirTemp("", "compose") //nolint:usetesting // mounts lie below it, and go with the namespace
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := t.TempDir() + "/script"
	if err := os.WriteFile(file, []byte(script.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "unshare", "--mount", "--pid", "--fork", "--kill-child", "--ipc", "--net",
		"bash", "-c", container, "container", dir, p.files["pachd"], file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, script.String())
	}
	for _, want := range []string{"200 OK", "pachd 2.13", "\nroot-token\n", "\nt\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is not in:\n%s", want, out)
		}
	}
	for _, not := range []string{"\nsealing-key\n", "\npachd.db\n"} { // which it would make without the file's
		if strings.Contains(string(out), not) {
			t.Errorf("%q is in:\n%s", not, out)
		}
	}
}
