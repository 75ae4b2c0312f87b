package dbtest

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
	"testing"
)

// Counter is between a program and PostgreSQL, and counts what the server says that
// it has done (PostgreSQL's frontend/backend protocol, 55.7).
type Counter struct {
	transactions, statements atomic.Int64
}

// NewCounter returns the URL that leads through a counter to the database. The URL
// has sslmode=disable, as those of PostgresURL have.
func NewCounter(t testing.TB, databaseURL string) (c *Counter, through string) {
	t.Helper()
	c = &Counter{}
	return c, relay(t, databaseURL, func(near, far net.Conn) {
		go func() {
			defer func() { _ = far.Close() }()
			_, _ = io.Copy(far, near)
		}()
		go func() {
			defer func() { _ = near.Close() }()
			c.count(far, near)
		}()
	})
}

// Counts are the transactions that have ended so far, those of a statement outside
// of BEGIN among them, and the statements, with each BEGIN, COMMIT and ROLLBACK.
func (c *Counter) Counts() (transactions, statements int64) {
	return c.transactions.Load(), c.statements.Load()
}

// count hands on what a server says, and hears when statements and transactions end.
func (c *Counter) count(server io.Reader, to io.Writer) {
	const commandComplete, errorResponse, readyForQuery, idle = 'C', 'E', 'Z', 'I'
	in := bufio.NewReader(server)
	did := false
	for {
		head, err := in.Peek(5) // the type, and the length of all but the type
		if err != nil {
			return
		}
		kind, length := head[0], int64(binary.BigEndian.Uint32(head[1:]))
		switch kind {
		case commandComplete, errorResponse:
			c.statements.Add(1)
			did = true
		case readyForQuery:
			if message, err := in.Peek(6); err == nil && message[5] == idle && did {
				c.transactions.Add(1)
				did = false
			}
		}
		if _, err := io.CopyN(to, in, 1+length); err != nil {
			return
		}
	}
}
