package datadir

import (
	"os"

	"golang.org/x/sys/windows"
)

// lock fails when another process has locked the file; the lock ends with this one.
func lock(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{})
}
