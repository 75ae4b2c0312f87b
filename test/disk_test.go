package test

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/demo/op/optest"
	"pachyderm/test/walk"
)

// syncs counts the calls with which a pachd waits for its disk.
func syncs(t *testing.T, d *daemon) (count func() int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(context.Background(), "strace", "-f", "-e", "trace=fsync,fdatasync", "-o", file, "-p", strconv.Itoa(d.cmd.Process.Pid))
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	count = func() int {
		data, err := os.ReadFile(file)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return strings.Count(string(data), "sync(")
	}
	// It has attached once it sees what has to be there.
	for begun := time.Now(); count() == 0; {
		if time.Since(begun) > time.Minute {
			t.Fatalf("strace sees nothing: %s", said)
		}
		_, err := authpb.NewAPIClient(d.dial()).GetRobotToken(as(t.Context(), d.rootToken()), &authpb.GetRobotTokenRequest{Robot: "ci"})
		if err != nil {
			t.Fatal(err)
		}
	}
	return count
}

// counting notes how often pachd waited for its disk during each request to it.
type counting struct {
	host  string
	count func() int
	by    map[string]int
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	before := c.count()
	res, err := http.DefaultTransport.RoundTrip(r)
	if r.URL.Host == c.host {
		c.by[r.URL.Path] += c.count() - before
	}
	return res, err
}

// What a person may be told to start again does not wait for the disk, so that an
// outsider cannot have it work; what is acknowledged does.
func TestDisk_WaitsForWhatIsAcknowledged(t *testing.T) {
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256")
	provider := optest.Start(t, d.callback())
	d.start()
	d.connect(provider)
	conn := d.dial()
	api := authpb.NewAPIClient(conn)
	l, err := walk.NewLogin(t.Context(), pachpb.NewAPIClient(conn), api,
		walk.Person{Name: optest.Alice.Email, Email: optest.Alice.Email, Password: optest.Alice.Password})
	if err != nil {
		t.Fatal(err)
	}
	count := syncs(t, d)
	c := counting{d.http, count, map[string]int{}}
	l.Transport = c
	before := count()
	if _, err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	requests := 0
	for path, n := range c.by {
		requests += n
		acknowledged := path == "/token"
		if acknowledged && n == 0 || !acknowledged && n > 0 {
			t.Errorf("%s waits for the disk %d times", path, n)
		}
	}
	if len(c.by) < 3 {
		t.Errorf("only %v", c.by)
	}
	if count()-before == requests {
		t.Error("Authenticate does not wait for the disk")
	}
}
