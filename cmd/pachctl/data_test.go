package main

import (
	"bufio"
	"bytes"
	"fmt"
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
	file := []byte{} // no part of it is like another
	for n := range 9 << 20 / 8 {
		file = fmt.Appendf(file, "%08x", n)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "big"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("", "create", "repo", "r")
	s.must("", "put", "file", "r@master", "-f", "big")

	line := startBreaking(t, pachd.GRPC, 3<<20, 3) // a message is 2 MiB
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

// What comes is printed while the command still runs.
func TestSubscribeCommit_PrintsAsTheyCome(t *testing.T) {
	pachd := pachdtest.Start(t)
	s := newSeat(t, pachd)
	s.must("", "create", "repo", "r")
	s.must("one", "put", "file", "r@master:/a")
	c := s.command("subscribe", "commit", "r@master")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"PROJECT  REPO  COMMIT", "default  r     "} {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), want) {
			t.Errorf("no %q in %q", want, lines.Text())
		}
	}
	id := strings.TrimSpace(s.must("", "start", "commit", "r@master"))
	if !lines.Scan() || !strings.Contains(lines.Text(), id) {
		t.Errorf("no %s in %q", id, lines.Text())
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		t.Errorf("there is also %q", lines.Text())
	}
	if err := c.Wait(); err != nil {
		t.Errorf("Ctrl-C makes it fail: %v", err)
	}
}
