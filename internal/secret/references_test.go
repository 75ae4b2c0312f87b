package secret_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

const hidden = "hunter2-hunter2"

// store makes folders with secrets in them, and what must not be reached.
type store struct{ dir, data, secrets, other string }

func newStore(t *testing.T) store {
	t.Helper()
	dir := t.TempDir()
	s := store{dir, filepath.Join(dir, "data"), filepath.Join(dir, "secrets"), filepath.Join(dir, "other")}
	for path, text := range map[string]string{
		"data/root-token": hidden, "data/deep/key": hidden, "data-of-others/x": hidden,
		"secrets/good": hidden, "secrets/line": hidden + "\n", "secrets/windows": hidden + "\r\n", "secrets/lines": "a\n" + hidden + "\n\n", "secrets/empty": "",
		"secrets/deep/good": hidden, "secrets-of-others/x": hidden, "other/x": hidden, "secrets/..x": hidden,
		"secrets/most": strings.Repeat("x", 64<<10), "secrets/more": strings.Repeat("x", 64<<10+1),
	} {
		s.write(t, path, text)
	}
	for name, to := range map[string]string{
		"inside": "good", "out": "../other/x", "data": "../data/root-token", "folder": "../data", "absolute": filepath.Join(s.other, "x"),
		"chain": "out", "nowhere": "no-such-file", "loop": "loop", "proc": "/proc/self/environ",
	} {
		if err := os.Symlink(to, filepath.Join(s.secrets, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("secrets", filepath.Join(dir, "by-another-name")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(s.secrets, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s store) write(t *testing.T, path, text string) {
	t.Helper()
	path = filepath.Join(s.dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s store) references(folders ...string) secret.References {
	return secret.References{Folders: folders, Never: []string{s.data, "", "/proc", "/sys", "/dev"}}
}

// refused says that a reference is, in words, and that no value is told.
func refused(t *testing.T, name, got string, err error, want string) {
	t.Helper()
	if got != "" || !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), want) {
		t.Errorf("%s: %q, %v; want %q", name, got, err, want)
	}
	if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), hidden) {
		t.Errorf("%s: the value was told: %v", name, err)
	}
}

func TestReferences_FilesAllowed(t *testing.T) {
	s := newStore(t)
	anywhere, bounded, byName := s.references("/"), s.references(s.secrets), s.references(filepath.Join(s.dir, "by-another-name"))
	for name, c := range map[string]struct {
		r    secret.References
		path string
		want string
	}{
		"in a folder":               {bounded, "secrets/good", hidden},
		"in a folder below":         {bounded, "secrets/deep/good", hidden},
		"a name like the parent's":  {bounded, "secrets/..x", hidden},
		"a line's end is cut":       {bounded, "secrets/line", hidden},
		"also that of Windows":      {bounded, "secrets/windows", hidden},
		"lines within are kept":     {bounded, "secrets/lines", "a\n" + hidden},
		"the largest":               {bounded, "secrets/most", strings.Repeat("x", 64<<10)},
		"a link within":             {bounded, "secrets/inside", hidden},
		"a folder by a link":        {byName, "secrets/good", hidden},
		"a path by a link":          {bounded, "by-another-name/good", hidden},
		"anywhere":                  {anywhere, "other/x", hidden},
		"a name that begins alike":  {anywhere, "data-of-others/x", hidden},
		"a link, if anywhere":       {anywhere, "secrets/out", hidden},
		"the second of two folders": {s.references(s.secrets, s.other), "other/x", hidden},
	} {
		if got, err := c.r.File(filepath.Join(s.dir, c.path)); err != nil || got != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestReferences_FilesRefused(t *testing.T) {
	s := newStore(t)
	anywhere, bounded := s.references("/"), s.references(s.secrets)
	const may = "may not be used"
	for name, c := range map[string]struct {
		r    secret.References
		path string
		want string
	}{
		"no absolute path":              {anywhere, "secrets/good", "not an absolute path"},
		"nothing":                       {anywhere, "", "not an absolute path"},
		"missing":                       {bounded, s.secrets + "/no-such-file", "cannot read"},
		"in a missing folder":           {anywhere, s.dir + "/nowhere/x", "cannot read"},
		"no folder is allowed":          {s.references(), s.secrets + "/good", may},
		"outside, missing":              {bounded, s.other + "/no-such-file", may},
		"outside by a link, missing":    {bounded, s.dir + "/data/no-such-file", may},
		"our own, missing":              {anywhere, s.data + "/no-such-file", may},
		"a link to nothing":             {bounded, s.secrets + "/nowhere", "cannot read"},
		"a link to itself":              {bounded, s.secrets + "/loop", "cannot read"},
		"another folder":                {bounded, s.other + "/x", may},
		"a folder that begins alike":    {bounded, s.dir + "/secrets-of-others/x", may},
		"out by dots":                   {bounded, s.secrets + "/../other/x", may},
		"out by a link":                 {bounded, s.secrets + "/out", may},
		"out by two links":              {bounded, s.secrets + "/chain", may},
		"out by an absolute link":       {bounded, s.secrets + "/absolute", may},
		"our own":                       {anywhere, s.data + "/root-token", may},
		"our own, below":                {anywhere, s.data + "/deep/key", may},
		"our own by dots":               {anywhere, s.secrets + "/../data/root-token", may},
		"our own by a link":             {anywhere, s.secrets + "/data", may},
		"our own by a linked folder":    {anywhere, s.secrets + "/folder/root-token", may},
		"our own, though listed":        {s.references(s.data), s.data + "/root-token", may},
		"our own, though all is listed": {s.references("/"), s.data + "/root-token", may},
		"a process":                     {anywhere, "/proc/self/environ", may},
		"a process, listed":             {s.references("/proc"), "/proc/self/environ", may},
		"a process by a link":           {anywhere, s.secrets + "/proc", may},
		"a device":                      {anywhere, "/dev/null", may},
		"too large":                     {bounded, s.secrets + "/more", "at most 65536 bytes"},
		"a folder":                      {bounded, s.secrets + "/deep", "at most 65536 bytes"},
		"a pipe":                        {bounded, s.secrets + "/fifo", "at most 65536 bytes"},
	} {
		got, err := c.r.File(c.path)
		refused(t, name, got, err, c.want)
	}
	got, err := bounded.File(s.secrets + "/empty")
	if got != "" || err != nil { // whoever asked says what it means
		t.Errorf("an empty file: %q, %v", got, err)
	}
}

// A data directory may be named as it looks from where pachd was started.
func TestReferences_RelativePaths(t *testing.T) {
	s := newStore(t)
	t.Chdir(s.dir)
	r := secret.References{Never: []string{"data", "./other"}}
	for _, path := range []string{s.data + "/root-token", s.other + "/x"} {
		got, err := r.File(path)
		refused(t, path, got, err, "may not be used")
	}
	if got, err := (secret.References{Folders: []string{"secrets"}, Never: []string{"."}}).File(s.secrets + "/good"); err != nil || got != hidden {
		t.Errorf("in a folder: %q, %v", got, err)
	}
}

func TestReferences_FilesReadByOthers(t *testing.T) {
	s := newStore(t)
	t.Chdir(s.dir)
	r := s.references(s.secrets)
	for _, path := range []string{s.secrets + "/more", "secrets/good", "/etc/ssl/certs/ca-certificates.crt"} {
		if err := r.Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Whether a file is there that nobody may name is not told.
	for _, pair := range [][2]string{{s.other + "/x", s.other + "/y"}, {"/etc/shadow", "/etc/shadow-of-nobody"}, {s.data + "/root-token", s.data + "/y"}} {
		for n := range pair {
			pair[n] = strings.ReplaceAll(fmt.Sprint(r.Check(pair[n])), pair[n], "PATH")
		}
		if pair[0] != pair[1] || !strings.Contains(pair[0], "may not be used") {
			t.Errorf("%s\n%s", pair[0], pair[1])
		}
	}
	for path, want := range map[string]string{
		s.data + "/root-token": "may not be used", "data/root-token": "may not be used", s.secrets + "/data": "may not be used",
		"/proc/self/environ": "may not be used", "/dev/zero": "may not be used", s.secrets + "/fifo": "bytes", s.secrets: "bytes",
	} {
		refused(t, path, "", r.Check(path), want)
	}
}

func TestReferences_Variables(t *testing.T) {
	environ := map[string]secret.Text{"CLIENT_SECRET": hidden, "OTHER": hidden, "LINE": hidden + "\r\n"}
	any, listed := secret.References{Environ: environ, Names: []string{"*"}}, secret.References{Environ: environ, Names: []string{"CLIENT_SECRET", "NOT_SET"}}
	for name, r := range map[string]secret.References{"any": any, "listed": listed} {
		if got, err := r.Env("CLIENT_SECRET"); err != nil || got != hidden {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := any.Env("LINE"); err != nil || got != hidden {
		t.Errorf("a line's end is cut: %q, %v", got, err)
	}
	for name, c := range map[string]struct {
		r        secret.References
		variable string
		want     string
	}{
		"not listed":          {listed, "OTHER", "secrets.allowEnv"},
		"not set":             {any, "NOT_SET", "no environment variable NOT_SET"},
		"listed and not set":  {listed, "NOT_SET", "no environment variable NOT_SET"},
		"not listed, not set": {listed, "NOWHERE", "secrets.allowEnv"},
		"none is listed":      {secret.References{Environ: environ}, "OTHER", "secrets.allowEnv"},
		"not by the pattern":  {secret.References{Environ: environ, Names: []string{"PACH_*"}}, "OTHER", "secrets.allowEnv"},
		"in another case":     {any, "client_secret", "no environment variable"},
		"nothing":             {any, "", "no environment variable"},
	} {
		got, err := c.r.Env(c.variable)
		refused(t, name, got, err, c.want)
	}
	// The process has it, but was not told to share it.
	t.Setenv("SOMETHING_OF_THE_PROCESS", hidden)
	got, err := any.Env("SOMETHING_OF_THE_PROCESS")
	refused(t, "of the process", got, err, "no environment variable")
}
