//go:build unix

package secret

import (
	"io/fs"
	"os"
	"slices"
	"syscall"

	"pachyderm/internal/fault"
)

// checkOwner refuses what others than pachd and root may have read or written.
func checkOwner(what, path string, info fs.FileInfo) error {
	owner, known := info.Sys().(*syscall.Stat_t)
	if perm := info.Mode().Perm(); perm&0o077 != 0 && (!known || perm&0o037 != 0 || !givenToGroup(owner)) {
		return fault.New(fault.Precondition, "the %s %s can be read or written by others", what, path).
			Next("replace it if others may have, and chmod 600 it")
	}
	if known && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fault.New(fault.Precondition, "the %s %s belongs to another user, with id %d", what, path, owner.Uid).
			Next("see who put it there, and remove it or chown it to the user that pachd runs as")
	}
	return nil
}

// givenToGroup reports whether root has given a file to a group that we are in, or kept
// it for its own and let us alone read it by an access control list, which shows as the
// mode 0440. Kubernetes does the one with Secrets for a pod with an fsGroup, systemd the
// other with credentials.
func givenToGroup(file *syscall.Stat_t) bool {
	groups, err := os.Getgroups()
	return err == nil && file.Uid == 0 && (file.Gid == 0 || int(file.Gid) == os.Getegid() || slices.Contains(groups, int(file.Gid)))
}

// syncDir has a rename in a directory outlive a crash.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		_ = d.Close()
		return err
	}
	return d.Close()
}

// lockDir waits until nobody else has locked the directory. The lock ends with the
// process, too.
func lockDir(dir string) (free func(), err error) {
	d, err := os.Open(dir) //nolint:gosec // the operator names the directory
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		_ = d.Close()
		return nil, err
	}
	return func() { _ = d.Close() }, nil
}
