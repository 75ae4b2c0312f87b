package secret

import (
	"os"
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
	Names   []string // of Environ; any if empty
	Folders []string // that files must be in; any if empty
	// Never are files and folders that hold what nobody may name: pachd's own
	// keys, and those that the platform gives it.
	Never []string
}

// Env is the value of an environment variable. Fault: Invalid.
func (r References) Env(name string) (string, error) {
	value, ok := r.Environ[name]
	switch {
	case len(r.Names) > 0 && !slices.Contains(r.Names, name):
		return "", fault.New(fault.Invalid, "the environment variable %s may not be used", name).
			Next("add it to connectors.secretEnv of pachd's configuration")
	case !ok:
		return "", fault.New(fault.Invalid, "pachd has no environment variable %s, or one that is its own", name).
			Next("set it where pachd runs and start pachd again")
	}
	return strings.TrimRight(value.Reveal(), "\r\n"), nil
}

// File is the content of a file, without the line's end. Links are followed
// before the place is judged. Fault: Invalid.
func (r References) File(path string) (string, error) {
	if !filepath.IsAbs(path) {
		return "", fault.New(fault.Invalid, "%s is not an absolute path", path).
			Next("write one such as /run/secrets/client-secret")
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fault.New(fault.Invalid, "pachd cannot read the file %s", path).
			Next("check that it is there, where pachd runs, and who may read it").Because(err)
	}
	if within(target, r.Never) || len(r.Folders) > 0 && !within(target, r.Folders) {
		return "", fault.New(fault.Invalid, "the file %s may not be used", path).
			Next("put secrets into a folder of their own, and if connectors.secretFolders is set in pachd's configuration, into one of those")
	}
	info, err := os.Stat(target)
	if err == nil && (!info.Mode().IsRegular() || info.Size() > maxFile) {
		return "", fault.New(fault.Invalid, "%s is not a file of at most %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(target)
	if err != nil {
		return "", fault.New(fault.Invalid, "pachd cannot read the file %s", path).
			Next("check that it is there, where pachd runs, and who may read it").Because(err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

// Check refuses a file that nobody may name, for those who read it themselves
// and keep what it holds, such as a CA's certificate. One that is not there is
// left for them to miss. Fault: Invalid.
func (r References) Check(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil //nolint:nilerr // whoever reads it says so
	}
	if within(target, r.Never) {
		return fault.New(fault.Invalid, "the file %s may not be used: it is pachd's own, or the platform's", path)
	}
	if info, err := os.Stat(target); err == nil && (!info.Mode().IsRegular() || info.Size() > maxNamed) {
		return fault.New(fault.Invalid, "%s is not a file of at most %d bytes", path, maxNamed)
	}
	return nil
}

func within(path string, places []string) bool {
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
			return true
		}
	}
	return false
}
