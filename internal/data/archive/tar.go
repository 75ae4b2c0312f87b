package archive

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

// tarBuffer is how much of an archive is written at a time, in bytes.
const tarBuffer = 1 << 20

// TAR writes an archive of what a pattern matches, with all below its directories, in
// the order of their paths. Names begin with "/", as upstream has them. Faults:
// Invalid, NotFound.
func TAR(ctx context.Context, v *file.View, pattern string, in file.Range, to io.Writer) error {
	buffer := bufio.NewWriterSize(to, tarBuffer)
	w := tar.NewWriter(buffer)
	done, some := "", false
	for i, err := range v.Glob(ctx, pattern, file.Range{}) {
		if err != nil {
			return err
		}
		some = true
		if done != "" && strings.HasPrefix(i.Path, done) {
			continue // it went with the directory that it is in
		}
		if !i.Dir {
			if err := entry(ctx, v, w, i, in); err != nil {
				return err
			}
			continue
		}
		done = i.Path
		for below, err := range v.Walk(ctx, i.Path, tree.Page{Lower: in.Lower, Upper: in.Upper}) {
			if err != nil {
				return err
			}
			if err := entry(ctx, v, w, below, in); err != nil {
				return err
			}
		}
	}
	if !some {
		return v.Missing(pattern)
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buffer.Flush()
}

func entry(ctx context.Context, v *file.View, w *tar.Writer, i file.Info, in file.Range) error {
	if i.Path < in.Lower || in.Upper != "" && i.Path >= in.Upper {
		return nil
	}
	h := &tar.Header{Name: i.Path, Typeflag: tar.TypeReg, Size: i.Size}
	if i.Dir {
		h.Typeflag, h.Size = tar.TypeDir, 0
	}
	if err := w.WriteHeader(h); err != nil {
		return fault.New(fault.Invalid, "%s cannot be in a tar archive", i.Path).Because(err)
	}
	if i.Dir {
		return nil
	}
	r, err := v.Open(ctx, i, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}
