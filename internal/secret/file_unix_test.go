//go:build unix

package secret

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestGivenToGroup(t *testing.T) {
	const inner, nobody = "TEST_GIVEN_TO_GROUP", 65534
	if os.Getenv(inner) == "" && os.Geteuid() == 0 { // whom everything is given to
		c := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestGivenToGroup$")
		c.Env = append(os.Environ(), inner+"=1")
		c.Dir = "/"
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	own := uint32(os.Getegid())
	for name, c := range map[string]struct {
		uid, gid uint32
		want     bool
	}{
		"by root to our group":    {0, own, true},
		"by root to root":         {0, 0, true},
		"by root to others":       {0, own + 1, false},
		"by another to our group": {own + 1, own, false},
		"by another to root":      {own + 1, 0, false},
	} {
		if got := givenToGroup(&syscall.Stat_t{Uid: c.uid, Gid: c.gid}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
