package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"pachyderm/api/data"
	"pachyderm/api/pfs"
	"pachyderm/internal/cli/data/ref"
	"pachyderm/internal/cli/data/show"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

// piece is how much of a file one message carries, in bytes, as upstream has it.
const piece = 2 << 20

// together is what is sent in one message, in bytes, if there is as much: gRPC takes longer
// for a message than pachd for a small file.
const together = 960 << 10

type putOptions struct {
	in                        ref.Flags
	file                      *pfs.File
	files                     []string
	list                      string
	recursive, appending      bool
	compress, fullPath, untar bool
	parallelism               int
}

func putFile(k *kit.Kit) *cobra.Command {
	o := &putOptions{}
	c := &cobra.Command{
		Use: "file REPO@BRANCH[:PATH]", Short: "Put files into a repository", Args: kit.Exactly(1),
		Long: `Put files into a repository: from files, directories, archives, URLs or standard input.
All of them become one commit; if one cannot be read, nothing is put. A file that is
there already is replaced, or with --append goes on.

Without PATH, and if it ends in /, a file has the name that -f gives. With several,
PATH is the directory for all. With -r, what is in the directory goes to PATH, or
without it to a directory of the same name.

A file at a URL is one that pachd gets itself, from the internet: its address is not
resolved here, and has to be one that anybody can reach.

It takes as long as it takes: --rpc-timeout bounds only the calls before.`,
		Example: `  pachctl put file images@master -f cat.png
  pachctl put file images@master:/2026/cat.png -f cat.png
  pachctl put file images@master:/ -r -f photos
  pachctl put file images@master --untar -f photos.tar.gz
  pachctl put file images@master:/cat.png -f https://example.com/cat.png
  pachctl put file logs@master:/today.log --append <today.log
  find . -name "*.csv" | pachctl put file tables@master -i -`,
		RunE: func(c *cobra.Command, args []string) error {
			r, err := o.in.Reader(c, k)
			if err != nil {
				return err
			}
			if o.file, err = r.File(args[0]); err != nil {
				return err
			}
			if o.list != "" && c.Flags().Changed("file") {
				return kit.Usagef(c, "-f and -i both say what to put: choose one")
			}
			return o.run(c.Context(), k)
		},
	}
	flags := c.Flags()
	flags.StringSliceVarP(&o.files, "file", "f", []string{"-"}, "file or URL to put; - is standard input; may be given several times")
	flags.StringVarP(&o.list, "input-file", "i", "", "file with the names or URLs of the files to put, each on a line; - is standard input")
	flags.BoolVarP(&o.recursive, "recursive", "r", false, "put all that is in the directories")
	flags.BoolVarP(&o.appending, "append", "a", false, "add to the end of files that are there, in place of replacing them")
	flags.BoolVarP(&o.compress, "compress", "c", false, "compress on the way, for slow networks")
	flags.BoolVar(&o.fullPath, "full-path", false, "use the whole path that -f gives, in place of its last part")
	flags.BoolVar(&o.untar, "untar", false, "put what is in archives (.tar, .tar.gz, .tgz), in place of the archives")
	flags.IntVarP(&o.parallelism, "parallelism", "p", 0, "for scripts of upstream's: files are sent one after the other")
	o.in.Add(c)
	return c
}

func (o *putOptions) run(ctx context.Context, k *kit.Kit) error {
	names := o.files
	if o.list != "" {
		var err error
		if names, err = o.listed(k); err != nil {
			return err
		}
	}
	sources, err := o.sources(names)
	if err != nil {
		return err
	}
	if k.Stdin != nil && len(names) == 1 && names[0] == "-" && show.OnTerminal(k.Stdin) {
		k.Notef("Reading from the terminal; end with Ctrl-D.\n")
	}
	return show.Unhurried(ctx, k, func(ctx context.Context, c *kit.Conn) error {
		// A repository that is not there is said before anything is read.
		if _, err := c.PFS.InspectRepo(ctx, &pfs.InspectRepoRequest{Repo: o.file.GetCommit().GetRepo()}); err != nil {
			return err
		}
		var opts []grpc.CallOption
		if o.compress {
			opts = append(opts, grpc.UseCompressor(gzip.Name))
		}
		u, err := begin(ctx, c.Data, o.file.GetCommit(), opts...)
		if err != nil {
			return err
		}
		u.progress, u.appending, u.recursive = newProgress(k, 0), o.appending, o.recursive
		defer u.progress.end()
		for _, s := range sources {
			for f, err := range s.contents(k) {
				if err == nil {
					err = u.put(f)
				}
				if err != nil {
					return err // and the stream is left, so that pachd forgets what came
				}
			}
		}
		return u.finish()
	})
}

// listed are the names in the file of -i.
func (o *putOptions) listed(k *kit.Kit) (names []string, err error) {
	if strings.Contains(o.list, "://") {
		return nil, fault.New(fault.Unimplemented, "%s: lists are not fetched from URLs", o.list).Next("download it, and name the file")
	}
	from := k.Stdin
	if o.list != "-" {
		f, err := os.Open(o.list)
		if err != nil {
			return nil, unreadable(o.list, err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		switch name := strings.TrimSpace(lines.Text()); {
		case name == "-" && o.list == "-":
			return nil, fault.New(fault.Invalid, "the list names standard input, from where it comes itself")
		case name != "":
			names = append(names, name)
		}
	}
	if lines.Err() != nil {
		return nil, unreadable(o.list, lines.Err())
	}
	if len(names) == 0 {
		return nil, fault.New(fault.Invalid, "%s names no files", o.list).Next("write each name on a line")
	}
	return names, nil
}

// upload is one stream of changes, which pachd makes all at once when it ends.
type upload struct {
	stream    data.API_ModifyFilesClient
	changes   []*pfs.ModifyFileRequest // that are to be sent together
	size      int                      // of them, in bytes
	progress  *progress
	appending bool
	recursive bool
	buffer    []byte // of a piece
}

func begin(ctx context.Context, c data.APIClient, to *pfs.Commit, opts ...grpc.CallOption) (*upload, error) {
	stream, err := c.ModifyFiles(ctx, opts...)
	if err != nil {
		return nil, err
	}
	u := &upload{stream: stream}
	u.changes = []*pfs.ModifyFileRequest{{Body: &pfs.ModifyFileRequest_SetCommit{SetCommit: to}}}
	return u, u.flush()
}

// change sends a change, together with some that come after it.
func (u *upload) change(m *pfs.ModifyFileRequest) error {
	u.changes, u.size = append(u.changes, m), u.size+proto.Size(m)
	if u.size < together {
		return nil
	}
	return u.flush()
}

// flush gives pachd's error, where gRPC only says that the stream has ended.
func (u *upload) flush() error {
	err := u.stream.Send(&data.ModifyFilesRequest{Changes: u.changes})
	u.changes, u.size = nil, 0 // the stream may still look at them
	if errors.Is(err, io.EOF) {
		_, err = u.stream.CloseAndRecv()
	}
	return err
}

func (u *upload) add(f *pfs.AddFile) error {
	return u.change(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_AddFile{AddFile: f}})
}

func (u *upload) remove(path string) error {
	return u.change(&pfs.ModifyFileRequest{Body: &pfs.ModifyFileRequest_DeleteFile{DeleteFile: &pfs.DeleteFile{Path: path}}})
}

// put sends one file, which may be empty.
func (u *upload) put(f content) error {
	if !u.appending {
		if err := u.remove(f.path); err != nil {
			return err
		}
	}
	u.progress.files++
	if f.url != "" {
		return u.add(&pfs.AddFile{Path: f.path, Source: &pfs.AddFile_Url{Url: &pfs.AddFile_URLSource{URL: f.url, Recursive: u.recursive}}})
	}
	for first := true; ; first = false {
		if u.buffer == nil {
			u.buffer = make([]byte, piece)
		}
		n, err := io.ReadFull(f.r, u.buffer)
		part := u.buffer
		if n < piece {
			part = bytes.Clone(u.buffer[:n])
		} else {
			u.buffer = nil // the stream may still look at it
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && fault.KindOf(err) == fault.Internal
		if err != nil && !ended {
			return unreadable(f.name, err)
		}
		if n > 0 || first {
			if err := u.add(&pfs.AddFile{Path: f.path, Source: &pfs.AddFile_Raw{Raw: wrapperspb.Bytes(part)}}); err != nil {
				return err
			}
		}
		u.progress.add(n)
		if ended {
			return nil
		}
	}
}

// finish ends the stream. What was sent may be in a commit that nothing is made from: pachd
// keeps it, and only says so.
func (u *upload) finish() error {
	if err := u.flush(); err != nil {
		return err
	}
	made, err := u.stream.CloseAndRecv()
	if err != nil || made.GetError() == "" {
		return err
	}
	commit := made.GetCommit().GetRepo().GetName() + "@" + made.GetCommit().GetId()
	why := made.GetError()
	return fault.New(fault.Precondition, "%s has ended with an error, so that the next commit is made without it: %s", commit, why).
		Next("take away what is in the way, with pachctl delete file, and do this again; pachctl list file %s shows what was put", commit)
}
