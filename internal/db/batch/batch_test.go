package batch

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// lined is a database whose writers stand in line behind one that holds them up.
type lined struct {
	*testing.T
	Line
	pool            *sql.DB
	begun, unsynced atomic.Int64 // transactions
	ends            []chan error
}

func newLined(t *testing.T) *lined {
	t.Helper()
	pool, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "n.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pool.Close() })
	pool.SetMaxOpenConns(1)
	l := &lined{T: t, pool: pool}
	_, err = pool.ExecContext(t.Context(), `CREATE TABLE n (id BIGINT NOT NULL PRIMARY KEY)`)
	l.must(err)
	l.Begin = func(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
		l.begun.Add(1)
		if opts != nil {
			l.unsynced.Add(1)
		}
		return pool.BeginTx(ctx, nil)
	}
	return l
}

func (l *lined) update(ctx context.Context, f func(*sql.Tx) error) error {
	return l.Update(ctx, Synced, nil, f)
}

func (l *lined) updateUnsynced(ctx context.Context, f func(*sql.Tx) error) error {
	return l.Update(ctx, Unsynced, &sql.TxOptions{}, f)
}

func (l *lined) updateBulk(ctx context.Context, f func(*sql.Tx) error) error {
	return l.Update(ctx, Bulk, nil, f)
}

func (l *lined) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// put inserts a number.
func (l *lined) put(n int) func(*sql.Tx) error {
	return func(tx *sql.Tx) error {
		_, err := tx.ExecContext(l.Context(), `INSERT INTO n (id) VALUES ($1)`, n)
		return err
	}
}

// hold begins a change that ends when release is called.
func (l *lined) hold(update func(context.Context, func(*sql.Tx) error) error) (release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	l.start(func() error {
		return update(l.Context(), func(tx *sql.Tx) error {
			close(in)
			<-out
			return l.put(0)(tx)
		})
	})
	<-in
	return func() { close(out) }
}

func (l *lined) start(do func() error) (end chan error) {
	end = make(chan error, 1)
	l.ends = append(l.ends, end)
	go func() { end <- do() }()
	return end
}

// end waits until all that were started have succeeded.
func (l *lined) end() {
	l.Helper()
	for _, end := range l.ends {
		l.must(<-end)
	}
	l.ends = nil
}

// line starts a change and waits until it is the last in line.
func (l *lined) line(do func() error) chan error {
	length := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.waiting)
	}
	before := length()
	end := l.start(do)
	for length() == before {
		runtime.Gosched()
	}
	return end
}

func (l *lined) numbers() (all []int) {
	l.Helper()
	rows, err := l.pool.QueryContext(l.Context(), `SELECT id FROM n ORDER BY id`)
	l.must(err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int
		l.must(rows.Scan(&n))
		all = append(all, n)
	}
	l.must(rows.Err())
	return all
}

func (l *lined) wantNumbers(want ...int) {
	l.Helper()
	if got := l.numbers(); !slices.Equal(got, want) {
		l.Errorf("stored: %v, want %v", got, want)
	}
}

func (l *lined) wantTransactions(all, unsynced int64) {
	l.Helper()
	if l.begun.Load() != all || l.unsynced.Load() != unsynced {
		l.Errorf("%d transactions, %d of them not waited for, want %d and %d", l.begun.Load(), l.unsynced.Load(), all, unsynced)
	}
}

// together has so many commit together.
func (l *lined) together(many int) {
	l.Helper()
	release := l.hold(l.update)
	for n := range many - 1 {
		l.line(func() error { return l.update(l.Context(), l.put(n+1)) })
	}
	release()
	l.end()
	l.wantTransactions(1, 0)
}

// newExpecting is one that waits for as long as it takes until so many have come as it
// has had together before, and to which one has come.
func newExpecting(t *testing.T, many int, update func(*lined, context.Context, func(*sql.Tx) error) error) *lined {
	t.Helper()
	l := newLined(t)
	l.moment = time.Hour
	l.together(many)
	l.start(func() error { return update(l, t.Context(), l.put(11)) })
	l.left(1)
	return l
}

// left waits until a batch of so many changes is left for somebody else to commit.
func (l *lined) left(many int) {
	is := func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return !l.busy && l.open != nil && l.open.made == many
	}
	for !is() {
		runtime.Gosched()
	}
}

func TestBatch_WaitsForThoseWhoComeBack(t *testing.T) {
	l := newExpecting(t, 3, (*lined).update)
	l.start(func() error { return l.update(t.Context(), l.put(12)) })
	l.left(2)
	l.start(func() error { return l.update(t.Context(), l.put(13)) })
	l.end()
	l.wantNumbers(0, 1, 2, 11, 12, 13)
	l.wantTransactions(2, 0)
}

func TestBatch_WaitsAMoment(t *testing.T) {
	l := newLined(t)
	l.moment = time.Nanosecond
	l.together(3)
	l.must(l.update(t.Context(), l.put(11)))
	l.wantNumbers(0, 1, 2, 11)
	l.wantTransactions(2, 0)
}

// Who has waited leaves the batch to whoever is at it by then.
func TestBatch_MomentEndsWhileAnotherIsAtIt(t *testing.T) {
	l := newExpecting(t, 3, (*lined).update)
	left, turn := l.open, l.turns
	release := l.hold(l.update) // whose number exists already
	if l.comesBack(left, turn, time.Nanosecond) {
		t.Error("two are at one batch")
	}
	release()
	l.left(1)
	if turn = l.turns; !l.comesBack(left, turn, time.Nanosecond) {
		t.Error("nobody is at it, and it is left alone")
	}
	l.commit(left)
	l.leave()
	l.must(<-l.ends[0])
	l.wantNumbers(0, 1, 2, 11)
}

func TestBatch_WaitsForNobodyAfterOneAlone(t *testing.T) {
	l := newLined(t)
	l.moment = time.Hour
	for n := range 3 {
		l.must(l.update(t.Context(), l.put(n)))
	}
	l.wantTransactions(3, 0)
}

// Who comes to a batch that they may not be a part of has it committed first.
func TestBatch_WaitsForNoneOfAnotherKind(t *testing.T) {
	l := newExpecting(t, 2, (*lined).updateUnsynced)
	l.start(func() error { return l.update(t.Context(), l.put(12)) })
	l.must(<-l.ends[0])
	l.left(1)
	l.start(func() error { return l.update(t.Context(), l.put(13)) })
	l.ends = l.ends[1:]
	l.end()
	l.wantNumbers(0, 1, 11, 12, 13)
	l.wantTransactions(3, 1)
}

func TestBatch_ThoseInLineCommitTogether(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.update)
	for n := range 9 {
		l.line(func() error { return l.update(t.Context(), l.put(n+1)) })
	}
	release()
	l.end()
	l.wantNumbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	l.wantTransactions(1, 0)
}

func TestBatch_FailureIsItsOwn(t *testing.T) {
	l := newLined(t)
	boom := errors.New("boom")
	release := l.hold(l.update)
	l.line(func() error { return l.update(t.Context(), l.put(1)) })
	failed := l.line(func() error {
		return l.update(t.Context(), func(tx *sql.Tx) error { return errors.Join(l.put(2)(tx), boom) })
	})
	panicked := l.line(func() (err error) {
		defer func() { err, _ = recover().(error) }()
		return l.update(t.Context(), func(tx *sql.Tx) error { panic(errors.Join(l.put(3)(tx), boom)) })
	})
	l.line(func() error { return l.update(t.Context(), l.put(4)) })
	release()
	for _, end := range l.ends {
		err := <-end
		if its := end == failed || end == panicked; its != errors.Is(err, boom) {
			t.Errorf("one of those in line: %v", err)
		}
	}
	l.wantNumbers(0, 1, 4)
	l.wantTransactions(1, 0)
}

// What the database has undone altogether nobody is told to be stored.
func TestBatch_LostAltogether(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.update)
	l.line(func() error { return l.update(t.Context(), l.put(1)) })
	l.line(func() error {
		return l.update(t.Context(), func(tx *sql.Tx) error {
			_, err := tx.ExecContext(t.Context(), `ROLLBACK`) // as SQLite does when the disk is full
			return errors.Join(err, errors.New("the disk is full"))
		})
	})
	after := l.line(func() error { return l.update(t.Context(), l.put(2)) })
	release()
	for _, end := range l.ends {
		if err := <-end; (err == nil) != (end == after) {
			t.Errorf("one of those in line: %v", err)
		}
	}
	l.wantNumbers(2)
	l.wantTransactions(2, 0)
}

func TestBatch_GivesUpInLine(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.update)
	ctx, cancel := context.WithCancel(t.Context())
	gone := l.line(func() error { return l.update(ctx, l.put(1)) })
	l.line(func() error { return l.update(t.Context(), l.put(2)) })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("whoever has gone: %v", err)
	}
	release()
	l.must(<-l.ends[0])
	l.must(<-l.ends[2])
	l.wantNumbers(0, 2)
}

// A change that waits for the disk is never committed by a transaction that does not.
func TestBatch_WaitsForTheDiskIfOneDoes(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.updateUnsynced)
	l.line(func() error { return l.updateUnsynced(t.Context(), l.put(1)) })
	l.line(func() error { return l.update(t.Context(), l.put(2)) })
	l.line(func() error { return l.updateUnsynced(t.Context(), l.put(3)) })
	release()
	l.end()
	l.wantNumbers(0, 1, 2, 3)
	l.wantTransactions(2, 1)
}

// A change of many rows is behind no other in its transaction; others may be behind it.
func TestBatch_BulkIsFirst(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.update)
	l.line(func() error { return l.update(t.Context(), l.put(1)) })
	l.line(func() error {
		return l.updateBulk(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), `RELEASE change`); err == nil {
				return errors.New("it is in a savepoint")
			}
			return l.put(2)(tx)
		})
	})
	l.line(func() error { return l.updateUnsynced(t.Context(), l.put(3)) })
	l.line(func() error { return l.update(t.Context(), l.put(4)) })
	release()
	l.end()
	l.wantNumbers(0, 1, 2, 3, 4)
	l.wantTransactions(2, 0)
}

func TestBatch_IsBounded(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.update)
	for n := range most {
		l.line(func() error { return l.update(t.Context(), l.put(n+1)) })
	}
	release()
	l.end()
	l.wantTransactions(2, 0)
}
