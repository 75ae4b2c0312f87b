package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"

	"pachyderm/internal/db"
)

// remembered is how many Briefs are kept in memory, and twice as many at most: the
// overview asks for the last thousand sign-ins.
const remembered = 1000

// briefs remembers what was opened. A trace does not change once it is stored, so that
// nobody has to tell other replicas; which traces there are is asked each time.
type briefs struct {
	mu           sync.Mutex
	last, before map[string]Brief // by code
}

func (b *briefs) of(code string) (Brief, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if known, ok := b.last[code]; ok {
		return known, true
	}
	known, ok := b.before[code]
	if ok {
		b.put(code, known)
	}
	return known, ok
}

func (b *briefs) add(code string, brief Brief) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(code, brief)
}

func (b *briefs) put(code string, brief Brief) {
	if b.last == nil || len(b.last) >= remembered {
		b.last, b.before = make(map[string]Brief, remembered), b.last
	}
	b.last[code] = brief
}

// ListBrief is List without what a Brief has not, which is most of a trace.
func (s *Store) ListBrief(ctx context.Context, f Filter, p db.Page) (all []Trace, next string, err error) {
	known := map[string]Brief{}
	return s.list(ctx, p, func(tx *db.Tx, at int64, code string) ([]row, error) {
		rows, err := list(ctx, tx, readable, f, at, code, p.Size())
		if err != nil {
			return nil, err
		}
		return rows, s.readUnknown(ctx, tx, rows, known)
	}, func(r row) (Trace, error) {
		t := r.Trace
		if brief, ok := known[r.Code]; ok {
			t.Brief = brief
			return t, nil
		}
		plain, err := s.with.Sealer.Open(r.sealed, place(r.Code))
		if err == nil {
			t.Brief, err = briefOf(plain)
		}
		if err == nil {
			s.briefs.add(r.Code, t.Brief)
		}
		return t, err
	})
}

// readUnknown notes what is remembered of rows, and reads what is sealed of the others.
func (s *Store) readUnknown(ctx context.Context, tx *db.Tx, rows []row, known map[string]Brief) error {
	var codes []any
	for _, r := range rows {
		if brief, ok := s.briefs.of(r.Code); ok {
			known[r.Code] = brief
		} else if _, ok := known[r.Code]; !ok {
			codes = append(codes, r.Code)
		}
	}
	sealed, err := bodies(ctx, tx, codes)
	for n, r := range rows {
		rows[n].sealed = sealed[r.Code]
	}
	return err
}

// briefOf reads as much of a body as a Brief needs: to the end, if an older version has
// written it.
func briefOf(body []byte) (b Brief, err error) {
	in := json.NewDecoder(bytes.NewReader(body))
	want := map[string]any{"Took": &b.Took, "Error": &b.Error, "Setting": &b.Setting, "Next": &b.Next}
	if _, err := in.Token(); err != nil { // the brace
		return b, err
	}
	for len(want) > 0 && in.More() {
		key, err := in.Token()
		if err != nil {
			return b, err
		}
		name, _ := key.(string)
		into := want[name]
		if into == nil {
			into = &json.RawMessage{}
		}
		if err := in.Decode(into); err != nil {
			return b, err
		}
		delete(want, name)
	}
	return b, nil
}
