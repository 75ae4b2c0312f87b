package pack

import (
	"context"
	"fmt"
	"iter"

	"pachyderm/internal/data/pack/catalog"
	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// Problem is something that is not as it should be.
type Problem struct {
	Pack string
	// Blob is which one of it; zero if it is the pack as a whole.
	Blob ID
	What string
}

// Verify finds what is wrong with packs: objects that are missing or have another
// length, blobs that are in no pack's bounds; if deep is set, each blob is read, too. It
// ends with the first error, which is none of a pack's.
func (s *Service) Verify(ctx context.Context, deep bool) iter.Seq2[Problem, error] {
	return func(yield func(Problem, error) bool) {
		for after := ""; ; {
			var packs []catalog.Pack
			err := s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
				packs, err = catalog.Page(ctx, tx, after, atOnce)
				return err
			})
			if err != nil {
				yield(Problem{}, err)
				return
			}
			for _, p := range packs {
				found, err := s.verifyPack(ctx, p, deep)
				for _, problem := range found {
					if !yield(problem, nil) {
						return
					}
				}
				if err != nil {
					yield(Problem{}, err)
					return
				}
				after = p.ID
			}
			if len(packs) < atOnce {
				return
			}
		}
	}
}

func (s *Service) verifyPack(ctx context.Context, p catalog.Pack, deep bool) (all []Problem, err error) {
	o, err := s.with.Store.Head(ctx, p.ID)
	gone := fault.Is(err, fault.NotFound)
	if err != nil && !gone {
		return nil, err
	}
	if !gone && o.Size == p.Size && !deep {
		var outside []ID
		err := s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
			outside, err = catalog.Outside(ctx, tx, p.ID, p.Size)
			return err
		})
		for _, id := range outside {
			all = append(all, Problem{p.ID, id, "it is not within the pack"})
		}
		return all, err
	}
	state, blobs, err := s.packNow(ctx, p.ID)
	switch {
	case err != nil || state == "" || state == catalog.Condemned: // swept since, or about to be
		return nil, err
	case gone:
		return []Problem{{Pack: p.ID, What: "the store has no such object"}}, nil
	case o.Size != p.Size:
		return []Problem{{Pack: p.ID, What: fmt.Sprintf("the object has %d bytes, not %d", o.Size, p.Size)}}, nil
	}
	return s.verifyBlobs(ctx, p, blobs)
}

// packNow is the state of a pack, and which blobs it has.
func (s *Service) packNow(ctx context.Context, pack string) (state string, blobs []format.Entry, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) error {
		states, err := catalog.States(ctx, tx, []string{pack})
		if state = states[pack]; err == nil {
			blobs, err = catalog.BlobsOf(ctx, tx, pack)
		}
		return err
	})
	return state, blobs, err
}

// verifyBlobs reads a pack as a whole.
func (s *Service) verifyBlobs(ctx context.Context, p catalog.Pack, blobs []format.Entry) (all []Problem, err error) {
	c, err := s.cipher(p.ID, p.Key)
	if err != nil {
		return []Problem{{Pack: p.ID, What: "its key does not open"}}, nil //nolint:nilerr // it is the problem
	}
	data, err := s.with.Store.Get(ctx, p.ID, 0, p.Size)
	if fault.Is(err, fault.Internal) && ctx.Err() == nil {
		return []Problem{{Pack: p.ID, What: "the object cannot be read"}}, nil
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.List(data); err != nil {
		all = append(all, Problem{Pack: p.ID, What: "its list does not open"})
	}
	for _, e := range blobs {
		if e.Off < 0 || e.Len < 0 || e.Off+e.Len > p.Size {
			all = append(all, Problem{p.ID, e.ID, "it is not within the pack"})
			continue
		}
		got, err := c.Open(nil, e, data[e.Off:e.Off+e.Len])
		switch {
		case err != nil:
			all = append(all, Problem{p.ID, e.ID, "it does not open"})
		case s.keys.Blob(got) != e.ID:
			all = append(all, Problem{p.ID, e.ID, "what opens is another blob"})
		}
	}
	return all, nil
}

// SomeKept are the names of some objects that have to be in the store, if any have.
func (s *Service) SomeKept(ctx context.Context) (names []string, err error) {
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		names, err = catalog.SomeKept(ctx, tx, 3)
		return err
	})
	return names, err
}

// Place is where a blob is, and whether that is for good.
type Place struct {
	Pack string
	Kept bool
	// Size is how many bytes it has there.
	Size int64
}

// Where is where blobs are, of those that are stored.
func (s *Service) Where(ctx context.Context, ids []ID) (map[ID]Place, error) {
	found, err := s.find(ctx, ids)
	all := make(map[ID]Place, len(found))
	for id, f := range found {
		all[id] = Place{f.Pack, f.State == catalog.Kept, f.Len}
	}
	return all, err
}
