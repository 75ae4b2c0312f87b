package file

import (
	"context"
	"encoding/hex"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
)

// Commands are those of this package, by their verbs.
func Commands(k *kit.Kit) map[string][]*cobra.Command {
	return map[string][]*cobra.Command{
		"put":     {putFile(k)},
		"get":     {getFile(k)},
		"list":    {listFile(k)},
		"inspect": {inspectFile(k)},
		"glob":    {globFile(k)},
		"diff":    {diffFile(k)},
		"copy":    {copyFile(k)},
		"delete":  {deleteFile(k)},
	}
}

// options are those of a command about one file.
type options struct {
	in        ref.Flags
	out       show.Output
	file      *pfs.File
	recursive bool
}

// readPath takes an argument that names a file.
func (o *options) readPath(c *cobra.Command, k *kit.Kit, arg string) error {
	r, err := o.in.Reader(c, k)
	if err == nil {
		o.file, err = r.Path(arg)
	}
	return err
}

func table() show.Table[*pfs.FileInfo] {
	return show.Table[*pfs.FileInfo]{
		Columns: show.Fixed[*pfs.FileInfo]("SIZE", "NAME"),
		Rows: func(f *pfs.FileInfo) [][]string {
			return [][]string{{show.Size(f.GetSizeBytes()), f.GetFile().GetPath()}}
		},
	}
}

func listFile(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT[:PATH]", Short: "List the files in a directory", Args: kit.Exactly(1),
		Long:    "List the files and directories in a directory of a commit, by default the topmost.\nThe names of directories end in /.",
		Example: "  pachctl list file images@master\n  pachctl list file images@master^:/2026",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.file, err = r.File(args[0]); err != nil {
				return err
			}
			return o.runList(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *options) runList(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		return show.List(k, o.out, table(), show.Each(c.PFS.ListFile(ctx, &pfs.ListFileRequest{File: o.file})))
	})
}

func globFile(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT:PATTERN", Short: "List the files that a pattern matches", Args: kit.Exactly(1),
		Long: `List the files and directories that a pattern matches: * is anything but a /, **
any path, ? one character, [abc] one of some, {a,b} either. Quote it, or the shell
looks for such files itself.`,
		Example: "  pachctl glob file \"images@master:/2026/*.png\"\n  pachctl glob file \"images@master:/**.{png,jpg}\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.readPath(c, k, args[0]); err != nil {
				return err
			}
			return o.runGlob(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *options) runGlob(ctx context.Context, k *kit.Kit) error {
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		req := &pfs.GlobFileRequest{Commit: o.file.GetCommit(), Pattern: o.file.GetPath()}
		return show.List(k, o.out, table(), show.Each(c.PFS.GlobFile(ctx, req)))
	})
}

func inspectFile(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT:PATH", Short: "Show a file or directory", Args: kit.Exactly(1),
		Example: "  pachctl inspect file images@master:/cat.png",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.readPath(c, k, args[0]); err != nil {
				return err
			}
			return o.runInspect(c.Context(), k)
		},
	}
	o.out.Flags(c)
	o.in.Add(c)
	return c
}

func (o *options) runInspect(ctx context.Context, k *kit.Kit) error {
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		info, err := c.PFS.InspectFile(ctx, &pfs.InspectFileRequest{File: o.file})
		if err != nil {
			return err
		}
		return o.out.One(k, info, func() {
			kind := "file"
			if info.GetFileType() == pfs.FileType_DIR {
				kind = "dir"
			}
			show.Fields(k, [][2]string{
				{"Path", info.GetFile().GetPath()},
				{"Datum", info.GetFile().GetDatum()},
				{"Type", kind},
				{"Size", show.Size(info.GetSizeBytes())},
				{"Commit", info.GetFile().GetCommit().GetId()},
				{"Committed", o.out.Time(k.Now(), info.GetCommitted())},
				{"Hash", hex.EncodeToString(info.GetHash())},
			}...)
		})
	})
}

func deleteFile(k *kit.Kit) *cobra.Command {
	o := &options{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH:PATH", Short: "Delete a file from a branch", Args: kit.Exactly(1),
		Long:    "Delete a file, or with -r a directory, from a branch. Its earlier versions stay in\nthe commits before.",
		Example: "  pachctl delete file images@master:/cat.png\n  pachctl delete file -r images@master:/2025",
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.readPath(c, k, args[0]); err != nil {
				return err
			}
			return o.runDelete(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.recursive, "recursive", "r", false, "delete a directory with all that is in it")
	o.in.Add(c)
	return c
}

func (o *options) runDelete(ctx context.Context, k *kit.Kit) error {
	name := o.file.GetPath()
	if o.recursive {
		name = strings.TrimRight(name, "/") + "/"
	}
	return show.Brief(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		u, err := begin(ctx, c.Data, o.file.GetCommit())
		if err != nil {
			return err
		}
		if err := u.remove(name); err != nil {
			return err
		}
		return u.finish()
	})
}

type copyOptions struct {
	in                       ref.Flags
	from, to                 *pfs.File
	fromProject, intoProject string
	appending                bool
}

func copyFile(k *kit.Kit) *cobra.Command {
	o := &copyOptions{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH-OR-COMMIT:PATH REPO@BRANCH[:PATH]", Short: "Copy a file or directory within pachd", Args: kit.Exactly(2),
		Long: `Copy a file or directory from one commit to a branch, of this or another
repository. No bytes are moved: both are stored once.`,
		Example: "  pachctl copy file images@master:/cat.png best@master:/cat.png\n  pachctl copy file images@master^3:/cat.png images@master",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.from, err = r.In(o.fromProject).Path(args[0]); err != nil {
				return err
			}
			if o.to, err = r.In(o.intoProject).File(args[1]); err != nil {
				return err
			}
			return o.run(c.Context(), k)
		},
	}
	c.Flags().BoolVarP(&o.appending, "append", "a", false, "add to the end of files that are there, in place of replacing them")
	c.Flags().StringVar(&o.fromProject, "src-project", "", "project of the repository to copy from")
	c.Flags().StringVar(&o.intoProject, "dest-project", "", "project of the repository to copy to")
	o.in.Add(c)
	return c
}

func (o *copyOptions) run(ctx context.Context, k *kit.Kit) error {
	into := o.to.GetPath()
	switch {
	case into == "":
		into = o.from.GetPath()
	case strings.HasSuffix(into, "/"):
		into += path.Base(o.from.GetPath())
	}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		u, err := begin(ctx, c.Data, o.to.GetCommit())
		if err != nil {
			return err
		}
		change := &pfs.CopyFile{Dst: into, Src: o.from, Append: o.appending}
		if err := u.change(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_CopyFile{CopyFile: change}}); err != nil {
			return err
		}
		return u.finish()
	})
}
