package check

import (
	"context"

	"pachyderm/internal/data/pack"
	"pachyderm/internal/data/tree"
)

// Usage is how much the object store holds, and for what, in bytes.
type Usage struct {
	pack.Usage
	// Live is what something names, of what is kept; Unreferenced what nothing names any
	// more, such as what deleted commits held.
	Live, Unreferenced int64
}

// Usage marks what every commit and file set names, from its root down, and counts. It reads each
// node of the index once. What is written meanwhile may count as unreferenced.
func (s *Service) Usage(ctx context.Context) (u Usage, err error) {
	if u.Usage, err = s.packs.Usage(ctx); err != nil {
		return u, err
	}
	m := &marking{s: s, seen: map[pack.ID]bool{}}
	for root, err := range s.roots(ctx) {
		if err == nil && !root.Empty() {
			err = m.node(ctx, root.Node)
		}
		if err != nil {
			return u, err
		}
	}
	u.Live, err = m.size(ctx)
	u.Unreferenced = max(0, u.Sealed-u.Live)
	return u, err
}

// marking finds what roots name.
type marking struct {
	s    *Service
	seen map[pack.ID]bool
}

func (m *marking) node(ctx context.Context, top tree.ID) error {
	for left := []tree.ID{top}; len(left) > 0; {
		id := left[len(left)-1]
		left = left[:len(left)-1]
		if m.seen[id] {
			continue
		}
		m.seen[id] = true
		data, err := m.s.packs.Get(ctx, id)
		if err != nil {
			return err
		}
		nodes, blobs, err := tree.References(data)
		if err != nil {
			return err
		}
		left = append(left, nodes...)
		for _, b := range blobs {
			m.seen[b] = true
		}
	}
	return nil
}

// size is how many bytes of what is kept were marked.
func (m *marking) size(ctx context.Context) (n int64, err error) {
	some := make([]pack.ID, 0, atOnce)
	add := func() error {
		places, err := m.s.packs.Where(ctx, some)
		for _, p := range places {
			if p.Kept {
				n += p.Size
			}
		}
		some = some[:0]
		return err
	}
	for id := range m.seen {
		if some = append(some, id); len(some) == atOnce {
			if err := add(); err != nil {
				return 0, err
			}
		}
	}
	return n, add()
}

// atOnce is how many blobs are looked up by one query.
const atOnce = 256
