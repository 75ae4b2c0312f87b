package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pachyderm/internal/fault"
)

// packed is an archive with members that have their own names as content.
func packed(t testing.TB, members ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range members {
		h.Mode = 0o644
		if h.Typeflag == 0 || h.Typeflag == tar.TypeReg {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(h.Name))
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := io.WriteString(w, h.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func named(names ...string) (all []tar.Header) {
	for _, n := range names {
		h := tar.Header{Name: n}
		if strings.HasSuffix(n, "/") {
			h.Typeflag = tar.TypeDir
		}
		all = append(all, h)
	}
	return all
}

func zipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// read is all that Members gives, as path=content.
func read(data []byte) (all []string, err error) {
	for m, err := range Members(bytes.NewReader(data)) {
		if err != nil {
			return all, err
		}
		text, err := io.ReadAll(m.Content)
		if err != nil {
			return all, err
		}
		all = append(all, m.Path+"="+string(text))
	}
	return all, nil
}

func TestMembers_PathsAreMadeSafe(t *testing.T) {
	data := packed(t, named("a", "d/", "./d/b", "/etc/passwd", "d//e/./c", "..hidden", "x..y/z")...)
	for name, data := range map[string][]byte{"plain": data, "zipped": zipped(t, data)} {
		got, err := read(data)
		want := "/a=a /d/b=./d/b /etc/passwd=/etc/passwd /d/e/c=d//e/./c /..hidden=..hidden /x..y/z=x..y/z"
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestMembers_Refused(t *testing.T) {
	whole := packed(t, named("a", "b")...)
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"up":                {packed(t, named("../a")...), `"../a", which leads out`},
		"up in the middle":  {packed(t, named("d/../../a")...), "which leads out"},
		"up, but stays":     {packed(t, named("d/../a")...), "which leads out"},
		"up at the end":     {packed(t, named("d/..")...), "which leads out"},
		"symbolic link":     {packed(t, tar.Header{Name: "l", Linkname: "/etc/passwd", Typeflag: tar.TypeSymlink}), `"l", which is a link or a device`},
		"hard link":         {packed(t, tar.Header{Name: "l", Linkname: "a", Typeflag: tar.TypeLink}), "a link or a device"},
		"device":            {packed(t, tar.Header{Name: "l", Typeflag: tar.TypeChar}), "a link or a device"},
		"fifo":              {packed(t, tar.Header{Name: "l", Typeflag: tar.TypeFifo}), "a link or a device"},
		"no name":           {packed(t, named(".")...), "without a name"},
		"no archive":        {[]byte(strings.Repeat("hello, world", 100)), "no tar archive"},
		"cut in a header":   {whole[:1024+100], "broken"},
		"cut in a file":     {whole[:512], "broken"},
		"cut behind a file": {whole[:1024], "broken"},
		"nothing":           {nil, "no tar archive"},
		"cut gzip":          {zipped(t, whole)[:30], "broken"},
		"gzip of nothing":   {[]byte("\x1f\x8b"), "no tar archive"},
	} {
		got, err := read(test.data)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// tree is what is in a directory, as name=content.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside, _ := filepath.Rel(dir, name)
		switch {
		case d.Type()&os.ModeSymlink != 0:
			all = append(all, inside+"@")
		case d.IsDir():
			all = append(all, inside+"/")
		default:
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			all = append(all, inside+"="+string(data))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func same(r io.Reader) io.Reader { return r }

func TestExtract(t *testing.T) {
	data := packed(t, named("/dir/", "/dir/a", "/dir/sub/", "/dir/sub/b", "/dir/deep/er/c")...)
	for base, want := range map[string]string{
		"/dir": "./ a=/dir/a deep/ deep/er/ deep/er/c=/dir/deep/er/c sub/ sub/b=/dir/sub/b",
		"/":    "./ dir/ dir/a=/dir/a dir/deep/ dir/deep/er/ dir/deep/er/c=/dir/deep/er/c dir/sub/ dir/sub/b=/dir/sub/b",
	} {
		dir := filepath.Join(t.TempDir(), "not", "yet")
		files := 0
		err := Extract(bytes.NewReader(data), dir, base, func(r io.Reader) io.Reader { files++; return r })
		if got := tree(t, dir); err != nil || files != 3 || got != want {
			t.Errorf("from %s: %q, %d files, %v", base, got, files, err)
		}
	}
}

func TestExtract_WritesNothingOutside(t *testing.T) {
	for name, test := range map[string]struct {
		data  []byte
		links map[string]string // in the directory, before
		base  string
	}{
		"up":                      {data: packed(t, named("../out/a")...), base: "/"},
		"up below base":           {data: packed(t, named("/dir/../../out/a")...), base: "/dir"},
		"another directory":       {data: packed(t, named("/dirty")...), base: "/dir"},
		"link to a directory":     {data: packed(t, named("/l/a")...), base: "/", links: map[string]string{"l": "../out"}},
		"absolute link":           {data: packed(t, named("/l/a")...), base: "/", links: map[string]string{"l": "ABSOLUTE"}},
		"link by way of another":  {data: packed(t, named("/l/a")...), base: "/", links: map[string]string{"l": "m", "m": "../out"}},
		"directory through link":  {data: packed(t, named("/l/new/")...), base: "/", links: map[string]string{"l": "../out"}},
		"archive that brings one": {data: packed(t, tar.Header{Name: "l", Linkname: "../out", Typeflag: tar.TypeSymlink}, tar.Header{Name: "l/a"}), base: "/"},
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			dir, out := filepath.Join(above, "dir"), filepath.Join(above, "out")
			for _, d := range []string{dir, out} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for l, to := range test.links {
				if err := os.Symlink(strings.Replace(to, "ABSOLUTE", out, 1), filepath.Join(dir, l)); err != nil {
					t.Fatal(err)
				}
			}
			before := tree(t, above)
			if err := Extract(bytes.NewReader(test.data), dir, test.base, same); !fault.Is(err, fault.Invalid) {
				t.Errorf("no fault: %v", err)
			}
			if got := tree(t, above); got != before {
				t.Errorf("it has left %q", got)
			}
		})
	}
}

// A link where a file belongs is replaced: what it leads to stays as it is.
func TestExtract_ReplacesLink(t *testing.T) {
	above := t.TempDir()
	dir, secret := filepath.Join(above, "dir"), filepath.Join(above, "secret")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(secret, []byte("mine"), 0o600), os.Symlink(secret, filepath.Join(dir, "a"))); err != nil {
		t.Fatal(err)
	}
	if err := Extract(bytes.NewReader(packed(t, named("/a")...)), dir, "/", same); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, above); got != "./ dir/ dir/a=/a secret=mine" {
		t.Errorf("it has left %q", got)
	}
}

type failing struct{ err error }

// Read is io.Reader's.
func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A file that does not come as a whole does not come at all, and why is said.
func TestExtract_BrokenStream(t *testing.T) {
	whole, gone := packed(t, named("/a", "/b")...), errors.New("the server is gone")
	dir := t.TempDir()
	err := Extract(io.MultiReader(bytes.NewReader(whole[:1024+512+1]), failing{gone}), dir, "/", same)
	if got := tree(t, dir); !errors.Is(err, gone) || got != "./ a=/a" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzMembers(f *testing.F) {
	f.Add(packed(f, named("a", "d/../b")...))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := read(data)
		for _, m := range got {
			path, _, _ := strings.Cut(m, "=")
			if !strings.HasPrefix(path, "/") || strings.Contains(path+"/", "/../") || path == "/" {
				t.Errorf("a member at %q", path)
			}
		}
	})
}
