// Release makes what a release consists of, from the commit that is checked out:
//
//	go run ./deploy/release [-dir dist] [-platforms OS/ARCH,...] -sbom PROGRAM [archives] [deb] [image] [chart]
//
// Archives of pachd and pachctl with what belongs to them, packages for Debian, an
// image for containers, the chart, an SBOM for each binary and SHA256SUMS. The same
// commit and the same version of Go make the same bytes, anywhere and at any time.
// No container engine and no packaging tool is needed.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const everywhere = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64,windows/amd64,windows/arm64"

// release is one that is being made.
type release struct {
	dir  string // what is made goes here
	work string // what is needed for it
	sbom string // the program cyclonedx-gomod
	commit
	documents tree // manual pages and completions, as they lie in a package
}

// makers make one kind of thing of the binaries of every platform.
var makers = map[string]func(context.Context, *release, []platform) error{
	"archives": makeArchives, "deb": makePackages, "image": makeImage, "chart": makeChart,
}

func main() {
	dir := flag.String("dir", "dist", "where to put it")
	platforms := flag.String("platforms", everywhere, "which platforms to make it for")
	sbom := flag.String("sbom", "cyclonedx-gomod", "the program that lists what binaries are made of")
	flag.Parse()
	if err := run(context.Background(), *dir, *platforms, *sbom, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, dir, platforms, sbom string, kinds []string) error {
	if len(kinds) == 0 {
		kinds = []string{"archives", "deb", "image", "chart"}
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	r := &release{dir: dir, work: work, sbom: sbom}
	if r.commit, err = checkedOut(ctx); err != nil {
		return err
	}
	if slices.Contains(kinds, "archives") || slices.Contains(kinds, "deb") {
		if r.documents, err = documents(ctx, r); err != nil {
			return err
		}
	}
	var all []platform
	for name := range strings.SplitSeq(platforms, ",") {
		p, err := build(ctx, r, name)
		if err != nil {
			return err
		}
		all = append(all, p)
	}
	for _, kind := range kinds {
		maker, ok := makers[kind]
		if !ok {
			return fmt.Errorf("%q is nothing that can be made: choose from archives, deb, image, chart", kind)
		}
		if err := maker(ctx, r, all); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return sums(dir)
}

// write puts one file into the release.
func (r *release) write(name string, data []byte) error {
	return os.WriteFile(filepath.Join(r.dir, name), data, 0o644) //nolint:gosec // it is to be published
}

// sums writes SHA256SUMS of all that is there, for sha256sum -c.
func sums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name())) //nolint:gosec // which we have written
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, f)
		_ = f.Close()
		if err != nil {
			return err
		}
		lines = append(lines, hex.EncodeToString(h.Sum(nil))+"  "+e.Name()+"\n")
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644) //nolint:gosec // as above
}
