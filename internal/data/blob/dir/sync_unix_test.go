//go:build unix

package dir

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// putHere has this test's program put an object into a directory where it runs, and do
// nothing else.
const putHere = "PACH_TEST_PUT_HERE"

// What the system is asked for is in an order that a power cut cannot spoil: the bytes are
// flushed before they get their name, and then the folder that has it, which the root has.
func TestPut_FlushesInOrder(t *testing.T) {
	if os.Getenv(putHere) != "" {
		here, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, filepath.Join(here, "blobs"))
		if err := s.Put(t.Context(), "object", []byte("x")); err != nil {
			t.Fatal(err)
		}
		return
	}
	root, trace := filepath.Join(t.TempDir(), "blobs"), filepath.Join(t.TempDir(), "trace")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "strace", "-f", "-y", "-s", "200", "-o", trace, "-e", "trace=fsync,write,rename,renameat,renameat2,mkdirat",
		program, "-test.run=^TestPut_FlushesInOrder$")
	c.Env, c.Dir = append(os.Environ(), putHere+"=yes"), filepath.Dir(root)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v (make deps installs strace): %s", err, out)
	}
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	beside := regexp.MustCompile(`\.tmp/object\.[a-z0-9]+`)
	for line := range strings.Lines(string(text)) {
		call := regexp.MustCompile(`(fsync|write|rename\w*|mkdirat)\(`).FindStringSubmatch(line)
		if call == nil || !strings.Contains(line, root) {
			continue
		}
		what := call[1]
		switch {
		case strings.HasPrefix(what, "rename"):
			what = "rename"
		case beside.MatchString(line):
			what += " file"
		case strings.Contains(line, root+"/ob"):
			what += " folder"
		case strings.Contains(line, root+"/.tmp"):
			what += " temporary"
		default:
			what += " root"
		}
		got = append(got, what)
	}
	const want = "mkdirat root, mkdirat temporary, write file, fsync file, mkdirat folder, fsync root, rename, fsync folder"
	if strings.Join(got, ", ") != want {
		t.Errorf("it asks for %s\nnot for %s", strings.Join(got, ", "), want)
	}
}
