package file_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/blob/blobtest"
	"pachyderm/internal/data/blob/dir"
	"pachyderm/internal/data/file"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/pack"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

// begin is by the clock of the store, which says how old objects are.
var begin = time.Now()

// rig has a repository, and a store that fails as a test says.
type rig struct {
	t     *testing.T
	db    *db.DB
	store *blobtest.Faulty
	seal  *secret.Sealer
	packs *pack.Service
	files *file.Service
	past  atomic.Int64 // since begin, in nanoseconds
	// memory is how many bytes all writers may have from the next restart on; 0 is what they
	// have in pachd.
	memory int64
}

var master = graph.Ref{Repo: graph.Repo{Project: graph.DefaultProject, Name: "images", Type: graph.UserRepo}, Name: "master"}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, db: dbtest.SQLite(t)}
	objects, err := dir.Open(filepath.Join(t.TempDir(), "objects"), begin)
	r.must(err)
	r.store = &blobtest.Faulty{Store: objects}
	r.seal = secrettest.Sealer(t, r.db)
	r.restart()
	r.must(graph.Prepare(t.Context(), r.db))
	r.must(graph.Update(t.Context(), r.db, r.by(), func(c *graph.Change) error { return c.CreateRepo(t.Context(), master.Repo, "") }))
	return r
}

func (r *rig) now() time.Time { return begin.Add(time.Duration(r.past.Load())) }

func (r *rig) by() audit.By { return audit.By{Actor: "user:ada@example.com", At: r.now()} }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// restart forgets what was read.
func (r *rig) restart() {
	r.t.Helper()
	var err error
	r.packs, err = pack.New(r.t.Context(), pack.Options{DB: r.db, Store: r.store, Sealer: r.seal, Log: slog.New(slog.DiscardHandler), Now: r.now, Memory: r.memory})
	r.must(err)
	r.files = file.New(r.db, r.packs)
}

// put writes a file in a stream of its own.
func (r *rig) put(ctx context.Context, path string, data []byte) error {
	s, err := r.files.Begin(ctx, r.by(), master)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Add(path, "", data); err != nil {
		return err
	}
	_, err = s.Commit()
	return err
}

// get reads a file of the newest commit.
func (r *rig) get(path string) ([]byte, error) { return r.getOf(master, path) }

func (r *rig) getOf(ref graph.Ref, path string) ([]byte, error) {
	v, err := r.files.View(r.t.Context(), ref)
	if err != nil {
		return nil, err
	}
	i, err := v.One(r.t.Context(), path, "")
	if err != nil {
		return nil, err
	}
	from, err := v.Open(r.t.Context(), i, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = from.Close() }()
	return io.ReadAll(from)
}

// counts are the commits, and the objects in the store.
func (r *rig) counts() (commits, objects int) {
	r.t.Helper()
	r.must(r.db.View(r.t.Context(), func(tx *db.Tx) error {
		return tx.Row(r.t.Context(), []any{&commits}, `SELECT COUNT(*) FROM commits`)
	}))
	for _, err := range r.store.List(r.t.Context(), "") {
		r.must(err)
		objects++
	}
	return commits, objects
}

// A store that is away or full has a stream fail by words that say so, at whichever
// object; nothing of it is visible, and the sweep frees what had come.
func TestSession_StoreFails(t *testing.T) {
	for good, kind := range []fault.Kind{fault.Unavailable, fault.Exhausted, fault.Unavailable} { // objects until it fails
		t.Run(fmt.Sprintf("%s after %d", kind, good), func(t *testing.T) {
			r := newRig(t)
			r.must(r.put(t.Context(), "/before", []byte("as it was")))
			commits, objects := r.counts()
			var puts atomic.Int64
			r.store.Before = func(op blobtest.Op, _ string) error {
				if op == blobtest.Put && puts.Add(1) > int64(good) {
					return fault.New(kind, "the store fails").Next("wait")
				}
				return nil
			}
			big := blobtest.Noise(1, 70<<20) // more than two packs
			if err := r.put(t.Context(), "/big", big); fault.Message(err) != "the store fails: wait" || !fault.Is(err, kind) {
				t.Fatalf("it says %v", err)
			}
			r.store.Before = nil
			r.unchanged(commits, objects)
			r.must(r.put(t.Context(), "/big", big)) // as if nothing had been
			if got, err := r.get("/big"); err != nil || !bytes.Equal(got, big) {
				t.Errorf("it has %d bytes, %v", len(got), err)
			}
		})
	}
}

// unchanged holds what is visible to what was, and, once leases have ended, nobody can be
// about to name objects, and the sweep has run, the objects as well.
func (r *rig) unchanged(commits, objects int) {
	r.t.Helper()
	r.past.Add(int64(48 * time.Hour))
	_, err := r.packs.Sweep(r.t.Context())
	r.must(err)
	nowCommits, nowObjects := r.counts()
	if nowCommits != commits || nowObjects != objects {
		r.t.Errorf("%d commits and %d objects, were %d and %d", nowCommits, nowObjects, commits, objects)
	}
	if got, err := r.get("/before"); err != nil || string(got) != "as it was" {
		r.t.Errorf("what was there has %q, %v", got, err)
	}
	v, err := r.files.View(r.t.Context(), master)
	r.must(err)
	if _, err := v.Inspect(r.t.Context(), "/big", ""); !fault.Is(err, fault.NotFound) {
		r.t.Errorf("what was not acknowledged is there: %v", err)
	}
}

// A stream that its client breaks off, or whose branch is gone at its end, leaves nothing.
func TestSession_BreaksOff(t *testing.T) {
	for name, breaks := range map[string]func(*rig, *file.Session, func()) error{
		"the client goes": func(_ *rig, s *file.Session, cancel func()) error {
			cancel()
			_, err := s.Commit()
			return err
		},
		"an edit is refused": func(_ *rig, s *file.Session, _ func()) error { return s.Add("/no*", "", nil) },
		"the commit is finished": func(r *rig, s *file.Session, _ func()) error {
			_, before := r.counts()
			_, err := s.Commit()
			if _, after := r.counts(); after <= before {
				r.t.Error("nothing was stored that could be left")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.must(r.put(t.Context(), "/before", []byte("as it was")))
			var open graph.CommitInfo
			r.must(graph.Update(t.Context(), r.db, r.by(), func(c *graph.Change) (err error) {
				open, err = c.StartCommit(t.Context(), graph.Start{Branch: graph.Branch(master)})
				return err
			}))
			commits, objects := r.counts()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := r.files.Begin(ctx, r.by(), open.Ref())
			r.must(err)
			r.must(s.Add("/big", "", blobtest.Noise(1, 40<<20)))
			r.must(r.files.Finish(t.Context(), r.by(), open.Ref(), "", ""))
			if err := breaks(r, s, cancel); err == nil {
				t.Error("it was taken")
			}
			s.Close()
			r.unchanged(commits, objects)
		})
	}
}

// A store that is slow has nobody else wait, and loses nothing.
func TestSession_StoreIsSlow(t *testing.T) {
	r := newRig(t)
	r.must(r.put(t.Context(), "/before", []byte("as it was")))
	begun, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.store.Before = func(op blobtest.Op, _ string) error {
		if op == blobtest.Put {
			first := false
			once.Do(func() { first = true })
			if first {
				close(begun)
				<-free
			}
		}
		return nil
	}
	slow := make(chan error)
	go func() { slow <- r.put(t.Context(), "/slow", []byte("slow")) }()
	<-begun
	r.must(r.put(t.Context(), "/quick", []byte("quick")))
	if got, err := r.get("/quick"); err != nil || string(got) != "quick" {
		t.Errorf("what was quick has %q, %v", got, err)
	}
	if _, err := r.get("/slow"); !fault.Is(err, fault.NotFound) {
		t.Errorf("what is not stored yet is there: %v", err)
	}
	close(free)
	r.must(<-slow)
	for path, want := range map[string]string{"/slow": "slow", "/quick": "quick", "/before": "as it was"} {
		if got, err := r.get(path); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v", path, got, err)
		}
	}
}

// Sessions with little memory put into the store what they have of a file, and take it
// back; whichever of these operations fails, a session ends with what was written, or
// with an error.
func TestSession_StoreFailsWithLittleMemory(t *testing.T) {
	r := newRig(t)
	r.memory = 1 << 20
	r.restart()
	const sessions, rounds, piece = 4, 3, 300_000
	var done, fails atomic.Int64
	r.store.Before = func(op blobtest.Op, _ string) error {
		if op != blobtest.Delete && done.Add(1) == fails.Load() {
			return fault.New(fault.Unavailable, "the store does not answer")
		}
		return nil
	}
	// write has one goroutine write to all sessions in turn, and says how each ended.
	write := func(branch string) (ended [sessions]error) {
		var all [sessions]*file.Session
		for n := range all {
			s, err := r.files.Begin(t.Context(), r.by(), graph.Ref{Repo: master.Repo, Name: fmt.Sprintf("%s-%d", branch, n)})
			r.must(err)
			defer s.Close()
			all[n] = s
		}
		for round := range rounds {
			for n, s := range all {
				if ended[n] == nil {
					ended[n] = s.Add("/file", "", blobtest.Noise(uint64(n*rounds+round), piece))
				}
			}
		}
		for n, s := range all {
			if ended[n] == nil {
				_, ended[n] = s.Commit()
			}
		}
		return ended
	}
	for _, err := range write("none") {
		r.must(err)
	}
	operations, failed := done.Load(), 0
	for k := range operations {
		done.Store(0)
		fails.Store(k + 1)
		branch := fmt.Sprint("fails", k)
		ended := write(branch)
		fails.Store(0)
		for n, err := range ended {
			if err != nil {
				failed++
				continue
			}
			var want []byte
			for round := range rounds {
				want = append(want, blobtest.Noise(uint64(n*rounds+round), piece)...)
			}
			if got, err := r.getOf(graph.Ref{Repo: master.Repo, Name: fmt.Sprintf("%s-%d", branch, n)}, "/file"); err != nil || !bytes.Equal(got, want) {
				t.Errorf("operation %d fails: session %d has %d bytes, %v; wanted %d", k, n, len(got), err, len(want))
			}
		}
	}
	if failed == 0 || int64(failed) > operations*2 {
		t.Errorf("%d sessions failed by %d operations", failed, operations)
	}
	t.Logf("%d sessions failed by %d operations", failed, operations)
}

// What is lost or damaged is never given, nor other bytes for it; the error says which
// file it is and what to do, and not where its bytes lie.
func TestView_Damage(t *testing.T) {
	r := newRig(t)
	data := blobtest.Noise(1, 20<<20)
	r.must(r.put(t.Context(), "/big", data))
	r.must(r.put(t.Context(), "/small", []byte("small")))
	lies := func(do func([]byte) []byte) func(string, []byte) []byte {
		return func(_ string, data []byte) []byte { return do(bytes.Clone(data)) }
	}
	for name, fails := range map[string]func(){
		"lost": func() {
			r.store.Before = func(op blobtest.Op, _ string) error {
				if op == blobtest.Get {
					return fault.New(fault.NotFound, "there is no object")
				}
				return nil
			}
		},
		"a bit is another": func() { r.store.Bytes = lies(func(b []byte) []byte { b[len(b)/2] ^= 4; return b }) },
		"nothing but zero": func() { r.store.Bytes = lies(func(b []byte) []byte { return make([]byte, len(b)) }) },
	} {
		r.restart()
		fails()
		got, err := r.get("/big")
		if !fault.Is(err, fault.Damaged) || !bytes.HasPrefix(data, got) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
		// The list of files has been lost with it.
		if text := fault.Message(err); !strings.HasPrefix(text, "a part of the list of files of default/images@") ||
			!strings.Contains(text, `is damaged in the store: ask an administrator to run "pachctl fsck"`) {
			t.Errorf("%s: %s", name, text)
		}
		r.store.Before, r.store.Bytes = nil, nil

		r.restart()
		v, err := r.files.View(t.Context(), master)
		r.must(err)
		i, err := v.One(t.Context(), "/big", "")
		r.must(err)
		from, err := v.Open(t.Context(), i, 0) // so that what says where its bytes are is remembered
		r.must(err)
		r.must(from.Close())
		fails()
		from, err = v.Open(t.Context(), i, 0)
		r.must(err)
		got, err = io.ReadAll(from)
		var to bytes.Buffer
		again, fail := v.Open(t.Context(), i, 0)
		r.must(fail)
		_, otherwise := io.Copy(&to, again)
		for _, err := range []error{err, otherwise} {
			if text := fault.Message(err); !strings.HasPrefix(text, "file /big of default/images@"+v.Commit.ID+" is damaged in the store: ask") {
				t.Errorf("%s: %s", name, text)
			}
		}
		if !bytes.HasPrefix(data, got) || !bytes.HasPrefix(data, to.Bytes()) {
			t.Errorf("%s: other bytes were given", name)
		}
		r.must(from.Close())
		r.must(again.Close())
		// Nor can more be written to what cannot be read.
		s, err := r.files.Begin(t.Context(), r.by(), master)
		r.must(err)
		err = s.Add("/big", "", []byte("more"))
		if text := fault.Message(err); !strings.HasPrefix(text, "what file /big of default/images@master begins with is damaged") {
			t.Errorf("%s: appending: %v", name, err)
		}
		s.Close()
		r.store.Before, r.store.Bytes = nil, nil
	}
	r.restart()
	if got, err := r.get("/big"); err != nil || !bytes.Equal(got, data) {
		t.Errorf("it has %d bytes, %v", len(got), err)
	}
}
