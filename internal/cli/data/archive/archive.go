package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"iter"
	"path"
	"slices"
	"strings"

	"pachyderm/internal/fault"
)

// Member is a file in an archive.
type Member struct {
	Path    string // begins with /, and holds no . or ..
	Content io.Reader
}

// Members are the files of a tar archive, which may be compressed with gzip. The
// content of each can be read until the next is asked for. Fault: Invalid, for what
// is no archive, or holds links, devices or names with "..": the first error ends it.
func Members(r io.Reader) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		plain, err := uncompressed(r)
		if err != nil {
			yield(Member{}, err)
			return
		}
		for h, err := range headers(plain) {
			if err == nil && h.header.Typeflag == tar.TypeDir {
				continue // directories are what files have in their names
			}
			if !yield(Member{h.path, h.content}, err) || err != nil {
				return
			}
		}
	}
}

// uncompressed looks at how the bytes begin, not at what the file is called.
func uncompressed(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); string(magic) != "\x1f\x8b" {
		return b, nil
	}
	z, err := gzip.NewReader(b)
	if err != nil {
		return nil, broken(err)
	}
	return z, nil
}

func broken(err error) error {
	return fault.New(fault.Invalid, "it is no tar archive, or a broken one: %v", err).
		Next("make it again, or copy it again from where it came").Because(err)
}

// entry is a member that is a file or a directory, with its path cleaned.
type entry struct {
	header  *tar.Header
	path    string
	content io.Reader
}

func headers(from io.Reader) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		last := &ending{r: from}
		r := tar.NewReader(last)
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				if last.zeros < blockSize {
					yield(entry{}, broken(io.ErrUnexpectedEOF))
				}
				return
			}
			if err != nil {
				err = broken(err)
			}
			e := entry{header: h, content: content{r}}
			if err == nil {
				e.path, err = check(h)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

const blockSize = 512

// ending counts the zeros that were read last: an archive ends with blocks of them, and
// one that does not was cut off, which the reader of archives takes for its end.
type ending struct {
	r     io.Reader
	zeros int
}

// Read is io.Reader's.
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if rest := bytes.TrimRight(p[:n], "\x00"); len(rest) > 0 {
		e.zeros = n - len(rest)
	} else {
		e.zeros += n
	}
	return n, err
}

// content says of a broken archive that it is one.
type content struct{ r io.Reader }

// Read is io.Reader's.
func (c content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = broken(err)
	}
	return n, err
}

// check is where a member lies, as a path that begins with /.
func check(h *tar.Header) (string, error) {
	if h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir {
		return "", fault.New(fault.Invalid, "it holds %q, which is a link or a device", h.Name).
			Next("make the archive of files and directories only")
	}
	if slices.Contains(strings.Split(h.Name, "/"), "..") {
		return "", fault.New(fault.Invalid, "it holds %q, which leads out of where it is put", h.Name)
	}
	clean := path.Clean("/" + h.Name)
	if clean == "/" && h.Typeflag != tar.TypeDir {
		return "", fault.New(fault.Invalid, "it holds a file without a name")
	}
	return clean, nil
}
