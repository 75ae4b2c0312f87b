package pack

import (
	"context"
	"io"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// lookAhead is for how many extents blobs are looked up at once.
const lookAhead = 64

// Get is a blob; nobody may change it. Fault: Damaged for one that is not there or
// not as it was.
func (s *Service) Get(ctx context.Context, id ID) ([]byte, error) {
	return s.cache.Get(ctx, id, func() ([]byte, error) {
		all, err := s.find(ctx, []ID{id})
		if err != nil {
			return nil, err
		}
		return s.fetch(ctx, id, all[id])
	})
}

func (s *Service) find(ctx context.Context, ids []ID) (all map[ID]catalog.Found, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		all, err = catalog.Find(ctx, tx, ids)
		return err
	})
	return all, err
}

// fetch reads a blob from where it was found, or from where it is if it has been moved
// since.
func (s *Service) fetch(ctx context.Context, id ID, f catalog.Found) ([]byte, error) {
	data, err := s.fetchAt(ctx, id, f)
	if f.Pack != "" && !fault.Is(err, fault.NotFound) {
		return data, err
	}
	all, err := s.find(ctx, []ID{id})
	if err != nil {
		return nil, err
	}
	now, there := all[id]
	if !there {
		return nil, fault.New(fault.Damaged, "the blob %s is in no pack", id).
			Next("restore the database and the store from copies of the same time")
	}
	if now.Pack == f.Pack {
		return nil, damaged(f.Pack, "the store has no such object")
	}
	if data, err = s.fetchAt(ctx, id, now); fault.Is(err, fault.NotFound) {
		return nil, damaged(now.Pack, "the store has no such object")
	}
	return data, err
}

// fetchAt reads a blob from a pack, and sees that it is that. Fault: NotFound if there
// is no such pack.
func (s *Service) fetchAt(ctx context.Context, id ID, f catalog.Found) ([]byte, error) {
	if f.Pack == "" {
		return nil, nil
	}
	sealed, err := s.with.Store.Get(ctx, f.Pack, f.Off, f.Len)
	if fault.Is(err, fault.Internal) && ctx.Err() == nil {
		return nil, damaged(f.Pack, "the blob %s cannot be read", id).Because(err)
	}
	if err != nil {
		return nil, err
	}
	return s.open(sealed[:0], id, f, sealed)
}

// open opens a blob, in the memory of into if it has any, and sees that it is that.
func (s *Service) open(into []byte, id ID, f catalog.Found, sealed []byte) ([]byte, error) {
	c, err := s.cipher(f.Pack, f.Key)
	if err != nil {
		return nil, err
	}
	data, err := c.Open(into, f.Entry, sealed)
	if err != nil {
		return nil, damaged(f.Pack, "the blob %s does not open", id).Because(err)
	}
	if s.keys.Blob(data) != id {
		return nil, damaged(f.Pack, "what opens as the blob %s is another", id)
	}
	return data, nil
}

// cipher opens the key of a pack.
func (s *Service) cipher(pack string, sealed []byte) (*format.Cipher, error) {
	c, err := s.ciphers.Of(pack, func() ([]byte, error) { return s.with.Sealer.Open(sealed, catalog.Place(pack)) })
	if err != nil {
		return nil, damaged(pack, "its key does not open").Because(err)
	}
	return c, nil
}

// Ahead has blobs be in memory that are about to be asked for: they are found by one
// query, and those that lie together are read at once. What is wrong with any Get says.
func (s *Service) Ahead(ctx context.Context, ids []ID) {
	ids = s.cache.Missing(ids)
	if len(ids) < 2 {
		return
	}
	all, err := s.find(ctx, ids)
	if err != nil {
		return
	}
	for run := range catalog.Runs(all) {
		s.readRun(ctx, run)
	}
}

func (s *Service) readRun(ctx context.Context, list []catalog.Found) {
	first, last := list[0], list[len(list)-1]
	length := last.Off + last.Len - first.Off
	sealed, err := s.with.Store.Get(ctx, first.Pack, first.Off, length)
	if err != nil || int64(len(sealed)) != length {
		return
	}
	for _, f := range list {
		if data, err := s.open(nil, f.ID, f, sealed[f.Off-first.Off:][:f.Len]); err == nil {
			s.cache.Add(f.ID, data)
		}
	}
}

// Reader reads a part of a content. It reads one blob ahead.
type Reader struct {
	s      *Service
	ctx    context.Context //nolint:containedctx // what is read ahead ends with it
	cancel context.CancelFunc

	extents []Extent
	found   map[ID]catalog.Found // where the next blobs are; of what reads ahead
	ahead   chan loaded          // of the first extent, if it is being read
	rest    []byte
	err     error
}

type loaded struct {
	data []byte
	err  error
}

// Read reads so many bytes of a content from an offset, or to its end if length is
// negative. Its errors come from the reader: Invalid for a part that the content does
// not have, and as for Get. Bytes that it gives are verified.
func (s *Service) Read(ctx context.Context, c Content, offset, length int64) *Reader {
	ctx, cancel := context.WithCancel(ctx)
	r := &Reader{s: s, ctx: ctx, cancel: cancel, err: io.EOF}
	if length < 0 {
		length = c.Size - offset
	}
	if offset < 0 || offset > c.Size || length > c.Size-offset {
		r.err = fault.New(fault.Invalid, "%d bytes have no %d from %d", c.Size, length, offset)
		return r
	}
	total := int64(0)
	for _, e := range c.Extents {
		from, to := max(0, offset-total), min(e.Length, offset+length-total)
		if from < to {
			r.extents = append(r.extents, Extent{Blob: e.Blob, Offset: e.Offset + from, Length: to - from})
		}
		total += e.Length
	}
	if total != c.Size {
		r.extents, r.err = nil, fault.New(fault.Damaged, "a content of %d bytes has extents of %d", c.Size, total)
	}
	return r
}

// Read reads some bytes.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := r.next(); err != nil {
		return 0, err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// WriteTo writes all that is left to be read. Nobody changes it: w may keep it.
func (r *Reader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		if err := r.next(); err != nil {
			if err == io.EOF { //nolint:errorlint // it is ours
				err = nil
			}
			return total, err
		}
		n, err := w.Write(r.rest)
		total, r.rest = total+int64(n), r.rest[n:]
		if err != nil {
			return total, err
		}
	}
}

// Close ends reading.
func (r *Reader) Close() error {
	r.cancel()
	if r.ahead != nil {
		<-r.ahead
		r.ahead = nil
	}
	r.extents, r.rest, r.err = nil, nil, io.ErrClosedPipe
	return nil
}

// next has rest not be empty.
func (r *Reader) next() error {
	for len(r.rest) == 0 {
		if len(r.extents) == 0 {
			return r.err
		}
		if r.ahead == nil {
			r.load()
		}
		got := <-r.ahead
		r.ahead = nil
		if got.err != nil {
			r.extents, r.err = nil, got.err
			return r.err
		}
		r.rest, r.extents = got.data, r.extents[1:]
		if len(r.extents) > 0 {
			r.load()
		}
	}
	return nil
}

// load begins to read the first extent.
func (r *Reader) load() {
	ahead, next := make(chan loaded, 1), r.extents
	r.ahead = ahead
	go func() {
		data, err := r.part(next)
		ahead <- loaded{data, err}
	}()
}

// part is the first of the next extents.
func (r *Reader) part(next []Extent) ([]byte, error) {
	e := next[0]
	data, err := r.s.cache.Get(r.ctx, e.Blob, func() ([]byte, error) {
		if _, known := r.found[e.Blob]; !known {
			next = next[:min(len(next), lookAhead)]
			ids := make([]ID, len(next))
			for n, e := range next {
				ids[n] = e.Blob
			}
			var err error
			if r.found, err = r.s.find(r.ctx, ids); err != nil {
				return nil, err
			}
		}
		return r.s.fetch(r.ctx, e.Blob, r.found[e.Blob])
	})
	if err != nil {
		return nil, err
	}
	if e.Offset < 0 || e.Length < 0 || e.Length > int64(len(data))-e.Offset {
		return nil, fault.New(fault.Damaged, "the blob %s has %d bytes, not %d from %d", e.Blob, len(data), e.Length, e.Offset)
	}
	return data[e.Offset:][:e.Length], nil
}
