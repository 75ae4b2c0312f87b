package secret

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"pachyderm/internal/fault"
)

// maxFile is far more than any secret is long.
const maxFile = 64 << 10

// maxNamed is far more than any file with certificates or metadata is long.
const maxNamed = 8 << 20

// References reads secrets from the environment and from files, for those who
// may name them but may not see them. Where they are sent is their choice, so
// what they can name is bounded.
type References struct {
	Environ map[string]Text
	Names   []string // of Environ, or patterns of path.Match; without one none may be named
	Folders []string // that files must be in; without one none may be named
	// Declared are more folders, for what pachd's configuration declares.
	Declared []string
	// Never are files and folders that hold what nobody may name: pachd's own
	// keys, and those that the platform gives it. Of one in the other the inner
	// counts, so that a folder for secrets can be in the data directory.
	Never []string
}

// certificates are folders of what is public, for keys that name certificates.
func certificates() []string {
	return []string{"/etc/ssl", "/etc/pki", "/etc/pachyderm", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"}
}

// ForDeclared are the references of what pachd's configuration declares.
func (r References) ForDeclared() *References {
	r.Folders = slices.Concat(r.Folders, r.Declared)
	return &r
}

// Env is the value of an environment variable. Fault: Invalid.
func (r References) Env(name string) (string, error) {
	value, ok := r.Environ[name]
	switch {
	case !slices.ContainsFunc(r.Names, func(pattern string) bool { ok, err := path.Match(pattern, name); return ok && err == nil }):
		return "", fault.New(fault.Invalid, "the environment variable %s may not be used", name).
			Next("add it to secrets.allowEnv of pachd's configuration")
	case !ok:
		return "", fault.New(fault.Invalid, "pachd has no environment variable %s, or one that is its own", name).
			Next("set it where pachd runs and start pachd again")
	}
	return strings.TrimRight(value.Reveal(), "\r\n"), nil
}

// locate follows links and judges the place that they lead to. Whether there is
// a file in a place that nobody may name, it does not tell. Fault: Invalid.
func (r References) locate(path string, folders []string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	switch {
	case err != nil && depth(path, folders) > depth(path, r.Never):
		return "", fault.New(fault.Invalid, "pachd cannot read the file %s", path).
			Next("check that it is there, where pachd runs, and who may read it").Because(err)
	case err != nil || depth(target, folders) <= depth(target, r.Never):
		return "", fault.New(fault.Invalid, "the file %s may not be used, or is not there", path).
			Next("put it into one of the folders that secrets.allowFiles of pachd's configuration names: %s", strings.Join(r.Folders, ", "))
	}
	return target, nil
}

// File is the content of a file, without the line's end. Fault: Invalid.
func (r References) File(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fault.New(fault.Invalid, "%s is not an absolute path", path).
			Next("write one such as /run/secrets/client-secret")
	}
	target, err := r.locate(path, r.Folders)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(target)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return "", fault.New(fault.Invalid, "%s is not a file of at most %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(target) //nolint:gosec // locate has judged the place
	if err != nil {
		return "", fault.New(fault.Invalid, "pachd cannot read the file %s", path).
			Next("check that it is there, where pachd runs, and who may read it").Because(err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// Check refuses a file that nobody may name, for those who read it themselves
// and keep what it holds, such as a CA's certificate: those may be among the
// system's certificates too. Fault: Invalid.
func (r References) Check(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	target, err := r.locate(path, append(certificates(), r.Folders...))
	if err != nil {
		return err
	}
	if info, err := os.Stat(target); err == nil && (!info.Mode().IsRegular() || info.Size() > maxNamed) {
		return fault.New(fault.Invalid, "%s is not a file of at most %d bytes", path, maxNamed)
	}
	return nil
}

// depth is how many folders deep the innermost of some places is that a path is
// in, or 0 if it is in none.
func depth(path string, places []string) (deepest int) {
	for _, place := range places {
		if place == "" {
			continue
		}
		if whole, err := filepath.Abs(place); err == nil {
			place = whole
		}
		if target, err := filepath.EvalSymlinks(place); err == nil {
			place = target
		}
		if rel, err := filepath.Rel(place, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			deepest = max(deepest, 1+strings.Count(strings.TrimSuffix(place, "/"), "/"))
		}
	}
	return deepest
}
