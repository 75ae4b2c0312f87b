package archive

import (
	"archive/tar"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"pachyderm/internal/fault"
)

// Extract writes what an archive has below the path base into a directory, which is
// made if there is none. Each file is there as a whole or not at all, and read by way of
// watched. Nothing is written outside of dir, whatever the names say and whatever links
// lie in the way. Faults: Invalid, for a bad archive and for what cannot be written; an
// error of r comes as it is.
func Extract(r io.Reader, dir, base string, watched func(io.Reader) io.Reader) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // as the umask says, as for any download
		return unwritable(dir, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return unwritable(dir, err)
	}
	defer func() { _ = root.Close() }()
	source := &kept{r: r}
	for e, err := range headers(source) {
		if source.err != nil {
			return source.err
		}
		if err != nil {
			return fault.Prefix(err, "the archive that pachd sends")
		}
		name, ok := below(e.path, base)
		if !ok {
			return fault.New(fault.Invalid, "the archive that pachd sends holds %q, which was not asked for", e.path)
		}
		if e.header.Typeflag == tar.TypeDir {
			err = root.MkdirAll(name, 0o755)
		} else {
			err = write(root, name, watched(e.content))
		}
		if source.err != nil {
			return source.err
		}
		if err != nil {
			return unwritable(filepath.Join(dir, name), err)
		}
	}
	return source.err
}

func unwritable(name string, err error) error {
	return fault.New(fault.Invalid, "cannot write %s: %v", name, err).Because(err)
}

// kept remembers why a stream broke, which says more than that the archive ends early.
type kept struct {
	r   io.Reader
	err error
}

// Read is io.Reader's.
func (k *kept) Read(p []byte) (int, error) {
	n, err := k.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		k.err = err
	}
	return n, err
}

// below is the name of a path below base, in the system's form, "." for base itself.
func below(p, base string) (string, bool) {
	base = path.Clean("/" + base)
	rest, ok := strings.CutPrefix(p, base)
	if !ok || base != "/" && rest != "" && rest[0] != '/' {
		return "", false
	}
	rest = strings.TrimPrefix(rest, "/")
	if rest == "" {
		return ".", true
	}
	name, err := filepath.Localize(rest)
	return name, err == nil
}

// write makes a file of another name and moves it to its place, so that a link there
// is replaced and not followed.
func write(root *os.Root, name string, from io.Reader) error {
	parent := filepath.Dir(name)
	if err := root.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	part := filepath.Join(parent, ".pachctl-"+rand.Text())
	f, err := root.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err = errors.Join(err, f.Close()); err == nil {
		err = root.Rename(part, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(part))
	}
	return nil
}
