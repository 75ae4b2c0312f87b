package edit

import (
	"cmp"
	"context"
	"time"

	pb "pachyderm/api/pfs"
	"pachyderm/internal/access"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/fileset"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/urlsource"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/principal"
	"pachyderm/internal/rpc/pfs/convert"
	"pachyderm/internal/rpc/pfs/guard"
)

// Edits is where files come from.
type Edits struct {
	Files *file.Service
	Sets  *fileset.Service
	URLs  *urlsource.Source
}

// Writer is what changes are made of: a session that writes to a commit, or a set.
type Writer interface {
	Add(path, datum string, data []byte) error
	Delete(path, datum string) error
	Copy(dst, datum string, from file.Source, more bool) error
}

// IsInternal reports whether the caller is pachd itself, root, or anybody while
// authentication is off.
func IsInternal(c session.Caller) bool {
	return !c.Guarded() || c.Unapproved == "" && (c.Name.Kind() == principal.System || c.Is(principal.Root))
}

// Owner is for whom file sets are kept. A person's are kept for the identity that they
// signed in with, which stays theirs when somebody else comes to have their name.
func Owner(ctx context.Context) fileset.Caller {
	c := session.FromContext(ctx)
	owner := c.Name.String()
	if c.Token.IdentityID != "" {
		owner = "identity " + c.Token.IdentityID
	}
	return fileset.Caller{Owner: owner, All: IsInternal(c)}
}

// View opens the files of a commit for whoever has the permissions, and those of a file
// set for its maker.
func (e *Edits) View(ctx context.Context, c *pb.Commit, need ...access.Permission) (*file.View, error) {
	ref := convert.RefOf(c)
	if ref.Repo.Name == graph.FileSets {
		return e.Sets.View(ctx, Owner(ctx), ref.Name)
	}
	if err := guard.Allow(ctx, ref.Repo, need...); err != nil {
		return nil, err
	}
	return e.Files.View(ctx, ref)
}

// Write has do write to a commit what the caller wants, and makes it so if they may still
// write by then: whoever has lost the right meanwhile has written nothing. Without a name
// the commit is that of the branch master.
func (e *Edits) Write(ctx context.Context, again guard.Again, now time.Time, to *pb.Commit, do func(*file.Session) error,
) (made graph.Written, err error) {
	target := convert.RefOf(to)
	target.Name = cmp.Or(target.Name, "master")
	if err := guard.Allow(ctx, target.Repo, access.RepoWrite); err != nil {
		return made, err
	}
	w, err := e.Files.Begin(ctx, guard.By(ctx, now), target)
	if err != nil {
		return made, err
	}
	defer w.Close()
	if err := do(w); err != nil {
		return made, err
	}
	if err := again.Still(ctx, target.Repo, access.RepoWrite); err != nil {
		return made, err
	}
	return w.Commit()
}

// Make makes one change.
func (e *Edits) Make(ctx context.Context, w Writer, req *pb.ModifyFileRequest) error {
	switch {
	case req.GetAddFile() != nil:
		add := req.GetAddFile()
		if add.GetUrl() != nil {
			return e.addURL(ctx, w, add)
		}
		return w.Add(add.GetPath(), add.GetDatum(), add.GetRaw().GetValue())
	case req.GetDeleteFile() != nil:
		return w.Delete(req.GetDeleteFile().GetPath(), req.GetDeleteFile().GetDatum())
	case req.GetCopyFile() != nil:
		c := req.GetCopyFile()
		v, err := e.View(ctx, c.GetSrc().GetCommit(), access.RepoRead)
		if err != nil {
			return err
		}
		return w.Copy(c.GetDst(), c.GetDatum(), file.Source{View: v, Path: c.GetSrc().GetPath(), Datum: c.GetSrc().GetDatum()}, c.GetAppend())
	case req.GetSetCommit() != nil:
		return fault.New(fault.Invalid, "cannot set commit: it stands in the first message only, and in none of a file set")
	}
	return fault.New(fault.Invalid, "a message says nothing of a file").Next("update the client")
}

func (e *Edits) addURL(ctx context.Context, w Writer, add *pb.AddFile) error {
	if add.GetUrl().GetRecursive() {
		return fault.New(fault.Unimplemented, "an address of the web has nothing below it that could be listed").
			Next("name each file, without -r")
	}
	// The path is looked at before anybody is asked for the file.
	if err := w.Add(add.GetPath(), add.GetDatum(), nil); err != nil {
		return err
	}
	return e.URLs.Copy(ctx, add.GetUrl().GetURL(), func(data []byte) error { return w.Add(add.GetPath(), add.GetDatum(), data) })
}
