package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"pachyderm/internal/cli/data/archive"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
)

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// source is what one -f names, and where its files go.
type source struct {
	name   string // a path, or - for standard input
	target string // of the file, or of what is in the directory or archive
	isDir  bool
	isTar  bool
	isURL  bool // which pachd gets itself
}

// sources says where each goes. Without a path, and with several, the names of the
// sources are used; a path that ends in / is a directory.
func (o *putOptions) sources(names []string) (all []source, err error) {
	where := o.file.GetPath()
	for _, name := range names {
		s, err := o.look(name)
		if err != nil {
			return nil, err
		}
		own, err := o.own(s)
		if err != nil {
			return nil, err
		}
		inside := s.isDir || s.isTar // what is put is in it
		switch {
		case s.isTar:
			s.target = where
		case len(names) == 1 && where != "" && (inside || !strings.HasSuffix(where, "/")):
			s.target = where
		case name == "-":
			return nil, fault.New(fault.Invalid, "what comes from standard input has no name").
				Next("name a file in the repository: REPO@BRANCH:PATH")
		default:
			s.target = path.Join(where, own)
		}
		if s.target == "" {
			s.target = "/"
		}
		all = append(all, s)
	}
	return all, nil
}

// own is the name that a source gives to what is put.
func (o *putOptions) own(s source) (string, error) {
	name := s.name
	if s.isURL {
		u, err := url.Parse(name)
		if err != nil { // the error has all of it, which may be secret
			return "", fault.New(fault.Invalid, "a URL cannot be read").Next("write it as https://host/path")
		}
		if name = strings.Trim(u.Path, "/"); name == "" {
			name = u.Host // a page is called by its site
		}
	}
	if o.fullPath {
		return filepath.ToSlash(filepath.Clean(name)), nil
	}
	return filepath.Base(name), nil
}

// isURL reports whether a source is one.
func isURL(name string) bool {
	scheme, _, ok := strings.Cut(name, "://")
	return ok && !strings.ContainsAny(scheme, "/.")
}

// archived are the names of archives, and standard input's.
var archived = regexp.MustCompile(`^-$|(?i)\.(tar|tar\.gz|tgz)$`)

// look finds out early what cannot be put.
func (o *putOptions) look(name string) (source, error) {
	s := source{name: name, isTar: o.untar && archived.MatchString(name)}
	if name == "-" {
		return s, nil
	}
	if isURL(name) {
		if s.isTar {
			return s, fault.New(fault.Unimplemented, "archives are not taken apart that pachd gets from URLs").
				Next("download it, and put that: curl -L URL | pachctl put file REPO@BRANCH --untar")
		}
		s.isURL = true
		return s, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return s, unreadable(name, err)
	}
	s.isDir = info.IsDir()
	if s.isDir && !o.recursive {
		return s, fault.New(fault.Invalid, "%s is a directory", name).Next("add -r to put all that is in it")
	}
	s.isTar = s.isTar && !s.isDir
	return s, nil
}

func unreadable(name string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err // or the name would stand there twice
	}
	if fault.Is(err, fault.Invalid) { // of an archive
		return fault.Prefix(err, "cannot read %s, and nothing was put", name)
	}
	return fault.New(fault.Invalid, "cannot read %s, and nothing was put: %v", name, err).Because(err)
}

// content is one file to be put.
type content struct {
	name string // for messages
	path string // in the repository
	r    io.Reader
	url  string // in place of r, for pachd to get
}

// contents opens the files of a source, one at a time: each is closed when the next
// is asked for.
func (s source) contents(k *kit.Kit) iter.Seq2[content, error] {
	return func(yield func(content, error) bool) {
		switch {
		case s.isURL:
			yield(content{path: s.target, url: s.name}, nil)
		case s.isDir:
			s.walk(k, yield)
		case s.name == "-":
			s.each("standard input", k.Stdin, yield)
		default:
			s.open(s.name, s.target, yield)
		}
	}
}

// open gives what is in a file, and says whether to go on.
func (s source) open(name, target string, yield func(content, error) bool) bool {
	f, err := os.Open(name) //nolint:gosec // the user names the file
	if err != nil {
		yield(content{}, unreadable(name, err))
		return false
	}
	defer func() { _ = f.Close() }()
	if s.isTar {
		return s.each(name, f, yield)
	}
	return yield(content{name: name, path: target, r: f}, nil)
}

// each gives what is read from r: one file, or those of an archive.
func (s source) each(name string, r io.Reader, yield func(content, error) bool) bool {
	if !s.isTar {
		return yield(content{name: name, path: s.target, r: r}, nil)
	}
	for m, err := range archive.Members(r) {
		if err != nil {
			yield(content{}, unreadable(name, err))
			return false
		}
		if !yield(content{name: name + ", " + m.Path, path: path.Join("/", s.target, m.Path), r: m.Content}, nil) {
			return false
		}
	}
	return true
}

// walk gives the files below a directory. Links to files are followed, those to
// directories are not: they could lead round in a circle.
func (s source) walk(k *kit.Kit, yield func(content, error) bool) {
	err := filepath.WalkDir(s.name, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(name, err)
		}
		if d.IsDir() {
			return nil
		}
		info, err := os.Stat(name)
		switch {
		case err != nil:
			return unreadable(name, err)
		case info.IsDir():
			k.Notef("pachctl: %s is a link to a directory: it is left out\n", fault.Clean(name, 4096))
			return nil
		case !info.Mode().IsRegular():
			return unreadable(name, errors.New("it is no file"))
		}
		inside, err := filepath.Rel(s.name, name)
		if err != nil {
			return unreadable(name, err)
		}
		if !s.open(name, path.Join(s.target, filepath.ToSlash(inside)), yield) {
			return errEnded
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnded) {
		yield(content{}, err)
	}
}

var errEnded = errors.New("nobody asks for more files")
