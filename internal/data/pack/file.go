package pack

import (
	"context"
	"errors"
	"io"
	"slices"

	"pachyderm/internal/data/pack/aside"
	"pachyderm/internal/data/pack/chunk"
	"pachyderm/internal/data/pack/format"
)

// largeFile is from how many bytes a file has chunks of its own.
const largeFile = 1 << 20

const (
	// LongestLoan is the most that a file keeps of what is lent to it, in bytes: whoever
	// lends more may use it again at once.
	LongestLoan = 24 << 10
	// worthPuttingAside is from how many bytes what is in memory is put into the store.
	worthPuttingAside = 64 << 10
)

// File is one that is being written. Its methods are for the goroutine of its Writer.
type File struct {
	w    *Writer
	base *Content // until it is read
	old  *Content

	lent    []byte       // all of the file so far, which is somebody else's
	buffer  []byte       // the file while it is small, then the chunk at its end behind format.Head
	aside   *aside.Bytes // in place of buffer
	large   bool
	cut     chunk.Cutter
	content *Content
}

// File begins a file, which begins with what base has if that is not nil; the result is
// the same as if all had been written at once. If it becomes what old is, such as in the
// version before, that is what Close gives, and nothing is written; it may be nil.
func (w *Writer) File(base, old *Content) *File {
	f := &File{w: w, base: base, old: old, cut: chunk.New(&w.s.keys.Gear), content: &Content{}}
	f.buffer, w.spare = w.spare[:0], nil
	return f
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	return len(p), f.write(p)
}

// Lend is Write for bytes that nobody changes until the next call, Close among them, if
// there are no more than LongestLoan.
func (f *File) Lend(p []byte) error {
	if err := f.begin(); err != nil {
		return err
	}
	if f.large || len(f.lent) > 0 || len(f.buffer) > 0 || len(p) > LongestLoan {
		return f.write(p)
	}
	f.lent = p
	return nil
}

func (f *File) write(p []byte) error {
	if f.lent != nil {
		f.buffer, f.lent = append(f.buffer, f.lent...), nil
	}
	if !f.large && len(f.buffer)+len(p) < largeFile {
		f.buffer = append(f.buffer, p...)
		return nil
	}
	if !f.large {
		f.large = true
		first := f.buffer
		f.buffer = f.w.s.buffer()
		if err := f.chunks(first); err != nil {
			return err
		}
		f.w.spare = first
	}
	return f.chunks(p)
}

func (f *File) chunks(p []byte) error {
	for len(p) > 0 {
		n, end := f.cut.Next(p)
		f.buffer = append(f.buffer, p[:n]...)
		p = p[n:]
		if !end {
			continue
		}
		if err := f.endChunk(); err != nil {
			return err
		}
		f.buffer = f.w.s.buffer()
	}
	return nil
}

func (f *File) endChunk() error {
	length := int64(len(f.buffer)) - format.Head
	id, err := f.w.put(f.buffer)
	f.add(Extent{Blob: id, Length: length})
	return err
}

func (f *File) add(e Extent) {
	f.content.Extents = append(f.content.Extents, e)
	f.content.Size += e.Length
}

// begin takes over what the file begins with: a small one whole, of a large one the
// last chunk, where it might be cut in another place now.
func (f *File) begin() error {
	base := f.base
	f.base = nil
	if base == nil || base.Size == 0 {
		return nil
	}
	if err := f.w.readable(base); err != nil {
		return err
	}
	offset := int64(0)
	if base.Size >= largeFile {
		last := len(base.Extents) - 1
		for _, e := range base.Extents[:last] {
			f.add(e)
		}
		f.w.reuse(base.Extents[:last])
		f.large, offset = true, base.Size-base.Extents[last].Length
		f.w.spare, f.buffer = f.buffer, f.w.s.buffer()
	}
	r := f.w.s.Read(f.w.ctx, *base, offset, -1)
	_, err := io.Copy(writes(f.write), r)
	return errors.Join(err, r.Close())
}

// Kept is about how many bytes the file has in memory.
func (f *File) Kept() int64 { return int64(cap(f.buffer) + len(f.lent)) }

// GiveBack puts what is in memory into the store for a while.
func (f *File) GiveBack() (err error) {
	if f.lent != nil {
		f.buffer, f.lent = append(f.buffer, f.lent...), nil
	}
	headed := f.buffer
	if len(headed) < worthPuttingAside {
		f.buffer = append([]byte(nil), headed...)
		return nil
	}
	if !f.large {
		headed = append(make([]byte, format.Head, format.Head+len(headed)), headed...)
	}
	if f.aside, err = aside.Put(f.w.ctx, f.w.s.with.Store, f.w.s.packBuffers, headed); err != nil {
		return err
	}
	if f.large {
		f.w.s.blobBuffers.Put(f.buffer)
	}
	f.buffer = nil
	return nil
}

// Resume takes back what was put into the store, before the next call of any other method.
func (f *File) Resume() (err error) {
	if f.aside == nil {
		return nil
	}
	if f.large {
		f.buffer = f.w.s.buffer()
	}
	if f.buffer, err = f.aside.Take(f.w.ctx, f.buffer); err != nil {
		return err
	}
	f.aside = nil
	return nil
}

// Abandon is called for a file that is not closed.
func (f *File) Abandon() {
	if f.aside != nil {
		f.aside.Drop(context.WithoutCancel(f.w.ctx))
	}
}

type writes func([]byte) error

func (w writes) Write(p []byte) (int, error) { return len(p), w(p) }

// readable flushes if that is needed to read a content of this session.
func (w *Writer) readable(c *Content) error {
	unsaved := len(c.Extents) == 0
	w.lock(func(m *mutexed) {
		unsaved = unsaved || slices.ContainsFunc(c.Extents, func(e Extent) bool { return m.unsaved[e.Blob] })
	})
	if unsaved {
		return w.Flush(w.ctx)
	}
	return w.failed()
}

// reuse has the session keep what contents name that it does not write.
func (w *Writer) reuse(extents []Extent) {
	w.lock(func(m *mutexed) {
		for _, e := range extents {
			if !m.unsaved[e.Blob] {
				m.reused[e.Blob] = true
			}
		}
	})
}

// Close ends the file. The content of a small one has its extents from the next Flush on.
func (f *File) Close() (*Content, error) {
	if err := f.begin(); err != nil {
		return nil, err
	}
	if f.large {
		if len(f.buffer) > format.Head {
			if err := f.endChunk(); err != nil {
				return nil, err
			}
		}
		f.content.Hash = f.w.s.keys.List(f.content.Extents)
		return f.content, f.w.failed()
	}
	defer func() { f.w.spare = f.buffer }()
	data := f.buffer
	if f.lent != nil {
		data = f.lent
	}
	f.content.Size, f.content.Hash = int64(len(data)), f.w.s.keys.File(data)
	if c := f.old; c != nil && c.Hash == f.content.Hash && c.Size == f.content.Size && (c.Size == 0 || len(c.Extents) > 0) {
		f.w.reuse(c.Extents)
		return c, f.w.failed()
	}
	return f.content, f.w.addToBundle(data, f.content)
}

func (w *Writer) addToBundle(data []byte, c *Content) error {
	if len(data) == 0 {
		return w.failed()
	}
	if !w.bundle.Room(len(data)) {
		if err := w.Cut(); err != nil {
			return err
		}
	}
	w.dirty = true
	if w.bundle.Add(data, c, w.s.buffer) {
		return w.Cut()
	}
	return w.failed()
}

// Cut puts the bundle, and tells the contents of its files where they will be: at once,
// and not only with the next Flush.
func (w *Writer) Cut() error {
	if err := w.bundle.Cut(w.put); err != nil {
		return err
	}
	return w.failed()
}
