package datadir

import (
	"errors"
	"os"
	"path/filepath"

	"pachyderm/internal/fault"
)

// Lock keeps a second pachd off the directory: each would decide by its own
// memory of who may do what. The lock ends with the file that is returned.
func Lock(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.New(fault.Precondition, "cannot make the data directory %s", dir).
			Next("set --data-dir to one that pachd may write").Because(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "pachd.lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, fault.New(fault.Precondition, "cannot write the data directory %s", dir).
			Next("set --data-dir to one that pachd may write").Because(err)
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(
			fault.New(fault.Precondition, "another pachd is running on the data directory %s", dir).
				Next("stop it, or set --data-dir to another one"), f.Close())
	}
	return f, nil
}
