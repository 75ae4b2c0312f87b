package dial

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// limitUnanswered sets TCP_USER_TIMEOUT (tcp(7)).
func limitUnanswered(c syscall.RawConn, limit time.Duration) (err error) {
	failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit/time.Millisecond))
	})
	return errors.Join(failed, err)
}
