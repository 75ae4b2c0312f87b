package edit

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/fault"
	"pachyderm/internal/rpc/codec"
	"pachyderm/internal/rpc/pfs/guard"
)

var errNoCommit = fault.New(fault.Invalid, "first message must be a commit")

// Modify writes to a commit what a stream of ModifyFile says, in its order, once all has
// come.
func (e *Edits) Modify(stream grpc.ServerStream, again guard.Again, now time.Time) error {
	var two [2]codec.Message
	defer func() {
		for n := range two {
			two[n].Free()
		}
	}()
	if err := stream.RecvMsg(&two[0]); err != nil {
		return err
	}
	_, err := e.write(stream.Context(), again, now, &two[0], func(w *file.Session) error {
		for n := 1; ; n++ {
			m, last := &two[n%2], &two[(n+1)%2]
			err := stream.RecvMsg(m)
			if errors.Is(err, io.EOF) {
				return keep(w, last)
			}
			if err == nil {
				err = e.change(stream.Context(), w, m)
			}
			if err != nil {
				return err
			}
			if len(m.Data) > file.LongestLoan { // which the session has its own copy of
				m.Free()
			}
		}
	})
	return err
}

// ModifyMany is Modify for a stream of ModifyFiles.
func (e *Edits) ModifyMany(stream grpc.ServerStream, again guard.Again, now time.Time) (made graph.Written, err error) {
	var b codec.Batch
	defer b.Free()
	if err := stream.RecvMsg(&b); err != nil {
		return made, err
	}
	var m codec.Message
	if _, err := b.Next(&m); err != nil {
		return made, err
	}
	return e.write(stream.Context(), again, now, &m, func(w *file.Session) error {
		for {
			if err := e.changes(stream.Context(), w, &b, &m); err != nil {
				return err
			}
			b.Free()
			if err := stream.RecvMsg(&b); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	})
}

func (e *Edits) write(ctx context.Context, again guard.Again, now time.Time, first *codec.Message, do func(*file.Session) error,
) (made graph.Written, err error) {
	to := first.Request.GetSetCommit()
	if to == nil {
		return made, errNoCommit
	}
	return e.Write(ctx, again, now, to, do)
}

// changes makes those of a batch that are left, for as long as its sender is there: a
// message holds a million of them.
func (e *Edits) changes(ctx context.Context, w *file.Session, b *codec.Batch, m *codec.Message) error {
	m.Kind = codec.Other
	for {
		if more, err := b.Next(m); err != nil {
			return err
		} else if !more {
			return keep(w, m)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.change(ctx, w, m); err != nil {
			return err
		}
	}
}

// change makes one change of a session, which has what it adds until the next.
func (e *Edits) change(ctx context.Context, w *file.Session, m *codec.Message) error {
	switch m.Kind {
	case codec.Add:
		return w.Add(m.Path, m.Datum, m.Data)
	case codec.Delete:
		return w.Delete(m.Path, m.Datum)
	default:
		return e.Make(ctx, w, m.Request)
	}
}

// keep has the session have its own copy of what the last change adds.
func keep(w *file.Session, last *codec.Message) error {
	if last.Kind != codec.Add {
		return nil
	}
	return w.Add(last.Path, last.Datum, nil)
}
