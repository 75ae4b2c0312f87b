package trace

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// writeEvery is how long a trace may wait for others to be written with, and
	// waiting how many may.
	writeEvery = time.Second
	waiting    = 512
	// countEvery is how often the counts are written.
	countEvery = time.Minute
)

// Keep is how much is kept.
type Keep struct {
	// PerConnector is how many traces of one connector are kept; of those in which
	// nobody proved who they are, which any stranger can make, half as many. 0 is
	// for none.
	PerConnector int
	For          time.Duration
}

// Config is what a Store is made from.
type Config struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Log    *slog.Logger
	Now    func() time.Time
	Keep   Keep
	// Roles are those that a person with groups has on the cluster.
	Roles func(ctx context.Context, who principal.Name, groups []string) ([]string, error)
}

// Store keeps traces. It is safe for concurrent use.
type Store struct {
	with    Config
	mu      sync.Mutex // held while it writes
	queue   chan Trace
	dropped atomic.Int64
	counts  counts
	briefs  briefs
}

// New makes a store. Nothing is written before Run or Flush.
func New(c Config) *Store {
	return &Store{with: c, queue: make(chan Trace, waiting), counts: counts{by: map[countKey]*count{}}}
}

// On reports whether traces are kept.
func (s *Store) On() bool { return s.with.Keep.PerConnector > 0 }

// Add keeps a trace. It never waits: of more than can be written, some are lost.
func (s *Store) Add(t Trace) {
	if !s.On() {
		return
	}
	select {
	case s.queue <- t:
	default:
		s.dropped.Add(1)
	}
}

// Run writes what is added, until ctx ends, and then what is left.
func (s *Store) Run(ctx context.Context) {
	tick, counts := time.NewTicker(writeEvery), time.NewTicker(countEvery)
	defer tick.Stop()
	defer counts.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			// Nobody waits for pachd to end but for a moment.
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeEvery)
			defer cancel()
			if err := s.Flush(end); err != nil {
				s.with.Log.WarnContext(end, "the last traces of sign-ins are lost", "error", err)
			}
			return
		case <-tick.C:
			err = s.write(ctx)
		case <-counts.C:
			err = s.writeCounts(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.with.Log.WarnContext(ctx, "traces of sign-ins cannot be written", "error", err)
		}
	}
}

// Flush writes all that was added before.
func (s *Store) Flush(ctx context.Context) error {
	if err := s.write(ctx); err != nil {
		return err
	}
	return s.writeCounts(ctx)
}

func (s *Store) write(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := s.take()
	if len(batch) == 0 {
		return nil
	}
	err := s.writeAll(ctx, batch)
	if err != nil { // the database may be back the next time
		for _, t := range batch {
			s.Add(t)
		}
	}
	return err
}

func (s *Store) writeAll(ctx context.Context, batch []Trace) error {
	rows, connectors, tests := make([]row, 0, len(batch)), map[string]bool{}, false
	for _, t := range batch {
		if t.Result == Completed && s.with.Roles != nil {
			var err error
			if t.Roles, err = s.with.Roles(ctx, t.Person, t.Groups); err != nil {
				return err
			}
		}
		r, err := s.seal(t)
		if err != nil {
			return err
		}
		rows = append(rows, r)
		if tests = tests || t.Test; !t.Test { // whose ids are those of documents, any of them
			connectors[t.Connector] = true
		}
	}
	return s.with.DB.UpdateUnsynced(ctx, func(tx *db.Tx) error {
		for _, r := range rows {
			if err := insert(ctx, tx, r); err != nil {
				return err
			}
		}
		for id := range connectors {
			if err := trim(ctx, tx, id, s.with.Keep.PerConnector); err != nil {
				return err
			}
		}
		if !tests {
			return nil
		}
		return trimTests(ctx, tx, s.with.Keep.PerConnector)
	})
}

func (s *Store) take() (batch []Trace) {
	for {
		select {
		case t := <-s.queue:
			batch = append(batch, t)
		default:
			return batch
		}
	}
}

func place(code string) string { return "trace/" + code }

func (s *Store) seal(t Trace) (row, error) {
	plain, err := json.Marshal(t.Body)
	if err != nil {
		return row{}, err
	}
	r := row{Trace: t, proven: t.Person != ""}
	r.sealed, err = s.with.Sealer.Seal(plain, place(t.Code))
	return r, err
}

func (s *Store) open(r row) (Trace, error) {
	plain, err := s.with.Sealer.Open(r.sealed, place(r.Code))
	if err != nil {
		return Trace{}, err
	}
	t := r.Trace
	return t, json.Unmarshal(plain, &t.Body)
}

// ByCode finds a trace by what its person was shown, in capitals or not. Fault:
// NotFound.
func (s *Store) ByCode(ctx context.Context, code string) (Trace, error) {
	if err := s.Flush(ctx); err != nil {
		return Trace{}, err
	}
	var r row
	err := s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		r, err = byCode(ctx, tx, strings.ToUpper(strings.TrimSpace(code)))
		return err
	})
	if fault.Is(err, fault.NotFound) {
		return Trace{}, fault.New(fault.NotFound, "there is no trace of a sign-in with the code %q", fault.Clean(code, 20)).
			Next("list those that there are with: pachctl idp list-traces (the oldest are deleted, after a while or when there are many)")
	}
	if err != nil {
		return Trace{}, err
	}
	return s.open(r)
}

// Filter is which traces are listed; what is empty leaves all.
type Filter struct {
	Connector string
	Person    principal.Name
	Result    Result
	Cause     string
}

// List lists traces, those of the last sign-ins first. The page token is opaque.
// Fault: Invalid for another page token.
func (s *Store) List(ctx context.Context, f Filter, p db.Page) (all []Trace, next string, err error) {
	return s.list(ctx, p, func(tx *db.Tx, at int64, code string) ([]row, error) {
		return list(ctx, tx, columns, f, at, code, p.Size())
	}, s.open)
}

func (s *Store) list(
	ctx context.Context, p db.Page, read func(tx *db.Tx, at int64, code string) ([]row, error), open func(row) (Trace, error),
) (all []Trace, next string, err error) {
	after, code, err := cursorOf(p.After)
	if err != nil {
		return nil, "", err
	}
	if err := s.Flush(ctx); err != nil {
		return nil, "", err
	}
	var rows []row
	err = s.with.DB.View(ctx, func(tx *db.Tx) (err error) {
		rows, err = read(tx, after, code)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	for _, r := range rows {
		t, err := open(r)
		if err != nil {
			return nil, "", err
		}
		all = append(all, t)
	}
	if len(rows) > 0 {
		last := rows[len(rows)-1]
		next = p.Next(len(rows), strconv.FormatInt(db.Micros(last.At), 10)+"."+last.Code)
	}
	return all, next, nil
}

// cursorOf is where a page begins, in microseconds since 1970 and by code.
func cursorOf(token string) (at int64, code string, err error) {
	if token == "" {
		return 1<<63 - 1, "", nil
	}
	number, code, _ := strings.Cut(token, ".")
	if at, err = strconv.ParseInt(number, 10, 64); err != nil {
		err = fault.New(fault.Invalid, "the page token was not made by this list").Next("begin with the first page")
	}
	return at, code, err
}

// Rename gives somebody's traces their new name. Call Flush before, for those that are
// not written yet.
func Rename(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	return rename(ctx, tx, from, to)
}

// DeleteAll forgets all sign-ins.
func DeleteAll(ctx context.Context, tx *db.Tx) error { return deleteAll(ctx, tx) }

// DeleteExpired forgets what is older than is kept.
func (s *Store) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	return deleteBefore(ctx, tx, now.Add(-s.with.Keep.For))
}

// Describe is prometheus.Collector's.
func (s *Store) Describe(ch chan<- *prometheus.Desc) { ch <- droppedDesc }

var droppedDesc = prometheus.NewDesc(
	"pachd_sign_in_traces_dropped_total", "Traces of sign-ins that were too many at once to be written.", nil, nil)

// Collect is prometheus.Collector's.
func (s *Store) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(s.dropped.Load()))
}
