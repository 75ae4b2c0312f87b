package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pachyderm/internal/pachd/pachdtest"
)

// seat is where the root user types commands.
type seat struct {
	t   *testing.T
	env []string
	dir string
}

func newSeat(t *testing.T, pachd *pachdtest.Server) seat {
	s := seat{t, nil, t.TempDir()}
	s.env = append(os.Environ(), "PACH_CONFIG="+filepath.Join(s.dir, "config.json"), "PACHD_ADDRESS="+pachd.GRPC)
	s.must(pachd.RootToken+"\n", "auth", "use-auth-token")
	return s
}

func (s seat) command(args ...string) *exec.Cmd {
	c := exec.CommandContext(s.t.Context(), "pachctl", args...)
	c.Env, c.Dir = s.env, s.dir
	return c
}

func (s seat) must(stdin string, args ...string) (said string) {
	s.t.Helper()
	c := s.command(args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%q: %v: %s", args, err, out)
	}
	return string(out)
}

// breaking passes connections on to an address, and cuts each of the first that has
// brought so many bytes.
type breaking struct {
	net.Listener
	to    string
	after int64
	left  atomic.Int32 // how many to cut
	cut   atomic.Int32
}

func startBreaking(t *testing.T, to string, after int64, times int32) *breaking {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaking{Listener: l, to: strings.TrimPrefix(to, "grpc://"), after: after}
	b.left.Store(times)
	var open sync.WaitGroup
	open.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Go(func() { b.pass(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		open.Wait()
	})
	return b
}

func (b *breaking) pass(c net.Conn) {
	defer func() { _ = c.Close() }()
	to, err := net.Dial("tcp", b.to)
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() {
		_, _ = io.Copy(to, c)
		_ = to.Close()
	}()
	if b.left.Load() <= 0 {
		_, _ = io.Copy(c, to)
		return
	}
	if n, _ := io.CopyN(c, to, b.after); n == b.after {
		b.left.Add(-1)
		b.cut.Add(1)
	}
}

func TestGetFile_Retry(t *testing.T) {
	pachd := pachdtest.Start(t)
	s := newSeat(t, pachd)
	file := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
	if err := os.WriteFile(filepath.Join(s.dir, "big"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("", "create", "repo", "r")
	s.must("", "put", "file", "r@master", "-f", "big")

	line := startBreaking(t, pachd.GRPC, 1<<20, 3)
	s.env = append(s.env, "PACHD_ADDRESS="+line.Addr().String())
	s.must("", "get", "file", "r@master:/big", "--retry", "-o", "got")
	got, err := os.ReadFile(filepath.Join(s.dir, "got"))
	if err != nil || !bytes.Equal(got, file) {
		t.Errorf("%d bytes of %d are the same: %v", len(got), len(file), err)
	}
	if line.cut.Load() != 3 {
		t.Errorf("the connection was cut %d times", line.cut.Load())
	}

	line.left.Store(1)
	out, err := s.command("get", "file", "r@master:/big", "-o", "broken").CombinedOutput()
	if err == nil || !strings.HasPrefix(string(out), "pachctl: the connection to pachd broke: ") {
		t.Errorf("without --retry: %v: %s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*broken*")); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".pachctl-*")); len(left) > 0 {
		t.Errorf("it has left %q", left)
	}
}

// What comes after --new is printed while the command still runs.
func TestSubscribeCommit_PrintsAsTheyCome(t *testing.T) {
	pachd := pachdtest.Start(t)
	s := newSeat(t, pachd)
	s.must("", "create", "repo", "r")
	s.must("one", "put", "file", "r@master:/a")
	c := s.command("subscribe", "commit", "r@master", "--raw")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10)
	go func() {
		defer close(lines)
		for buf := make([]byte, 64<<10); ; {
			n, err := out.Read(buf)
			if err != nil {
				return
			}
			lines <- string(buf[:n])
		}
	}()
	if line := <-lines; strings.Count(line, `"commit":{"repo"`) != 1 {
		t.Errorf("it begins with %q", line)
	}
	id := strings.TrimSpace(s.must("", "start", "commit", "r@master"))
	if line := <-lines; !strings.Contains(line, id) {
		t.Errorf("no %s in %q", id, line)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for range lines { // to its end
	}
	if err := c.Wait(); err != nil {
		t.Errorf("Ctrl-C makes it fail: %v", err)
	}
}
