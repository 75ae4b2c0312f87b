package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/version"
)

// commit is what the release is made from.
type commit struct {
	revision string
	version  string    // 2.13.4, or 2.13.5-dev.12.g0123abc on the way from there to the next
	time     time.Time // of the commit, or SOURCE_DATE_EPOCH: all files of the release have it
}

// platform is what was built for one.
type platform struct {
	os, arch string
	files    map[string]string // of the binaries, by pachd and pachctl
}

func (p platform) name() string { return p.os + "_" + p.arch }

// output runs a program in the root of the repository and returns what it prints.
func output(ctx context.Context, env []string, name string, args ...string) (string, error) {
	c := exec.CommandContext(ctx, name, args...) //nolint:gosec // git, go and the program that the caller chose
	c.Env = append(os.Environ(), env...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

func checkedOut(ctx context.Context) (commit, error) {
	own := version.Current()
	series := fmt.Sprintf("v%d.%d", own.GetMajor(), own.GetMinor())
	git := func(args ...string) (string, error) { return output(ctx, nil, "git", args...) }
	described, err := git("describe", "--always", "--long", "--abbrev=7", "--dirty", "--match", series+".*")
	if err != nil {
		return commit{}, err
	}
	commits, err := git("rev-list", "--count", "HEAD")
	if err != nil {
		return commit{}, err
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH") //nolint:forbidigo // reproducible-builds.org/docs/source-date-epoch
	if epoch == "" {
		if epoch, err = git("log", "-1", "--format=%ct"); err != nil {
			return commit{}, err
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return commit{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	revision, err := git("rev-parse", "HEAD")
	if err != nil {
		return commit{}, err
	}
	name, err := versionOf(described, commits, series)
	return commit{revision: revision, version: name, time: time.Unix(seconds, 0).UTC()}, err
}

var tagged = regexp.MustCompile(`^v(\d+\.\d+\.)(\d+)(-[0-9A-Za-z.]+)?-(\d+)-(g[0-9a-f]+)(-dirty)?$`)

// versionOf makes a version (semver.org) of what git describe says: the tag's, or on
// the way to the next release one that is lower than that and higher than the last.
// Without a tag it is on the way to the first of the series.
func versionOf(described, commits, series string) (string, error) {
	if !strings.HasPrefix(described, "v") {
		hash, isDirty := strings.CutSuffix(described, "-dirty")
		return series[1:] + ".0-dev." + commits + ".g" + hash + dirty(isDirty), nil
	}
	m := tagged.FindStringSubmatch(described)
	if m == nil {
		return "", fmt.Errorf("the tag of %s is no version: name it as %s.4 or %s.4-rc.1", described, series, series)
	}
	base, micro, pre, since, hash, isDirty := m[1], m[2], m[3], m[4], m[5], m[6] != ""
	switch {
	case since == "0" && !isDirty:
		return base + micro + pre, nil
	case pre != "":
		return base + micro + pre + ".dev." + since + "." + hash + dirty(isDirty), nil
	}
	n, err := strconv.Atoi(micro)
	if err != nil {
		return "", err
	}
	return base + strconv.Itoa(n+1) + "-dev." + since + "." + hash + dirty(isDirty), nil
}

func dirty(is bool) string {
	if is {
		return ".dirty"
	}
	return ""
}

// build builds both programs for a platform, such as linux/arm64.
func build(ctx context.Context, r *release, name string) (platform, error) {
	system, arch, ok := strings.Cut(name, "/")
	if !ok {
		return platform{}, fmt.Errorf("%q is no platform: write it as linux/amd64", name)
	}
	p := platform{os: system, arch: arch, files: map[string]string{}}
	dir := filepath.Join(r.work, p.name())
	// Whatever the builder has set for other builds does not show in these.
	env := []string{
		"GOOS=" + system, "GOARCH=" + arch, "CGO_ENABLED=0", "GOFLAGS=", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off",
	}
	stamp := "-X pachyderm/internal/version.release=" + r.version
	if _, err := output(ctx, env, "go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags", stamp,
		"-o", dir+string(filepath.Separator), "./cmd/pachd", "./cmd/pachctl"); err != nil {
		return platform{}, err
	}
	for _, program := range []string{"pachd", "pachctl"} {
		p.files[program] = filepath.Join(dir, program+map[bool]string{true: ".exe"}[system == "windows"])
	}
	return p, nil
}

// components lists the modules that a binary is made of (CycloneDX), from what the Go
// toolchain has written into it. The digest of the program that lists them is left
// out: it says on which machine that was built.
func (r *release) components(ctx context.Context, binary string) ([]byte, error) {
	out, err := output(ctx, nil, r.sbom, "bin", "-json", "-noserial", "-notimestamp", "-std", "-version", "v"+r.version, binary)
	if err != nil {
		return nil, err
	}
	var bom map[string]any
	if err := json.Unmarshal([]byte(out), &bom); err != nil {
		return nil, err
	}
	metadata, _ := bom["metadata"].(map[string]any)
	tools, _ := metadata["tools"].([]any)
	for _, tool := range tools {
		if of, ok := tool.(map[string]any); ok {
			delete(of, "hashes")
		}
	}
	return json.MarshalIndent(bom, "", " ")
}
