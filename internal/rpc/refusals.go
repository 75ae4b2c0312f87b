package rpc

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"pachyderm/internal/fault"
)

const (
	// alikeFor is how long refusals that are alike are counted in place of logged.
	alikeFor = 10 * time.Second
	// maxAlike bounds how many kinds are remembered; beyond it, they begin anew.
	maxAlike = 1000
)

// refusals log calls that are refused. A client that tries again and again is one
// line every ten seconds, which says how many there were.
type refusals struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	alike map[refusal]*counted
}

// refusal is what makes two of them alike.
type refusal struct {
	method  string
	kind    fault.Kind
	message string
}

type counted struct {
	since  time.Time // the last line
	unsaid int       // and how many there were since
}

func (r *refusals) note(ctx context.Context, method string, err error) {
	if unsaid, say := r.count(refusal{fault.Clean(method, 200), fault.KindOf(err), fault.Clean(fault.Message(err), 200)}); say {
		attrs := []any{"method", method, "kind", fault.KindOf(err), "error", fault.Cut(err.Error())}
		if unsaid > 0 {
			attrs = append(attrs, "alike before", unsaid)
		}
		r.log.InfoContext(ctx, "call refused", attrs...)
	}
}

// count reports whether to log one, and how many alike were not since the last.
func (r *refusals) count(what refusal) (unsaid int, say bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.alike[what]
	if known != nil && now.Sub(known.since) < alikeFor {
		known.unsaid++
		return 0, false
	}
	if known == nil && len(r.alike) >= maxAlike || r.alike == nil {
		r.alike = map[refusal]*counted{}
	}
	if known != nil {
		unsaid = known.unsaid
	}
	r.alike[what] = &counted{since: now}
	return unsaid, true
}
