package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/fault"
)

var now = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := Open(root, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStore_Contract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blobtest.Open {
		root := filepath.Join(t.TempDir(), "blobs")
		return func(t *testing.T) blob.Store { return open(t, root) }
	})
}

// files are all below a directory, with their modes.
func files(t *testing.T, root string) map[string]fs.FileMode {
	t.Helper()
	all := map[string]fs.FileMode{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if rel, _ := filepath.Rel(root, path); err == nil {
			all[rel] = info.Mode()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStore_FilesAndModes(t *testing.T) {
	root := filepath.Join(t.TempDir(), "blobs")
	s := open(t, root)
	for _, name := range []string{"abcdef", "abc/def", "x"} {
		if err := s.Put(t.Context(), name, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]fs.FileMode{
		".": fs.ModeDir | 0o700, ".tmp": fs.ModeDir | 0o700, "ab": fs.ModeDir | 0o700, "x": fs.ModeDir | 0o700,
		"ab/abcdef": 0o600, "ab/abc.def": 0o600, "x/x": 0o600,
	}
	got := files(t, root)
	for path, mode := range want {
		if got[path] != mode {
			t.Errorf("%s is %v, not %v", path, got[path], mode)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

func TestOpen_RemovesOldLeftovers(t *testing.T) {
	root := t.TempDir()
	open(t, root)
	for name, age := range map[string]time.Duration{"old.a": 25 * time.Hour, "new.b": 23 * time.Hour} {
		path := filepath.Join(root, ".tmp", name)
		if err := errors.Join(os.WriteFile(path, []byte("half"), 0o600), os.Chtimes(path, now.Add(-age), now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	open(t, root)
	got := files(t, filepath.Join(root, ".tmp"))
	if _, young := got["new.b"]; !young || len(got) != 2 {
		t.Errorf("it has %v", got)
	}
}

// broken is a file whose disk fails after some bytes, or when it is flushed.
type broken struct {
	file
	room int
	err  error
}

func (b *broken) Write(p []byte) (int, error) {
	if len(p) <= b.room {
		b.room -= len(p)
		return b.file.Write(p)
	}
	n, _ := b.file.Write(p[:b.room])
	b.room = 0
	return n, b.err
}

func (b *broken) Sync() error {
	if b.room > 0 {
		return b.file.Sync()
	}
	return b.err
}

func TestPut_DiskFails(t *testing.T) {
	for name, of := range map[string]struct {
		room int
		err  error
		kind fault.Kind
		want string
	}{
		"full":             {1<<20 + 17, syscall.ENOSPC, fault.Exhausted, "is full: delete what is not needed"},
		"full when synced": {2 << 20, syscall.ENOSPC, fault.Exhausted, "is full"},
		"over quota":       {0, syscall.EDQUOT, fault.Exhausted, "is full"},
		"failing":          {1 << 20, syscall.EIO, fault.Unavailable, "does not take or give data"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			s := open(t, root)
			s.create = func(path string) (file, error) {
				f, err := create(path)
				return &broken{f, of.room, of.err}, err
			}
			before := len(files(t, root))
			err := s.Put(t.Context(), "object", make([]byte, 2<<20))
			if !fault.Is(err, of.kind) || !strings.Contains(fault.Message(err), of.want) {
				t.Errorf("%v", err)
			}
			if err := s.Check(t.Context()); of.room < 5 && !fault.Is(err, of.kind) {
				t.Errorf("checked: %v", err)
			}
			if _, err := s.Head(t.Context(), "object"); !fault.Is(err, fault.NotFound) {
				t.Errorf("half of it is there: %v", err)
			}
			if got := files(t, root); len(got) != before {
				t.Errorf("left: %v", got)
			}
		})
	}
}

// A disk that is not mounted has lost nothing.
func TestStore_DirectoryIsGone(t *testing.T) {
	root := filepath.Join(t.TempDir(), "blobs")
	s := open(t, root)
	if err := s.Put(t.Context(), "object", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	_, get := s.Get(t.Context(), "object", 0, 1)
	for what, err := range map[string]error{"get": get, "put": s.Put(t.Context(), "other", nil), "check": s.Check(t.Context())} {
		if !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := Open(filepath.Join(root+".away", "ob", "object"), now); !fault.Is(err, fault.Precondition) {
		t.Errorf("a file is opened as a directory: %v", err)
	}
}
