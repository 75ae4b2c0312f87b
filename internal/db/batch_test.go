package db

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
)

// lined is a database whose writers stand in line behind one that holds them up.
type lined struct {
	*DB
	*testing.T
	begun, unsynced atomic.Int64 // transactions
	ends            []chan error
}

func newLined(t *testing.T) *lined {
	t.Helper()
	d, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "pachd.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	l := &lined{DB: d, T: t}
	l.must(d.Update(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(t.Context(), `CREATE TABLE n (id BIGINT NOT NULL PRIMARY KEY)`)
		return err
	}))
	begin := d.batches.begin
	d.batches.begin = func(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error) {
		l.begun.Add(1)
		if opts != nil {
			l.unsynced.Add(1)
		}
		return begin(ctx, opts)
	}
	return l
}

func (l *lined) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

// put inserts a number.
func (l *lined) put(n int) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Exec(l.Context(), `INSERT INTO n (id) VALUES ($1)`, n)
		return err
	}
}

// hold begins a change that ends when release is called.
func (l *lined) hold(update func(context.Context, func(*Tx) error) error) (release func()) {
	in, out := make(chan struct{}), make(chan struct{})
	l.start(func() error {
		return update(l.Context(), func(tx *Tx) error {
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

// line starts a change and waits until it is the last in line.
func (l *lined) line(do func() error) chan error {
	length := func() int {
		l.batches.mu.Lock()
		defer l.batches.mu.Unlock()
		return len(l.batches.waiting)
	}
	before := length()
	end := l.start(do)
	for length() == before {
		runtime.Gosched()
	}
	return end
}

func (l *lined) numbers() (all []int64) {
	l.Helper()
	l.must(l.ViewOne(l.Context(), func(tx *Tx) (err error) {
		all, err = Column[int64](l.Context(), tx, `SELECT id FROM n ORDER BY id`)
		return err
	}))
	return all
}

func (l *lined) wantNumbers(want ...int64) {
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

func TestBatch_ThoseInLineCommitTogether(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.Update)
	for n := range 9 {
		l.line(func() error { return l.Update(t.Context(), l.put(n+1)) })
	}
	release()
	for _, end := range l.ends {
		l.must(<-end)
	}
	l.wantNumbers(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	l.wantTransactions(1, 0)
}

func TestBatch_FailureIsItsOwn(t *testing.T) {
	l := newLined(t)
	boom := errors.New("boom")
	release := l.hold(l.Update)
	l.line(func() error { return l.Update(t.Context(), l.put(1)) })
	failed := l.line(func() error {
		return l.Update(t.Context(), func(tx *Tx) error { return errors.Join(l.put(2)(tx), boom) })
	})
	panicked := l.line(func() (err error) {
		defer func() { err, _ = recover().(error) }()
		return l.Update(t.Context(), func(tx *Tx) error { panic(errors.Join(l.put(3)(tx), boom)) })
	})
	l.line(func() error { return l.Update(t.Context(), l.put(4)) })
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
	release := l.hold(l.Update)
	l.line(func() error { return l.Update(t.Context(), l.put(1)) })
	l.line(func() error {
		return l.Update(t.Context(), func(tx *Tx) error {
			_, err := tx.Exec(t.Context(), `ROLLBACK`) // as SQLite does when the disk is full
			return errors.Join(err, errors.New("the disk is full"))
		})
	})
	after := l.line(func() error { return l.Update(t.Context(), l.put(2)) })
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
	release := l.hold(l.Update)
	ctx, cancel := context.WithCancel(t.Context())
	gone := l.line(func() error { return l.Update(ctx, l.put(1)) })
	l.line(func() error { return l.Update(t.Context(), l.put(2)) })
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
	release := l.hold(l.UpdateUnsynced)
	l.line(func() error { return l.UpdateUnsynced(t.Context(), l.put(1)) })
	l.line(func() error { return l.Update(t.Context(), l.put(2)) })
	l.line(func() error { return l.UpdateUnsynced(t.Context(), l.put(3)) })
	release()
	for _, end := range l.ends {
		l.must(<-end)
	}
	l.wantNumbers(0, 1, 2, 3)
	l.wantTransactions(2, 1)
}

func TestBatch_IsBounded(t *testing.T) {
	l := newLined(t)
	release := l.hold(l.Update)
	for n := range batchMost {
		l.line(func() error { return l.Update(t.Context(), l.put(n+1)) })
	}
	release()
	for _, end := range l.ends {
		l.must(<-end)
	}
	l.wantTransactions(2, 0)
}
