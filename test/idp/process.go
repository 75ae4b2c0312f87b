package idp

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a provider may take to start before the test fails;
// nothing waits for it to pass.
const patience = time.Minute

// process is a provider that can be away for a while: its address and its data
// outlive it.
type process struct {
	tb      testing.TB
	args    []string
	dir     string
	env     []string
	ready   func(ctx context.Context) error
	output  Output
	cmd     *exec.Cmd
	stopped chan struct{}
}

// Start runs the provider on the addresses that it has always had, and waits
// until it answers.
func (p *process) Start() {
	p.tb.Helper()
	if p.cmd != nil {
		p.tb.Fatalf("%s runs already", p.args[0])
	}
	p.cmd = exec.CommandContext(context.Background(), p.args[0], p.args[1:]...) //nolint:gosec // the programs are those of this package
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = p.dir, &p.output, &p.output
	p.cmd.Env = append(os.Environ(), p.env...)
	// A group of its own, so that its children end with it; and the kernel ends
	// it where the test itself is killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// A child that keeps the pipe of its output must not keep the test.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		p.tb.Fatal(err)
	}
	p.stopped = make(chan struct{})
	go func(cmd *exec.Cmd, stopped chan struct{}) {
		_ = cmd.Wait()
		close(stopped)
	}(p.cmd, p.stopped)
	if err := await(p.tb, p.stopped, p.ready); err != nil {
		p.tb.Fatalf("%s does not start: %v\n%s", strings.Join(p.args, " "), err, &p.output)
	}
}

// Run runs one more provider, for the time of the test, and waits until a page of
// its is there.
func Run(tb testing.TB, page string, env []string, args ...string) {
	tb.Helper()
	p := &process{tb: tb, dir: tb.TempDir(), env: env, args: args, ready: answers(NewClient(tb), page)}
	tb.Cleanup(p.Stop)
	p.Start()
}

// Stop ends the provider at once, as an outage does.
func (p *process) Stop() {
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.stopped
	p.cmd = nil
}

// PID is the process of the provider, while it runs.
func (p *process) PID() int { return p.cmd.Process.Pid }

// Output is what the provider has written so far.
func (p *process) Output() string { return p.output.String() }

// await asks until the answer is no error, or the process is gone.
func await(tb testing.TB, stopped <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-stopped:
			return fmt.Errorf("it has ended: %w", err)
		case <-ctx.Done():
			return err
		case <-pause.C:
		}
	}
}

// listening says that somebody takes connections at each of the addresses.
func listening(addresses ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, a := range addresses {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", a)
			if err != nil {
				return err
			}
			_ = conn.Close()
		}
		return nil
	}
}

// freePort is one that outgoing connections do not use either.
func freePort(tb testing.TB, from, to int) int {
	tb.Helper()
	for range 100 {
		port := from + rand.N(to-from) //nolint:gosec // a port is no secret
		l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
			return port
		}
	}
	tb.Fatal("no free port")
	return 0
}

// FreeAddress is a free port of this machine, with the host before it.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	return fmt.Sprintf("127.0.0.1:%d", freePort(tb, 20000, 30000))
}

// need fails the test where a part is not installed.
func need(tb testing.TB, paths ...string) {
	tb.Helper()
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			tb.Fatalf("%v: install it with make deps", err)
		}
	}
}

// run is for the short programs that prepare a provider.
func run(tb testing.TB, stdin string, args ...string) {
	tb.Helper()
	c := exec.CommandContext(tb.Context(), args[0], args[1:]...) //nolint:gosec // the programs are those of this package
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// testDir is the folder test of this repository, wherever in it a test runs.
func testDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "test")
		}
		dir = filepath.Dir(dir)
	}
	tb.Fatalf("no go.mod above the test: %v", err)
	return ""
}

// Output collects what processes write, from several goroutines.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
