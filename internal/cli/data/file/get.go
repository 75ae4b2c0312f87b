package file

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/archive"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type getOptions struct {
	in               ref.Flags
	file             *pfs.File
	output           string
	recursive, retry bool
	offset           int64
}

func getFile(k *kit.Kit) *cobra.Command {
	o := &getOptions{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT:PATH", Short: "Get a file, or a directory", Args: kit.Exactly(1),
		Long: `Get a file, to standard output or to a file of your own, which is there as a whole
or not at all. PATH may be a pattern that matches one file.

With -r it gets a directory, and writes what is in it into the one that -o names.

It takes as long as it takes: --rpc-timeout bounds only the calls before.`,
		Example: `  pachctl get file images@master:/cat.png -o cat.png
  pachctl get file logs@master^:/today.log
  pachctl get file -r images@master:/2026 -o photos`,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args[0]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().StringVarP(&o.output, "output", "o", "", "file to write; with -r, the directory")
	c.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "get a directory with all that is in it")
	c.Flags().Int64Var(&o.offset, "offset", 0, "byte of the file to begin at")
	c.Flags().BoolVar(&o.retry, "retry", false, "go on where it was when the connection breaks")
	o.in.Add(c)
	return c
}

func (o *getOptions) read(c *cobra.Command, k *kit.Kit, arg string) error {
	switch {
	case o.recursive && (o.output == "" || o.output == "-"):
		return kit.Usagef(c, "where shall the directory be written? name one with -o")
	case o.recursive && o.offset != 0:
		return kit.Usagef(c, "--offset is for one file, not for -r")
	case o.recursive && o.retry:
		return kit.Usagef(c, "--retry is for one file, not for -r")
	case o.offset < 0:
		return kit.Usagef(c, "--offset is %d: it counts bytes from the beginning", o.offset)
	}
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	if o.recursive {
		o.file, err = r.File(arg)
	} else {
		o.file, err = r.Path(arg)
	}
	return err
}

func (o *getOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		switch {
		case strings.Contains(o.output, "://"): // for pachd to write to
			_, err := io.Copy(io.Discard, bytesOf(c.PFS.GetFileTAR(ctx, &pfs.GetFileRequest{File: o.file, URL: o.output})))
			return err
		case o.recursive:
			return o.getDirectory(ctx, k, c)
		}
		return o.getOne(ctx, k, c)
	})
}

// getDirectory asks what the path is: what is in a directory goes into the other, a file
// becomes the file that -o names, and what a pattern matches keeps its whole path.
func (o *getOptions) getDirectory(ctx context.Context, k *kit.Kit, c *kit.Conn) error {
	base := "/"
	p := newProgress(k, 0)
	if !strings.ContainsAny(o.file.GetPath(), "*?[]{}!()@+^") {
		info, err := c.PFS.InspectFile(ctx, &pfs.InspectFileRequest{File: o.file})
		if err != nil {
			return err
		}
		if info.GetFileType() == pfs.FileType_FILE {
			return o.getOne(ctx, k, c)
		}
		// What was looked at is what is read, whatever happens to the branch.
		o.file.Commit, base, p.total = info.GetFile().GetCommit(), info.GetFile().GetPath(), info.GetSizeBytes()
	}
	defer p.end()
	all := bytesOf(c.PFS.GetFileTAR(ctx, &pfs.GetFileRequest{File: o.file}))
	return archive.Extract(all, o.output, base, func(one io.Reader) io.Reader {
		p.files++
		return counted{one, p}
	})
}

func (o *getOptions) getOne(ctx context.Context, k *kit.Kit, c *kit.Conn) error {
	if o.retry { // what follows has to be of the same commit
		info, err := c.PFS.InspectCommit(ctx, &pfs.InspectCommitRequest{Commit: o.file.GetCommit()})
		if err != nil {
			return err
		}
		o.file.Commit = info.GetCommit()
	}
	p := newProgress(k, 0)
	p.files = 1
	if o.output == "" || o.output == "-" {
		p.on = p.on && !show.OnTerminal(k.Stdout) // where the file itself is seen
	}
	if p.on {
		if info, err := c.PFS.InspectFile(ctx, &pfs.InspectFileRequest{File: o.file}); err == nil { // a pattern is no path
			p.total = info.GetSizeBytes() - o.offset
		}
	}
	defer p.end()
	from := &resumed{ctx: ctx, offset: o.offset, open: func(offset int64) io.Reader {
		return bytesOf(c.PFS.GetFile(ctx, &pfs.GetFileRequest{File: o.file, Offset: offset}))
	}}
	if o.retry {
		from.left = retries
	}
	if o.output == "" || o.output == "-" {
		_, err := io.Copy(k.Stdout, counted{from, p})
		return err
	}
	return writeFile(o.output, counted{from, p})
}

// counted tells how much was read.
type counted struct {
	io.Reader
	p *progress
}

// Read is io.Reader's.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.p.add(n)
	return n, err
}

// stream reads the bytes that a call sends.
type stream struct {
	from grpc.ServerStreamingClient[wrapperspb.BytesValue]
	err  error
	rest []byte
}

func bytesOf(from grpc.ServerStreamingClient[wrapperspb.BytesValue], err error) io.Reader {
	return &stream{from: from, err: err}
}

// Read is io.Reader's.
func (s *stream) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		var m *wrapperspb.BytesValue
		if m, s.err = s.from.Recv(); s.err == nil {
			s.rest = m.GetValue()
		}
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

const (
	// retries is how often in a row --retry tries again without getting a byte.
	retries = 10
	// pause is how long it waits before the first, and twice as long before each next,
	// up to maxPause.
	pause    = 100 * time.Millisecond
	maxPause = 5 * time.Second
)

// resumed reads a file, and opens it again where it was when the connection breaks.
type resumed struct {
	ctx    context.Context // that of one command, which Read cannot be given
	open   func(offset int64) io.Reader
	offset int64
	left   int // how often to try again

	now    io.Reader
	failed int // how often in a row
}

// Read is io.Reader's.
func (r *resumed) Read(b []byte) (int, error) {
	for {
		if r.now == nil {
			r.now = r.open(r.offset)
		}
		n, err := r.now.Read(b)
		r.offset += int64(n)
		if n > 0 {
			r.failed = 0
			return n, nil
		}
		if err == nil || errors.Is(err, io.EOF) || !show.Broke(err) || r.failed >= r.left {
			return 0, err
		}
		wait := time.NewTimer(min(pause<<r.failed, maxPause))
		select {
		case <-wait.C:
		case <-r.ctx.Done():
			wait.Stop()
			return 0, err
		}
		r.failed++
		r.now = nil
	}
}

// writeFile writes a file of another name beside the target and moves it there once it
// is whole. What is no file, such as /dev/null, is written to.
func writeFile(target string, from io.Reader) error {
	if info, err := os.Stat(target); err == nil {
		if info.IsDir() {
			return fault.New(fault.Invalid, "%s is a directory", target).Next("name the file to write with -o")
		}
		if !info.Mode().IsRegular() {
			return writeThrough(target, from)
		}
		if real, err := filepath.EvalSymlinks(target); err == nil {
			target = real // or a link would be replaced
		}
	}
	part := filepath.Join(filepath.Dir(target), ".pachctl-"+rand.Text())
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // as the umask says, as for any download
	if err != nil {
		return unwritable(target, err)
	}
	err = copyTo(f, from, target)
	if err == nil {
		if err = os.Rename(part, target); err == nil {
			return nil
		}
		err = unwritable(target, err)
	}
	return errors.Join(err, os.Remove(part))
}

func writeThrough(target string, from io.Reader) error {
	f, err := os.OpenFile(target, os.O_WRONLY, 0) //nolint:gosec // the user names it
	if err != nil {
		return unwritable(target, err)
	}
	return copyTo(f, from, target)
}

// copyTo writes a file and closes it. What goes wrong with it is told by the name that
// the user gave.
func copyTo(f *os.File, from io.Reader, target string) error {
	_, err := io.Copy(f, from)
	closed := f.Close()
	var here *fs.PathError
	switch {
	case errors.As(err, &here):
		return unwritable(target, here)
	case err == nil && closed != nil:
		return unwritable(target, closed)
	}
	return err
}

func unwritable(name string, err error) error {
	return fault.New(fault.Invalid, "cannot write %s: %v", name, errors.Unwrap(err)).Because(err)
}
