package dial

import (
	"net"
	"strings"
	"syscall"
	"time"
)

const (
	// within is how long a connection to PostgreSQL may take to be made.
	within = 3 * time.Second
	// unansweredFor is how long what was sent may wait to be acknowledged, before a
	// connection is given up: the kernel alone would try for a quarter of an hour.
	unansweredFor = 10 * time.Second
)

// Dialer finds out by itself that the network to the server is gone.
func Dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         within,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 2},
		Control: func(network, _ string, c syscall.RawConn) error {
			if !strings.HasPrefix(network, "tcp") {
				return nil
			}
			return limitUnanswered(c, unansweredFor)
		},
	}
}
