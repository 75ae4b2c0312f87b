//go:build unix

package dir

import (
	"errors"
	"os"
)

// syncFolder has what was renamed in a folder outlive a power cut.
func syncFolder(path string) error {
	f, err := os.Open(path) //nolint:gosec // a folder of the store's own
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
