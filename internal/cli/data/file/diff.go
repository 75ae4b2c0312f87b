package file

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

type diffOptions struct {
	in                  ref.Flags
	out                 show.Output
	request             pfs.DiffFileRequest
	oldProject, command string
	nameOnly            bool
	plain               bool // no colours
}

func diffFile(k *kit.Kit) *cobra.Command {
	o := &diffOptions{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT[:PATH] [REPO@BRANCH-OR-COMMIT[:PATH]]", Short: "Show which files differ between two commits",
		Long: `Show which files of a commit differ from those of another, by default the one
before: - and + are what a file was and is. With --diff-command a program of yours
shows how they differ: it is given both versions of each.`,
		Example: "  pachctl diff file images@master\n  pachctl diff file images@master:/2026 images@release:/2026\n" +
			"  pachctl diff file tables@master --diff-command cmp",
		Args: kit.Between(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.read(c, k, args); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.request.Shallow, "shallow", "s", false, "do not look into directories that differ")
	c.Flags().BoolVar(&o.nameOnly, "name-only", false, "show the names only, even with --diff-command")
	c.Flags().StringVar(&o.command, "diff-command", "", "program that shows how two files differ, with its arguments")
	c.Flags().StringVar(&o.oldProject, "old-project", "", "project of the second repository")
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *diffOptions) read(c *cobra.Command, k *kit.Kit, args []string) error {
	r, err := o.in.Reader(c, k)
	if err != nil {
		return err
	}
	if o.request.NewFile, err = r.File(args[0]); err != nil {
		return err
	}
	if len(args) == 2 {
		o.request.OldFile, err = r.In(o.oldProject).File(args[1])
	}
	if flag := c.Flag("no-color"); flag != nil {
		o.plain = flag.Value.String() == "true"
	}
	return err
}

func (o *diffOptions) run(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		changes := show.Each(c.PFS.DiffFile(ctx, &o.request))
		if o.command != "" && !o.nameOnly {
			return o.compare(ctx, k, c, changes)
		}
		t := show.Table[*pfs.DiffFileResponse]{Columns: show.Fixed[*pfs.DiffFileResponse]("OP", "SIZE", "NAME"), Rows: o.rows}
		if o.plain || k.Getenv("NO_COLOR") != "" || o.out.ForScripts() || !show.OnTerminal(k.Stdout) {
			return show.List(k, o.out, t, changes)
		}
		coloured := *k
		coloured.Stdout = &colours{w: k.Stdout}
		return show.List(&coloured, o.out, t, changes)
	})
}

// rows leaves out directories, which differ whenever something in them does, unless
// nobody looks into them.
func (o *diffOptions) rows(d *pfs.DiffFileResponse) (rows [][]string) {
	for n, f := range []*pfs.FileInfo{d.GetOldFile(), d.GetNewFile()} {
		if f != nil && (f.GetFileType() == pfs.FileType_FILE || o.request.GetShallow()) {
			rows = append(rows, []string{"-+"[n : n+1], show.Size(f.GetSizeBytes()), f.GetFile().GetPath()})
		}
	}
	return rows
}

// colours writes lines that begin with + in green and those with - in red.
type colours struct {
	w    io.Writer
	line []byte // as far as it has come
}

// Write is io.Writer's.
func (c *colours) Write(p []byte) (int, error) {
	c.line = append(c.line, p...)
	for {
		text, rest, ok := bytes.Cut(c.line, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		before, after := "", ""
		switch {
		case bytes.HasPrefix(text, []byte("+")):
			before, after = "\x1b[32m", "\x1b[0m"
		case bytes.HasPrefix(text, []byte("-")):
			before, after = "\x1b[31m", "\x1b[0m"
		}
		if _, err := io.WriteString(c.w, before+string(text)+after+"\n"); err != nil {
			return 0, err
		}
		c.line = rest
	}
}

// compare lets a program show each pair of files.
func (o *diffOptions) compare(ctx context.Context, k *kit.Kit, c *kit.Conn, changes iter.Seq2[*pfs.DiffFileResponse, error]) error {
	dir, err := os.MkdirTemp("", "pachctl-diff-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	for d, err := range changes {
		if err != nil {
			return err
		}
		if d.GetOldFile().GetFileType() != pfs.FileType_FILE && d.GetNewFile().GetFileType() != pfs.FileType_FILE {
			continue
		}
		old, made := filepath.Join(dir, "old"), filepath.Join(dir, "new")
		if err := errors.Join(fetch(ctx, c, d.GetOldFile(), old), fetch(ctx, c, d.GetNewFile(), made)); err != nil {
			return err
		}
		words := append(strings.Fields(o.command), old, made)
		program := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user's own choice
		program.Stdout, program.Stderr = k.Stdout, k.Stderr
		var differs *exec.ExitError // as diff does, when files differ
		if err := program.Run(); err != nil && !errors.As(err, &differs) {
			return fault.New(fault.Invalid, "cannot run %s: %v", words[0], err)
		}
	}
	return nil
}

// fetch writes a version of a file, an empty file if there is none.
func fetch(ctx context.Context, c *kit.Conn, f *pfs.FileInfo, name string) error {
	var from io.Reader = strings.NewReader("")
	if f.GetFileType() == pfs.FileType_FILE {
		from = bytesOf(c.PFS.GetFile(ctx, &pfs.GetFileRequest{File: f.GetFile()}))
	}
	return writeFile(name, from)
}
