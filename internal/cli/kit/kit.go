package kit

import (
	"fmt"
	"io"
	"time"
)

// Kit is the world as the commands see it. Printf, Notef and Table clean what they are
// given; what a command writes to Stdout and Stderr itself goes out as it is, such as the
// bytes of files.
type Kit struct {
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	Getenv func(string) string
	Now    func() time.Time
	// RPCTimeout bounds what a command asks of pachd; 0 means no limit.
	RPCTimeout time.Duration
}

// Printf prints the result of a command. The format is ours. What it is filled in with may
// be a stranger's: it steers no terminal, and begins no line unless it is Lines.
func (k *Kit) Printf(format string, a ...any) {
	clean(a)
	_, _ = fmt.Fprintf(k.Stdout, format, a...)
}

// Notef says something beside the result, with the care of Printf.
func (k *Kit) Notef(format string, a ...any) {
	clean(a)
	_, _ = fmt.Fprintf(k.Stderr, format, a...)
}
