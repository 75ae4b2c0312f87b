package blobtest

import (
	"context"

	"pachyderm/internal/data/blob"
)

// Op is what is asked of a store.
type Op string

// What can fail.
const (
	Put    Op = "put"
	Get    Op = "get"
	Delete Op = "delete"
)

// Faulty is a store that fails, waits and lies as its functions say; nil ones do
// nothing. They are set before it is used, and may be called at the same time.
type Faulty struct {
	blob.Store
	// Before is called before each operation; its error is what is answered, and nothing
	// is done. It may block, as a slow store does.
	Before func(op Op, name string) error
	// After is called when it is done; its error is an answer that was lost.
	After func(op Op, name string) error
	// Bytes is what is read instead of what is there.
	Bytes func(name string, data []byte) []byte
}

func (f *Faulty) run(op Op, name string, do func() error) error {
	if f.Before != nil {
		if err := f.Before(op, name); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if f.After != nil {
		return f.After(op, name)
	}
	return nil
}

// Put writes an object, or fails.
func (f *Faulty) Put(ctx context.Context, name string, data []byte) error {
	return f.run(Put, name, func() error { return f.Store.Put(ctx, name, data) })
}

// Get reads a part of an object, fails or lies.
func (f *Faulty) Get(ctx context.Context, name string, offset, length int64) (data []byte, err error) {
	err = f.run(Get, name, func() (err error) {
		data, err = f.Store.Get(ctx, name, offset, length)
		if err == nil && f.Bytes != nil {
			data = f.Bytes(name, data)
		}
		return err
	})
	return data, err
}

// Delete removes an object, or fails.
func (f *Faulty) Delete(ctx context.Context, name string) error {
	return f.run(Delete, name, func() error { return f.Store.Delete(ctx, name) })
}
