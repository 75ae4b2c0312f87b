package db

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"pachyderm/internal/fault"
)

const (
	// quietFor is how long nothing may come before the server is asked for a sign of
	// life, and answersWithin how long it may take: a network that drops everything
	// looks like silence.
	quietFor      = 200 * time.Millisecond
	answersWithin = 250 * time.Millisecond
	// connectedWithin is how long a connection may take to begin to listen.
	connectedWithin = 2 * time.Second
	// provenFor is how long it is believed that what is written is heard here, and
	// heardWithin how long that may take.
	provenFor   = 5 * time.Second
	heardWithin = 2 * time.Second
)

// proof is the topic of what is only said to be heard by whoever said it.
const proof = "proof"

// listener is what an engine's listen works with.
type listener struct {
	// ready is called once changes are received, and receive for each.
	ready   func()
	receive func(payload string)
	// say announces a payload to all replicas, as a change of ours would.
	say func(ctx context.Context, payload string) error
}

// ear is a connection that listens, and what it has still to hear.
type ear struct {
	listener
	conn *pgx.Conn
	// expected is what was said, or is about to be, to be heard here; empty while
	// nothing is. It was said at saidAt, unless that is zero.
	expected string
	saidAt   time.Time
	said     chan error
	proven   time.Time // last; zero: never
}

// listen uses a connection of its own, and proves again and again that it hears
// what others write: with a pooler in between LISTEN is taken, and nothing comes.
func (e postgresEngine) listen(ctx context.Context, l listener) error {
	config := e.direct.Copy()
	if err := e.beforeConnect(ctx, config); err != nil {
		return err
	}
	connecting, cancel := context.WithTimeout(ctx, connectedWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(connecting, config)
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), answersWithin)
		defer cancel()
		_ = conn.Close(closing)
	}()
	if _, err := conn.Exec(connecting, "LISTEN "+channel); err != nil {
		return err
	}
	x := &ear{listener: l, conn: conn, said: make(chan error, 1)}
	x.prove(ctx)
	for {
		if err := x.hear(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if err := x.checkProof(ctx); err != nil {
			return err
		}
	}
}

// hear waits for one notification, or for a sign of life.
func (x *ear) hear(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, quietFor)
	defer cancel()
	n, err := x.conn.WaitForNotification(wait)
	switch {
	case err == nil:
		if topic, key, _ := strings.Cut(n.Payload, "\n"); topic != proof {
			x.receive(n.Payload)
		} else if key == x.expected {
			if x.proven.IsZero() {
				x.ready()
			}
			x.expected, x.proven = "", time.Now() //nolint:forbidigo // how long the network takes, not what the time is
		}
		return nil
	case ctx.Err() != nil:
		return nil
	case wait.Err() != nil && !x.conn.IsClosed():
		alive, cancel := context.WithTimeout(ctx, answersWithin)
		defer cancel()
		return x.conn.Ping(alive)
	}
	return err
}

// prove says something that has to be heard. Until a connection of the pool is
// free for it, that may take any time.
func (x *ear) prove(ctx context.Context) {
	nonce := rand.Text()
	x.expected, x.saidAt = nonce, time.Time{}
	go func() { x.said <- x.say(ctx, proof+"\n"+nonce) }()
}

// checkProof fails if what was said is not heard, and has it said again when it
// is time.
func (x *ear) checkProof(ctx context.Context) error {
	select {
	case err := <-x.said:
		if err != nil {
			return err
		}
		x.saidAt = time.Now() //nolint:forbidigo // as above
	default:
	}
	switch {
	case x.expected == "" && time.Since(x.proven) > provenFor:
		x.prove(ctx)
	case x.expected != "" && !x.saidAt.IsZero() && time.Since(x.saidAt) > heardWithin:
		return fault.New(fault.Precondition, "what is written to the database is not heard of by LISTEN").
			Next("a pooler such as pgbouncer stands in between: name the address of PostgreSQL itself in database.listenURL")
	}
	return nil
}
