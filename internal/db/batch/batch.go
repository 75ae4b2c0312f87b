package batch

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// most bounds how many changes are committed together: the first waits for the
// others to be made.
const most = 32

// moment is how long those who are expected are waited for: about as long as a good disk
// takes to write, so that a writer alone, whom nobody joins any more, does not notice.
const moment = 500 * time.Microsecond

// Line has the writers of a database that takes one at a time stand in line, and
// commit together (group commit): whoever has made a change leaves it to the next in
// line to commit, and waits for that. So a wait for the disk serves all who came while
// another was waited for, and pages that several of them change are written once.
//
// Where nobody is in line, as many are waited for as came the last time, for a moment:
// writers who were served together come back together. Who has been alone waits for
// nobody.
type Line struct {
	// Begin begins a transaction.
	Begin func(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)

	moment time.Duration // 0 is the constant

	mu      sync.Mutex
	busy    bool // somebody has the turn
	turns   int  // that there were
	waiting []*writer

	// Whoever has the turn has these as well.
	open     *batch // not committed yet
	expected int    // changes of the next batch, in quarters
}

// Kind says with whom a change may be committed.
type Kind int

// Kinds of changes.
const (
	// Synced waits for the disk.
	Synced Kind = iota
	// Unsynced does not, and is no place for a change that does.
	Unsynced
	// Bulk waits for the disk, and may change very many rows: it is made first in its
	// transaction, since to take it back alone SQLite would keep what each row was, in
	// memory.
	Bulk
)

// writer stands in line.
type writer struct {
	kind Kind
	turn chan struct{} // closed when it is theirs
}

// batch is a transaction of several writers, one after another.
type batch struct {
	tx       *sql.Tx
	unsynced bool
	made     int   // changes that are not undone
	lost     error // why the database has undone all of it, if it has
	done     chan struct{}
	err      error // of the commit; read it after done
}

// Update makes a change in a batch, and returns when that is committed. It begins the
// transaction with these options if there is none that it may be a part of.
func (l *Line) Update(ctx context.Context, kind Kind, opts *sql.TxOptions, f func(*sql.Tx) error) error {
	if err := l.enter(ctx, kind); err != nil {
		return err
	}
	b := l.open
	if b != nil && !b.takes(kind) {
		l.commit(b)
		b = nil
	}
	if b == nil {
		// The transaction outlives the context of whoever begins it.
		t, err := l.Begin(context.WithoutCancel(ctx), opts)
		if err != nil {
			l.leave()
			return fmt.Errorf("begin: %w", err)
		}
		b = &batch{tx: t, unsynced: kind == Unsynced, done: make(chan struct{})}
		l.open = b
	}
	if err := l.change(ctx, b, f); err != nil {
		return err
	}
	<-b.done
	return b.err
}

// enter waits for the turn.
func (l *Line) enter(ctx context.Context, kind Kind) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if !l.busy {
		l.take()
		l.mu.Unlock()
		return nil
	}
	w := &writer{kind, make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := slices.Index(l.waiting, w); n >= 0 {
		l.waiting = slices.Delete(l.waiting, n, n+1)
		return ctx.Err()
	}
	return nil // it is their turn, with what others have left to be committed
}

// leave gives the turn to the next in line.
func (l *Line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pass()
}

func (l *Line) pass() {
	l.busy = false
	if len(l.waiting) > 0 {
		l.take()
		close(l.waiting[0].turn)
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}

// take begins a turn.
func (l *Line) take() {
	l.busy = true
	l.turns++
}

// change makes one change of a batch, or undoes it, and then gives the turn away.
func (l *Line) change(ctx context.Context, b *batch, f func(*sql.Tx) error) (err error) {
	first, returned := b.made == 0, false
	defer func() {
		// A panic ends its own change only.
		if err != nil || !returned {
			b.undo(ctx, first, err)
		} else {
			b.made++
		}
		l.finish(b)
	}()
	ctx = context.WithoutCancel(ctx)
	if !first {
		if _, err := b.tx.ExecContext(ctx, "SAVEPOINT change"); err != nil {
			returned = true
			return err
		}
	}
	err = f(b.tx)
	if err == nil && !first {
		_, err = b.tx.ExecContext(ctx, "RELEASE change")
	}
	returned = true
	return err
}

// undo takes a change back. What the database cannot take back alone, because it has
// undone all there was, such as when the disk is full, is lost with the others'.
func (b *batch) undo(ctx context.Context, first bool, why error) {
	if first {
		return // and alone
	}
	for _, statement := range []string{"ROLLBACK TO change", "RELEASE change"} {
		if _, err := b.tx.ExecContext(context.WithoutCancel(ctx), statement); err != nil {
			b.lost = cmp.Or(b.lost, errors.Join(errLost, why, err))
		}
	}
}

var errLost = errors.New("undone with a change that was to be committed together with it")

// takes reports whether a change may follow those that were made.
func (b *batch) takes(kind Kind) bool {
	return kind == Unsynced || kind == Synced && !b.unsynced
}

// finish commits, unless somebody else will: the next in line, or whoever comes in a
// moment.
func (l *Line) finish(b *batch) {
	l.mu.Lock()
	switch more := b.made > 0 && b.made < most && b.lost == nil; {
	case more && len(l.waiting) > 0 && b.takes(l.waiting[0].kind):
		l.pass()
		l.mu.Unlock()
		return
	case more && len(l.waiting) == 0 && 4*b.made < l.expected:
		l.busy = false
		turn := l.turns
		l.mu.Unlock()
		if !l.comesBack(b, turn, cmp.Or(l.moment, moment)) {
			return
		}
	default:
		l.mu.Unlock()
	}
	l.commit(b)
	l.leave()
}

// comesBack takes the turn again after a moment in which nobody has.
func (l *Line) comesBack(b *batch, turn int, moment time.Duration) bool {
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-b.done:
		return false
	case <-timer.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.turns != turn {
		return false
	}
	l.take()
	return true
}

// commit ends a batch, for whoever has the turn.
func (l *Line) commit(b *batch) {
	switch {
	case b.lost != nil:
		_ = b.tx.Rollback()
		b.err = b.lost
	case b.made == 0:
		_ = b.tx.Rollback() // of nothing
	default:
		if b.err = b.tx.Commit(); b.err != nil {
			b.err = fmt.Errorf("commit: %w", b.err)
		}
	}
	l.open = nil
	l.expected = max(4*b.made, l.expected-1) // who stays away once may come again
	close(b.done)
}
