package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tree is a set of files by their paths, with slashes and without one at the
// beginning. What is written of it depends on nothing else.
type tree map[string]file

type file struct {
	data       []byte
	executable bool
	mode       int64 // in place of the usual one; with dir, of a directory
	dir        bool
	owner      int // in place of root
}

// add reads a file of the repository.
func (t tree) add(to, from string) error {
	data, err := os.ReadFile(from) //nolint:gosec // of the repository, or what was built
	if err != nil {
		return err
	}
	t[to] = file{data: data}
	return nil
}

// program adds a binary.
func (t tree) program(to, from string) error {
	data, err := os.ReadFile(from) //nolint:gosec // what was built
	t[to] = file{data: data, executable: true}
	return err
}

func (t tree) paths() (sorted []string) {
	for p := range t {
		sorted = append(sorted, p)
	}
	slices.Sort(sorted)
	return sorted
}

func (f file) perm() int64 {
	switch {
	case f.mode != 0:
		return f.mode
	case f.dir, f.executable:
		return 0o755
	}
	return 0o644
}

// tarball writes a tree as root's, with the directories above each file, and the
// prefix before every path.
func (t tree) tarball(prefix string, at time.Time) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	made := map[string]bool{".": true}
	header := func(name string, f file) *tar.Header {
		h := &tar.Header{
			Name: prefix + name, Mode: f.perm(), Size: int64(len(f.data)), ModTime: at, Uname: "root", Gname: "root", Typeflag: tar.TypeReg,
		}
		if f.owner != 0 {
			h.Uid, h.Gid, h.Uname, h.Gname = f.owner, f.owner, "", ""
		}
		if f.dir {
			h.Name, h.Typeflag = h.Name+"/", tar.TypeDir
		}
		return h
	}
	for _, p := range t.paths() {
		for _, above := range append(parents(p), p) {
			f, isFile := t[above]
			if !isFile {
				f = file{dir: true}
			}
			if made[above] {
				continue
			}
			made[above] = true
			if err := w.WriteHeader(header(above, f)); err != nil {
				return nil, err
			}
			if _, err := w.Write(f.data); err != nil {
				return nil, err
			}
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// parents are the directories above a path, from the top.
func parents(p string) (above []string) {
	for d := path.Dir(p); d != "."; d = path.Dir(d) {
		above = append(above, d)
	}
	slices.Reverse(above)
	return above
}

func compressed(data []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf) // its header has neither name nor time
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err := w.Close()
	return buf.Bytes(), err
}

func (t tree) zip(at time.Time) ([]byte, error) {
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for _, p := range t.paths() {
		h := &zip.FileHeader{Name: p, Method: zip.Deflate, Modified: at}
		h.SetMode(fs.FileMode(t[p].perm())) //nolint:gosec // nine bits
		f, err := w.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(t[p].data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return buf.Bytes(), err
}

// documents are manual pages, and completions for every shell, of pachctl.
func documents(ctx context.Context, r *release) (tree, error) {
	t := tree{}
	pages, err := filepath.Abs(filepath.Join(r.work, "man"))
	if err != nil {
		return nil, err
	}
	env := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.time.Unix(), 10)}
	if _, err := output(ctx, env, "go", "test", "-count=1", "./internal/cli", "-run", "^TestManualPages$", "-man", pages); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(pages, "*.1"))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := t.add("man/man1/"+filepath.Base(f), f); err != nil {
			return nil, err
		}
	}
	if err := t.add("man/man8/pachd.8", "deploy/debian/pachd.8"); err != nil {
		return nil, err
	}
	for shell, name := range map[string]string{"bash": "pachctl", "zsh": "_pachctl", "fish": "pachctl.fish", "powershell": "pachctl.ps1"} {
		script, err := output(ctx, nil, "go", "run", "./cmd/pachctl", "completion", shell)
		if err != nil {
			return nil, err
		}
		t["completion/"+shell+"/"+name] = file{data: []byte(script + "\n")}
	}
	return t, nil
}

// makeArchives makes an archive of each program for each platform, and an SBOM.
func makeArchives(ctx context.Context, r *release, platforms []platform) error {
	for _, p := range platforms {
		for _, program := range []string{"pachctl", "pachd"} {
			name := program + "_" + r.version + "_" + p.name()
			t, err := contents(r, p, program, name)
			if err != nil {
				return err
			}
			if err := r.archive(t, name, p.os); err != nil {
				return err
			}
			sbom, err := r.components(ctx, p.files[program])
			if err != nil {
				return err
			}
			if err := r.write(name+".cdx.json", sbom); err != nil {
				return err
			}
		}
	}
	return nil
}

// contents are what is in the archive of a program, in a folder.
func contents(r *release, p platform, program, folder string) (tree, error) {
	t := tree{}
	if err := t.program(folder+"/"+filepath.Base(p.files[program]), p.files[program]); err != nil {
		return nil, err
	}
	for to, from := range extras(program, p.os) {
		if err := t.add(folder+"/"+to, from); err != nil {
			return nil, err
		}
	}
	for doc, f := range r.documents {
		if isOf := strings.HasPrefix(path.Base(doc), "pachd"); isOf == (program == "pachd") {
			t[folder+"/"+doc] = f
		}
	}
	return t, nil
}

// extras are files of the repository that an archive has beside the program.
func extras(program, system string) map[string]string {
	files := map[string]string{"LICENSE": "LICENSE", "CHANGELOG.md": "CHANGELOG.md"}
	if program == "pachd" {
		files["pachd.yaml"] = "deploy/systemd/pachd.yaml"
		if system == "linux" {
			files["pachd.service"] = "deploy/systemd/pachd.service"
			files["pachd.sysusers"] = "deploy/systemd/pachd.sysusers"
		}
	}
	return files
}

func (r *release) archive(t tree, name, system string) error {
	if system == "windows" {
		data, err := t.zip(r.time)
		if err != nil {
			return err
		}
		return r.write(name+".zip", data)
	}
	data, err := t.tarball("", r.time)
	if err == nil {
		data, err = compressed(data)
	}
	if err != nil {
		return err
	}
	return r.write(name+".tar.gz", data)
}
