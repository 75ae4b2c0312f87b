package dbtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Cluster is a PostgreSQL of its own with a standby, to which every commit is
// replicated before it is acknowledged.
type Cluster struct {
	// URL leads to whichever of the two takes writes.
	URL string

	t                testing.TB
	bin              string
	owner            *syscall.Credential
	primary, standby *node
}

type node struct {
	dir  string
	port int
}

// NewCluster starts both.
func NewCluster(t testing.TB) *Cluster {
	t.Helper()
	c := newPrimary(t)
	c.standby = newNode(t)
	c.own(c.standby.dir)
	c.start(c.primary)
	c.run("pg_basebackup", "-d", c.primary.url(), "-D", c.standby.data(), "-R", "-X", "stream", "--checkpoint=fast")
	c.start(c.standby)
	admin(t, c.primary.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'")
	admin(t, c.primary.url(), "SELECT pg_reload_conf()")
	c.URL = fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres", c.primary.port, c.standby.port) +
		"?sslmode=disable&connect_timeout=2&target_session_attrs=read-write"
	return c
}

// newPrimary makes one that takes writes, and does not start it.
func newPrimary(t testing.TB) *Cluster {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatalf("PostgreSQL is needed: %v (make test installs it)", err)
	}
	owner, err := nobody()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{t: t, bin: bin, owner: owner, primary: newNode(t)}
	if err := prepare(bin, c.primary.dir, owner); err != nil {
		t.Fatal(err)
	}
	return c
}

// own gives a file to the account of the servers.
func (c *Cluster) own(path string) {
	c.t.Helper()
	if c.owner == nil {
		return
	}
	if err := os.Chown(path, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
		c.t.Fatal(err)
	}
}

func newNode(t testing.TB) *node {
	t.Helper()
	dir, err := os.MkdirTemp("", "pach-postgres-") //nolint:usetesting // whose folders are closed to another account
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return &node{dir, port}
}

func (n *node) data() string { return filepath.Join(n.dir, "data") }

func (n *node) url() string {
	return fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", n.port)
}

// run runs one of PostgreSQL's programs, whose server lives on after it.
func (c *Cluster) run(program string, args ...string) {
	c.t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(c.t.Context()), filepath.Join(c.bin, program), args...)
	cmd.Dir = c.primary.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.owner}
	log := filepath.Join(c.t.TempDir(), "out")
	out, err := os.Create(log)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd.Stdout, cmd.Stderr = out, out // no pipe, which the server would keep open
	if err := cmd.Run(); err != nil {
		text, _ := os.ReadFile(log)
		c.t.Fatalf("%s: %v: %s", program, err, text)
	}
}

func (c *Cluster) start(n *node, options ...string) {
	c.t.Helper()
	options = append([]string{"listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=100"}, options...)
	c.run("pg_ctl", "-D", n.data(), "-w", "-l", filepath.Join(n.dir, "log"), "-o",
		"-p "+strconv.Itoa(n.port)+" -c "+strings.Join(options, " -c "), "start")
	c.t.Cleanup(func() {
		_ = exec.CommandContext(context.WithoutCancel(c.t.Context()), "pkill", "-9", "-f", n.data()).Run()
	})
}

// Stop stops the one that takes writes: its clients are told so.
func (c *Cluster) Stop() { c.run("pg_ctl", "-D", c.primary.data(), "-w", "-m", "fast", "stop") }

// Start starts it again.
func (c *Cluster) Start() { c.start(c.primary) }

// Kill ends it as a power cut would.
func (c *Cluster) Kill() { c.run("pg_ctl", "-D", c.primary.data(), "-w", "-m", "immediate", "stop") }

// Promote has the standby take writes.
func (c *Cluster) Promote() {
	c.run("pg_ctl", "-D", c.standby.data(), "-w", "promote")
	admin(c.t, c.standby.url(), "ALTER SYSTEM SET synchronous_standby_names = ''")
	admin(c.t, c.standby.url(), "SELECT pg_reload_conf()")
}
