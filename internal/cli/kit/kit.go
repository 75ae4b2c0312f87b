package kit

import (
	"fmt"
	"io"
	"time"
)

// Kit is the world as the commands see it.
type Kit struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Now    func() time.Time
	// RPCTimeout bounds what a command asks of pachd; 0 means no limit.
	RPCTimeout time.Duration
}

// Printf prints the result of a command.
func (k *Kit) Printf(format string, a ...any) {
	_, _ = fmt.Fprintf(k.Stdout, format, a...)
}

// Notef says something beside the result.
func (k *Kit) Notef(format string, a ...any) {
	_, _ = fmt.Fprintf(k.Stderr, format, a...)
}
