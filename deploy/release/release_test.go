//go:build cluster

package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newRelease is one with the binaries of this machine; the tests run in the root of
// the repository.
func newRelease(t *testing.T) (*release, platform) {
	t.Helper()
	r := &release{dir: t.TempDir(), work: t.TempDir(), sbom: ".tools/cyclonedx-gomod-1.10.0"}
	r.version, r.revision, r.time = "2.13.4-rc.1", "0123456789abcdef", time.Unix(1_800_000_000, 0).UTC()
	p := platform{os: "linux", arch: runtime.GOARCH, files: map[string]string{}}
	for _, program := range []string{"pachd", "pachctl"} {
		p.files[program] = filepath.Join(r.work, program)
	}
	c := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X pachyderm/internal/version.release="+r.version, "-o", r.work+"/", "./cmd/pachd", "./cmd/pachctl")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return r, p
}

// made is a release of all kinds, for this machine.
func made(t *testing.T, r *release, platforms ...platform) map[string]string {
	t.Helper()
	for kind, maker := range makers {
		if err := maker(t.Context(), r, platforms); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
	}
	if err := sums(r.dir); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	text, err := os.ReadFile(filepath.Join(r.dir, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		all[name] = sum
	}
	return all
}

func TestRelease(t *testing.T) {
	t.Chdir("../..")
	r, p := newRelease(t)
	var err error
	if r.documents, err = documents(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	windows := p // the form of the archive is the system's, whatever is in it
	windows.os = "windows"
	all := made(t, r, p, windows)
	arch := runtime.GOARCH

	t.Run("same bytes at another time and place", func(t *testing.T) {
		again := *r
		again.dir, again.work = t.TempDir(), t.TempDir()
		again.documents, err = documents(t.Context(), &again)
		if err != nil {
			t.Fatal(err)
		}
		moved := platform{os: p.os, arch: p.arch, files: map[string]string{}}
		for program, from := range p.files {
			to := filepath.Join(again.work, program)
			if err := os.Link(from, to); err != nil {
				t.Fatal(err)
			}
			if err := os.Chtimes(to, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(to, 0o700); err != nil {
				t.Fatal(err)
			}
			moved.files[program] = to
		}
		moved2 := moved
		moved2.os = "windows"
		if diff := cmp.Diff(all, made(t, &again, moved, moved2)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("checksums of all files", func(t *testing.T) {
		command(t, r.dir, "sha256sum", "-c", "--strict", "SHA256SUMS")
		entries, err := os.ReadDir(r.dir)
		if err != nil || len(entries) != len(all)+1 || len(all) != 11 {
			t.Errorf("%d sums of %v, %v", len(all), entries, err)
		}
	})
	t.Run("archives hold what runs", func(t *testing.T) {
		dir := t.TempDir()
		name := "pachctl_" + r.version + "_linux_" + arch
		command(t, dir, "tar", "xzf", filepath.Join(r.dir, name+".tar.gz"))
		if out := command(t, dir, "./"+name+"/pachctl", "version", "--client-only"); !strings.Contains(out, r.version) {
			t.Errorf("it is %s", out)
		}
		if out := command(t, dir, "man", "-l", name+"/man/man1/pachctl-auth-login.1"); !strings.Contains(out, "pachctl auth login") {
			t.Errorf("the manual page: %s", out)
		}
		command(t, dir, "bash", "-n", name+"/completion/bash/pachctl")
		name = "pachd_" + r.version + "_linux_" + arch
		command(t, dir, "tar", "xzf", filepath.Join(r.dir, name+".tar.gz"))
		if out := command(t, dir, "./"+name+"/pachd", "--version"); out != r.version+"\n" {
			t.Errorf("pachd is %s", out)
		}
		if out := command(t, dir, "./"+name+"/pachd", "config", "check", name+"/pachd.yaml"); out == "" {
			t.Error("the configuration is not read")
		}
	})
	t.Run("the package", func(t *testing.T) { checkPackage(t, r, arch) })
	t.Run("the image's files are named by what they are", func(t *testing.T) {
		dir := t.TempDir()
		command(t, dir, "tar", "xf", filepath.Join(r.dir, "pachd_"+r.version+"_image.tar"))
		blobs := filepath.Join(dir, "blobs", "sha256")
		entries, err := os.ReadDir(blobs)
		if err != nil || len(entries) < 6 {
			t.Fatalf("%d blobs, %v", len(entries), err)
		}
		for _, e := range entries {
			if out := command(t, blobs, "sha256sum", e.Name()); !strings.HasPrefix(out, e.Name()) {
				t.Errorf("%s is another: %s", e.Name(), out)
			}
		}
	})
	t.Run("the chart takes its image", func(t *testing.T) {
		out := command(t, ".", ".tools/helm-3.22.0", "template", "pachyderm", filepath.Join(r.dir, "pachyderm-"+r.version+".tgz"))
		if !strings.Contains(out, `image: "`+repository+":"+r.version+`"`) {
			t.Errorf("another: %s", regexp.MustCompile("image: .*").FindString(out))
		}
	})
	t.Run("SBOMs list what is linked", func(t *testing.T) { checkSBOM(t, r, p) })
}

func checkPackage(t *testing.T, r *release, arch string) {
	file := filepath.Join(r.dir, "pachyderm_"+debianVersion(r.version)+"_"+debianArch[arch]+".deb")
	if got := command(t, ".", "dpkg-deb", "-f", file, "Version"); got != "2.13.4~rc.1\n" {
		t.Errorf("the version is %s", got)
	}
	dir := t.TempDir()
	command(t, ".", "dpkg-deb", "-R", file, dir)
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		command(t, dir, "sh", "-n", "DEBIAN/"+script)
	}
	command(t, dir, "md5sum", "-c", "--strict", "DEBIAN/md5sums")
	var got []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && !d.IsDir() && !strings.Contains(name, "man1/pachctl-") {
			got = append(got, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"DEBIAN/conffiles", "DEBIAN/control", "DEBIAN/md5sums", "DEBIAN/postinst", "DEBIAN/postrm", "DEBIAN/prerm",
		"etc/pachyderm/pachd.yaml", "usr/bin/pachctl", "usr/bin/pachd", "usr/lib/systemd/system/pachd.service", "usr/lib/sysusers.d/pachd.conf",
		"usr/share/bash-completion/completions/pachctl", "usr/share/doc/pachyderm/changelog.gz", "usr/share/doc/pachyderm/copyright",
		"usr/share/fish/vendor_completions.d/pachctl.fish", "usr/share/man/man1/pachctl.1.gz", "usr/share/man/man8/pachd.8.gz",
		"usr/share/zsh/vendor-completions/_pachctl",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func checkSBOM(t *testing.T, r *release, p platform) {
	text, err := os.ReadFile(filepath.Join(r.dir, "pachd_"+r.version+"_"+p.name()+".cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	listed := map[string]string{}
	for _, c := range bom.Components {
		listed[c.Name] = c.Version
	}
	linked := regexp.MustCompile(`(?m)^\tdep\t(\S+)\t(\S+)`).FindAllStringSubmatch(command(t, ".", "go", "version", "-m", p.files["pachd"]), -1)
	if len(linked) < 50 {
		t.Errorf("%d modules are linked", len(linked))
	}
	for _, module := range linked {
		if listed[module[1]] != module[2] {
			t.Errorf("%s %s is listed as %q", module[1], module[2], listed[module[1]])
		}
	}
}
