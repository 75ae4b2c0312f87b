package main

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the format's checksums, which are for accidents
	"fmt"
	"path"
	"strings"
	"time"
)

// debianArch are Debian's names for architectures.
var debianArch = map[string]string{"amd64": "amd64", "arm64": "arm64"}

const (
	unitFile   = "usr/lib/systemd/system/pachd.service"
	configFile = "etc/pachyderm/pachd.yaml"
)

// debianVersion sorts as the version does: before a release comes what leads to it.
func debianVersion(v string) string { return strings.Replace(v, "-", "~", 1) }

// makePackages makes a package for Debian (deb(5)) for each architecture of Linux.
func makePackages(_ context.Context, r *release, platforms []platform) error {
	for _, p := range platforms {
		arch, ok := debianArch[p.arch]
		if p.os != "linux" || !ok {
			continue
		}
		data, err := packaged(r, p)
		if err != nil {
			return err
		}
		control, err := control(r.version, arch, data)
		if err != nil {
			return err
		}
		deb, err := deb(control, data, r.time)
		if err != nil {
			return err
		}
		if err := r.write("pachyderm_"+debianVersion(r.version)+"_"+arch+".deb", deb); err != nil {
			return err
		}
	}
	return nil
}

// packaged are the files that a package installs.
func packaged(r *release, p platform) (tree, error) {
	t := tree{}
	for _, program := range []string{"pachd", "pachctl"} {
		if err := t.program("usr/bin/"+program, p.files[program]); err != nil {
			return nil, err
		}
	}
	for to, from := range map[string]string{
		unitFile: "deploy/systemd/pachd.service", "usr/lib/sysusers.d/pachd.conf": "deploy/systemd/pachd.sysusers",
		configFile: "deploy/systemd/pachd.yaml", "usr/share/doc/pachyderm/copyright": "deploy/debian/copyright",
		"usr/share/doc/pachyderm/changelog": "CHANGELOG.md",
	} {
		if err := t.add(to, from); err != nil {
			return nil, err
		}
	}
	if err := t.gzip("usr/share/doc/pachyderm/changelog"); err != nil {
		return nil, err
	}
	shells := map[string]string{
		"bash": "usr/share/bash-completion/completions", "zsh": "usr/share/zsh/vendor-completions", "fish": "usr/share/fish/vendor_completions.d",
	}
	for doc, f := range r.documents {
		name := path.Base(doc)
		if strings.HasPrefix(doc, "man/") {
			t["usr/share/"+doc] = f
			if err := t.gzip("usr/share/" + doc); err != nil {
				return nil, err
			}
		} else if dir, ok := shells[path.Base(path.Dir(doc))]; ok {
			t[dir+"/"+name] = f
		}
	}
	return t, nil
}

// gzip compresses a file where it is, as Debian wants it of documents.
func (t tree) gzip(p string) error {
	data, err := compressed(t[p].data)
	delete(t, p)
	t[p+".gz"] = file{data: data}
	return err
}

// control is what dpkg reads before it installs.
func control(version, arch string, data tree) (tree, error) {
	var size int
	var sums strings.Builder
	for _, p := range data.paths() {
		size += len(data[p].data)
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(data[p].data), p) //nolint:gosec // as above
	}
	t := tree{
		"control": {data: fmt.Appendf(nil, `Package: pachyderm
Version: %s
Architecture: %s
Maintainer: Pachyderm maintainers <maintainers@users.noreply.github.com>
Installed-Size: %d
Depends: systemd | systemd-standalone-sysusers
Recommends: ca-certificates
Suggests: postgresql
Section: net
Priority: optional
Homepage: https://github.com/pachyderm/pachyderm
Description: Pachyderm's server and command line
 pachd signs people and programs in, by the identity provider that an
 organisation already has, and decides what they may do. pachctl is its
 command line.
`, debianVersion(version), arch, (size+1023)/1024)},
		"conffiles": {data: []byte("/" + configFile + "\n")},
		"md5sums":   {data: []byte(sums.String())},
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		if err := t.program(script, "deploy/debian/"+script); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// deb puts the two parts of a package into an archive (ar(5)).
func deb(control, data tree, at time.Time) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteString("!<arch>\n")
	member := func(name string, data []byte) {
		fmt.Fprintf(&buf, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", name, at.Unix(), 0, 0, "100644", len(data))
		buf.Write(data)
		if len(data)%2 == 1 {
			buf.WriteByte('\n')
		}
	}
	member("debian-binary", []byte("2.0\n"))
	for _, part := range []struct {
		name string
		tree tree
	}{{"control.tar.gz", control}, {"data.tar.gz", data}} {
		text, err := part.tree.tarball("./", at)
		if err == nil {
			text, err = compressed(text)
		}
		if err != nil {
			return nil, err
		}
		member(part.name, text)
	}
	return buf.Bytes(), nil
}
