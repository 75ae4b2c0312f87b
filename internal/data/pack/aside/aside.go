package aside

import (
	"context"

	"pachyderm/internal/data/blob"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/fault"
)

// Bytes are some that were put aside.
type Bytes struct {
	store  blob.Store
	object string
	key    []byte
	at     format.Entry
}

// Put puts bytes aside that come behind format.Head, which may be used by others then.
func Put(ctx context.Context, store blob.Store, buffers *format.Buffers, headed []byte) (*Bytes, error) {
	b, err := format.NewBuilder(buffers)
	if err != nil {
		return nil, err
	}
	defer b.Free()
	b.Add(format.ID{}, headed)
	b.Finish()
	if err := store.Put(ctx, b.Pack, b.Data); err != nil {
		return nil, err
	}
	return &Bytes{store, b.Pack, b.Key, b.Entries[0]}, nil
}

// Take appends the bytes to what to has, and deletes the object. Fault: Damaged.
func (b *Bytes) Take(ctx context.Context, to []byte) ([]byte, error) {
	sealed, err := b.store.Get(ctx, b.object, b.at.Off, b.at.Len)
	if err != nil {
		return nil, err
	}
	c, err := format.NewCipher(b.object, b.key)
	if err != nil {
		return nil, err
	}
	data, err := c.Open(sealed[:0], b.at, sealed)
	if err != nil {
		return nil, fault.New(fault.Damaged, "what was put aside of a file that is being written is not as it was").
			Next("write it again").Because(err)
	}
	b.Drop(ctx)
	return append(to, data...), nil
}

// Drop deletes the object; the sweep does where that fails.
func (b *Bytes) Drop(ctx context.Context) { _ = b.store.Delete(ctx, b.object) }
