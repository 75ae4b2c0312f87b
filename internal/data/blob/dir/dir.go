package dir

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/fault"
)

const (
	// temporary is the folder of what is being written; no name begins with a dot.
	temporary = ".tmp"
	// leftover is how old a file in it must be that nobody writes any more.
	leftover = 24 * time.Hour
	// piece is how much is written or read between two looks at the context.
	piece = 1 << 20
	// slash stands in file names for the slash of an object's name: all objects whose
	// names begin alike are in one folder, which is flushed as a whole. It sorts alike.
	slash = "."
)

// file is what is written to.
type file interface {
	io.WriteCloser
	Sync() error
}

// Store is a directory with objects. It implements blob.Store.
type Store struct {
	root   string
	create func(path string) (file, error)

	mu     sync.Mutex
	synced map[string]bool // folders of which it is known that the root has them, durably
}

var _ blob.Store = (*Store)(nil)

// Open opens a directory, and makes it if it is not there; what was left half written
// a day before now is removed. Fault: Precondition if it cannot be used.
func Open(root string, now time.Time) (*Store, error) {
	s := &Store{root: root, create: create, synced: map[string]bool{}}
	err := os.MkdirAll(filepath.Join(root, temporary), 0o700)
	if err == nil {
		err = syncFolder(filepath.Dir(root))
	}
	if err == nil {
		err = s.removeLeftovers(now.Add(-leftover))
	}
	if err != nil {
		return nil, fault.New(fault.Precondition, "the directory %s cannot hold data", root).
			Next("name one that pachd may write").Because(err)
	}
	return s, nil
}

func create(path string) (file, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // CheckName has refused what leads elsewhere
}

func (s *Store) removeLeftovers(before time.Time) error {
	folder := filepath.Join(s.root, temporary)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) { // its writer has finished
			continue
		}
		if err != nil {
			return err
		}
		if info.ModTime().After(before) {
			continue
		}
		if err := os.Remove(filepath.Join(folder, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// fan is the folder of a file: the first two characters of its name.
func fan(encoded string) string { return encoded[:min(2, len(encoded))] }

func encode(name string) string { return strings.ReplaceAll(name, "/", slash) }

func decode(name string) string { return strings.ReplaceAll(name, slash, "/") }

// locate is the path of an object. Fault: Invalid.
func (s *Store) locate(ctx context.Context, name string) (string, error) {
	if err := cmp.Or(blob.CheckName(name), ctx.Err()); err != nil {
		return "", err
	}
	encoded := encode(name)
	return filepath.Join(s.root, fan(encoded), encoded), nil
}

// Put writes an object.
func (s *Store) Put(ctx context.Context, name string, data []byte) error {
	path, err := s.locate(ctx, name)
	if err != nil {
		return err
	}
	beside := filepath.Join(s.root, temporary, encode(name)+"."+strings.ToLower(rand.Text()))
	err = s.write(ctx, beside, data)
	if err == nil {
		err = s.makeFolder(filepath.Dir(path))
	}
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside) // or it is a leftover
		return s.fault(name, err)
	}
	return s.fault(name, syncFolder(filepath.Dir(path)))
}

func (s *Store) write(ctx context.Context, path string, data []byte) error {
	f, err := s.create(path)
	if err != nil {
		return err
	}
	for part := range slices.Chunk(data, piece) {
		if err = ctx.Err(); err == nil {
			_, err = f.Write(part)
		}
		if err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

// makeFolder has a folder be there, durably: another process may have made it and not
// flushed the root yet.
func (s *Store) makeFolder(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.synced[path] {
		return nil
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := syncFolder(s.root); err != nil {
		return err
	}
	s.synced[path] = true
	return nil
}

// Get reads a part of an object.
func (s *Store) Get(ctx context.Context, name string, offset, length int64) (_ []byte, err error) {
	path, err := s.locate(ctx, name)
	if err = cmp.Or(err, blob.CheckRange(offset, length)); err != nil {
		return nil, err
	}
	f, err := os.Open(path) //nolint:gosec // CheckName has refused what leads elsewhere
	if err != nil {
		return nil, s.fault(name, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err != nil {
		return nil, s.fault(name, err)
	}
	if offset+length > info.Size() { // before room is made for it
		return nil, blob.Short(name, offset, length)
	}
	data := make([]byte, length)
	at := offset
	for part := range slices.Chunk(data, piece) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := f.ReadAt(part, at)
		if n < len(part) && errors.Is(err, io.EOF) {
			return nil, blob.Short(name, offset, length)
		}
		if n < len(part) {
			return nil, s.fault(name, err)
		}
		at += int64(n)
	}
	return data, nil
}

// Head describes an object.
func (s *Store) Head(ctx context.Context, name string) (blob.Object, error) {
	path, err := s.locate(ctx, name)
	if err != nil {
		return blob.Object{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return blob.Object{}, s.fault(name, err)
	}
	return blob.Object{Name: name, Size: info.Size(), Modified: info.ModTime()}, nil
}

// Delete removes an object.
func (s *Store) Delete(ctx context.Context, name string) error {
	path, err := s.locate(ctx, name)
	if err != nil {
		return err
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.fault(name, cmp.Or(err, syncFolder(filepath.Dir(path))))
}

// List is the objects with a prefix; one folder's names are in memory at a time.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		err := blob.CheckPrefix(prefix)
		var folders []string
		if err == nil {
			folders, err = names(s.root)
		}
		if err != nil {
			yield(blob.Object{}, s.fault(prefix, err))
			return
		}
		for _, folder := range folders {
			if !strings.HasPrefix(folder, prefix) && !strings.HasPrefix(prefix, folder) {
				continue
			}
			if !s.listFolder(ctx, folder, prefix, yield) {
				return
			}
		}
	}
}

// listFolder is false when the list ends.
func (s *Store) listFolder(ctx context.Context, folder, prefix string, yield func(blob.Object, error) bool) bool {
	all, err := names(filepath.Join(s.root, encode(folder)))
	if err != nil {
		yield(blob.Object{}, s.fault(folder, err))
		return false
	}
	for _, name := range all {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		o, err := s.Head(ctx, name)
		if fault.Is(err, fault.NotFound) { // deleted meanwhile
			continue
		}
		if !yield(o, err) || err != nil {
			return false
		}
	}
	return true
}

// names are those in a folder that can be an object's, in order.
func names(folder string) (all []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := decode(e.Name()); e.Name() != temporary && blob.CheckPrefix(name) == nil {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all, nil
}

// Check writes and removes a file.
func (s *Store) Check(ctx context.Context) error {
	path := filepath.Join(s.root, temporary, "check."+strings.ToLower(rand.Text()))
	err := s.write(ctx, path, []byte("check"))
	return s.fault("check", errors.Join(err, os.Remove(path)))
}

// fault says what the disk's error means for whoever uses the store; nil if there is none.
func (s *Store) fault(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fault.New(fault.Exhausted, "the disk of %s is full", s.root).
			Next("delete what is not needed, or give it more room").Because(err)
	case fault.KindOf(err) != fault.Internal:
		return err
	case errors.Is(err, fs.ErrNotExist) && s.there():
		return blob.Missing(name).Because(err)
	}
	return fault.New(fault.Unavailable, "the directory %s does not take or give data", s.root).
		Next("see that its disk is there, and that pachd may write to it").Because(err)
}

// there reports whether the directory is, such as when its disk is not mounted.
func (s *Store) there() bool {
	_, err := os.Stat(filepath.Join(s.root, temporary))
	return err == nil
}
