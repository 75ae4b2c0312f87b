package pack

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"pachyderm/internal/data/pack/chunk"
)

const (
	// largeFile is from how many bytes a file has chunks of its own.
	largeFile = 1 << 20
	// minBundle and maxBundle are how long what smaller ones are gathered in is.
	minBundle = 1 << 20
	maxBundle = 2 << 20
	// bundleRun is about how many bytes follow minBundle before a file ends a bundle.
	bundleRun = 256 << 10
)

// bundle gathers small files, in the order in which they are closed. Where it ends
// follows from the files before, so that a changed one changes few bundles.
type bundle struct {
	data   []byte
	files  []bundled
	hashes map[[32]byte]int64 // of what is in it, and where
	spare  []byte             // a buffer for the next file
}

type bundled struct {
	content *Content
	offset  int64
}

// Same finds what has a hash, such as in the version before: then nothing is written.
type Same func(hash [32]byte) (Content, bool)

// File is one that is being written. Its methods are for the goroutine of its Writer.
type File struct {
	w    *Writer
	base *Content // until it is read
	same Same

	buffer  []byte // the file while it is small, then the chunk at its end
	large   bool
	cut     chunk.Cutter
	content Content
}

// File begins a file, which begins with what base has if that is not nil; the result is
// the same as if all had been written at once. same may be nil.
func (w *Writer) File(base *Content, same Same) *File {
	f := &File{w: w, base: base, same: same, cut: chunk.New(&w.s.keys.gear)}
	f.buffer, w.bundle.spare = w.bundle.spare[:0], nil
	return f
}

// Write appends to the file.
func (f *File) Write(p []byte) (int, error) {
	if err := f.begin(); err != nil {
		return 0, err
	}
	return len(p), f.write(p)
}

func (f *File) write(p []byte) error {
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
		f.w.bundle.spare = first
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
	id := f.w.s.id(f.buffer)
	f.add(Extent{Blob: id, Length: int64(len(f.buffer))})
	return f.w.put(id, f.buffer)
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
	}
	r := f.w.s.Read(f.w.ctx, *base, offset, -1)
	_, err := io.Copy(writes(f.write), r)
	return errors.Join(err, r.Close())
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
		if len(f.buffer) > 0 {
			if err := f.endChunk(); err != nil {
				return nil, err
			}
		}
		f.content.Hash = f.w.s.listHash(f.content.Extents)
		return &f.content, f.w.failed()
	}
	defer func() { f.w.bundle.spare = f.buffer }()
	f.content.Size, f.content.Hash = int64(len(f.buffer)), sum(f.w.s.keys.file, f.buffer)
	if f.same != nil {
		if c, ok := f.same(f.content.Hash); ok && c.Size == f.content.Size && (c.Size == 0 || len(c.Extents) > 0) {
			f.w.reuse(c.Extents)
			return &c, f.w.failed()
		}
	}
	return &f.content, f.w.bundle.add(f.w, f.buffer, &f.content)
}

func (b *bundle) add(w *Writer, data []byte, c *Content) error {
	if len(data) == 0 {
		return w.failed()
	}
	if len(b.data)+len(data) > maxBundle {
		if err := w.cutBundle(); err != nil {
			return err
		}
	}
	at, twice := b.hashes[c.Hash]
	if !twice {
		at = int64(len(b.data))
		if b.hashes == nil {
			b.data, b.hashes = w.s.buffer(), map[[32]byte]int64{}
		}
		b.hashes[c.Hash] = at
		b.data = append(b.data, data...)
	}
	b.files = append(b.files, bundled{c, at})
	w.dirty = true
	if len(b.data) >= minBundle && !twice && ends(c) {
		return w.cutBundle()
	}
	return w.failed()
}

// ends reports whether a file ends a bundle: by chance, as it were, and the likelier
// the longer it is, so that bundles are of the same length whatever is in them.
func ends(c *Content) bool {
	return int64(binary.LittleEndian.Uint32(c.Hash[:])) < c.Size<<32/bundleRun
}

// cutBundle puts the bundle, and tells the contents of its files where they are.
func (w *Writer) cutBundle() error {
	b := w.bundle
	w.bundle = bundle{spare: b.spare}
	if len(b.files) == 0 {
		return w.failed()
	}
	id := w.s.id(b.data)
	for _, f := range b.files {
		f.content.Extents = []Extent{{Blob: id, Offset: f.offset, Length: f.content.Size}}
	}
	return w.put(id, b.data)
}
