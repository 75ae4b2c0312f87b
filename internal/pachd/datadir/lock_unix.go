//go:build unix

package datadir

import (
	"os"
	"syscall"
)

// lock fails when another process has locked the file; the lock ends with this one.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
