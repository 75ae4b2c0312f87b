package trigger_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/data/trigger"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// rig is a repository, a, at a time of the test's choice.
type rig struct {
	t  *testing.T
	db *db.DB

	mu  sync.Mutex
	now time.Time
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) at(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = now
}

func each(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if err := graph.Prepare(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		r := &rig{t: t, db: d, now: noon}
		r.do(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo("a"), "") })
		r.put("")
		f(t, r)
	})
}

func (r *rig) service() *trigger.Service {
	return trigger.New(r.db, slog.New(slog.DiscardHandler), r.clock)
}

func repo(name string) graph.Repo {
	return graph.Repo{Project: graph.DefaultProject, Name: name, Type: graph.UserRepo}
}

func branch(name string) graph.Branch {
	r, b, _ := strings.Cut(name, "@")
	return graph.Branch{Repo: repo(r), Name: b}
}

func (r *rig) try(f func(context.Context, *graph.Change) error) (id string, err error) {
	by := audit.By{Actor: "user:ann@example.com", At: r.clock()}
	return id, graph.Update(r.t.Context(), r.db, by, func(c *graph.Change) error {
		id = c.ID
		return f(r.t.Context(), c)
	})
}

func (r *rig) do(f func(context.Context, *graph.Change) error) string {
	r.t.Helper()
	id, err := r.try(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

// put makes a commit on master, a bad one if there is a problem.
func (r *rig) put(problem string) string {
	r.t.Helper()
	return r.do(func(ctx context.Context, c *graph.Change) error {
		one, err := c.StartCommit(ctx, graph.Start{Branch: branch("a@master")})
		if err != nil {
			return err
		}
		return c.FinishCommit(ctx, one.Ref(), graph.Finish{Error: problem})
	})
}

func (r *rig) follow(name string, on graph.Trigger) {
	r.t.Helper()
	r.do(func(ctx context.Context, c *graph.Change) error {
		return c.CreateBranch(ctx, graph.NewBranch{Branch: branch(name), Trigger: on})
	})
}

func (r *rig) head(name string) (id string) {
	r.t.Helper()
	err := r.db.View(r.t.Context(), func(tx *db.Tx) error {
		b, err := graph.InspectBranch(r.t.Context(), tx, branch(name))
		id = b.Head.Name
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func tick(t *testing.T, s *trigger.Service) time.Time {
	t.Helper()
	next, err := s.Tick(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestTick_MovesHeadsAtTheirTimes(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		s := r.service()
		r.follow("a@hourly", graph.Trigger{Branch: "master", Cron: "0 * * * *"})
		r.follow("a@never", graph.Trigger{Branch: "master", Cron: "@never"})
		r.follow("a@berlin", graph.Trigger{Branch: "master", Cron: "CRON_TZ=Europe/Berlin 30 13 * * *"}) // 12:30 in UTC
		r.follow("a@chain", graph.Trigger{Branch: "hourly"})
		r.do(func(ctx context.Context, c *graph.Change) error { return c.CreateRepo(ctx, repo("b"), "") })
		r.do(func(ctx context.Context, c *graph.Change) error {
			return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("b@master"), Direct: []graph.Source{{Branch: branch("a@chain")}}})
		})
		below := r.head("b@master")
		never := r.head("a@never")

		r.at(noon.Add(10 * time.Minute))
		first := r.put("")
		if next := tick(t, s); !next.Equal(noon.Add(30 * time.Minute)) {
			t.Errorf("the next is at %s", next)
		}
		r.at(noon.Add(40 * time.Minute))
		second := r.put("")
		tick(t, s)
		if r.head("a@berlin") != first { // the second came after 12:30
			t.Error("another zone's time was not followed")
		}
		if id := r.head("a@hourly"); id == first || id == second || r.head("b@master") != below {
			t.Error("a head moved before its time")
		}
		bad := r.put("it is bad")
		r.at(noon.Add(time.Hour))
		tick(t, s)
		if id := r.head("a@hourly"); id != second {
			t.Errorf("hourly is %s, wanted %s, and not the bad %s", id, second, bad)
		}
		if r.head("a@chain") != second || r.head("b@master") == below {
			t.Error("what follows and what is made from the head did not")
		}
		if r.head("a@never") != never {
			t.Error("never came")
		}
		below = r.head("b@master")
		tick(t, r.service()) // another replica
		if r.head("b@master") != below {
			t.Error("one time was followed twice")
		}
	})
}

// The times that pass while no pachd runs are made up for once.
func TestTick_MakesUpForAStop(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.follow("a@daily", graph.Trigger{Branch: "master", Cron: "@daily"})
		id := r.put("")
		r.at(noon.Add(100 * time.Hour))
		tick(t, r.service())
		if got := r.head("a@daily"); got != id {
			t.Errorf("got %s, wanted %s", got, id)
		}
	})
}

// Replicas that come at once move a head once.
func TestTick_AsksOnlyWhoIsBehind(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.follow("a@hourly", graph.Trigger{Branch: "master", Cron: "@hourly"})
		r.follow("a@early", graph.Trigger{Branch: "later", Cron: "@hourly"})
		behind := func() (names []string) {
			err := r.db.View(t.Context(), func(tx *db.Tx) error {
				all, err := row.BranchesBehind(t.Context(), tx)
				for _, b := range all {
					names = append(names, b.Name)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return names
		}
		r.put("")
		if got := behind(); !slices.Equal(got, []string{"hourly"}) {
			t.Errorf("after a commit %v are behind", got)
		}
		r.at(noon.Add(time.Hour))
		tick(t, r.service())
		if got := behind(); got != nil {
			t.Errorf("after the move %v are behind", got)
		}
	})
}

func TestTick_ManyAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.follow("a@hourly", graph.Trigger{Branch: "master", Cron: "@hourly"})
		id := r.put("")
		r.at(noon.Add(time.Hour))
		var all sync.WaitGroup
		for range 4 {
			s := r.service()
			all.Go(func() {
				if _, err := s.Tick(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		var events []audit.Event
		err := r.db.View(t.Context(), func(tx *db.Tx) (err error) {
			events, _, err = audit.List(t.Context(), tx, audit.Filter{Action: "branch.trigger"}, db.Page{Limit: 10})
			return err
		})
		if err != nil || len(events) != 1 || r.head("a@hourly") != id {
			t.Fatalf("%d moves, %v", len(events), err)
		}
		if e := events[0]; e.Object != "branch/default/a@hourly" || !strings.Contains(e.Detail, "user:ann@example.com") || e.Actor != "internal:auth-server" {
			t.Errorf("the audit says %+v", e)
		}
	})
}

// Run wakes by a change, and by time.
func TestRun_FollowsWhatIsMadeLater(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		s := r.service()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.Run(ctx) }()
		defer func() { stop(); <-ended }()
		moved := r.db.Signals(graph.Topic)
		changed, end := moved.On(graph.TopicKey(repo("a")))
		defer end()
		r.follow("a@often", graph.Trigger{Branch: "master", Cron: "@every 1s"})
		id := r.put("")
		r.at(noon.Add(time.Minute))
		r.put("bad, and wakes")
		for r.head("a@often") != id {
			select {
			case <-changed:
			case <-t.Context().Done():
				t.Fatal("it never moved")
			}
		}
	})
}

func TestTrigger_ExpressionsThatCannotBe(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		for _, spec := range []string{
			"tomorrow", "* * * *", "60 * * * *", "0 0 30 2 *", "@every", "@every soon", "TZ=0", "CRON_TZ=Mars/Base 0 0 * * *",
			strings.Repeat("0,", 200) + "0 * * * *",
		} {
			for _, on := range []graph.Trigger{{Branch: "master", Cron: spec}, {Branch: "master", Rate: spec}} {
				_, err := r.try(func(ctx context.Context, c *graph.Change) error {
					return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("a@x"), Trigger: on})
				})
				if !fault.Is(err, fault.Invalid) || fault.NextOf(err) == "" {
					t.Errorf("%q: %v", spec, err)
				}
			}
		}
		for name, on := range map[string]graph.Trigger{"no branch": {Cron: "@daily"}, "two kinds": {Branch: "master", Cron: "@daily", Size: "1K"}} {
			_, err := r.try(func(ctx context.Context, c *graph.Change) error {
				return c.CreateBranch(ctx, graph.NewBranch{Branch: branch("a@x"), Trigger: on})
			})
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// At most one move in each period, however many commits there are.
func TestTrigger_RateLimit(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.follow("a@calm", graph.Trigger{Branch: "master", Rate: "0 * * * *"})
		var moved []int
		for step, minute := range []time.Duration{10, 59, 60, 61, 119, 185} {
			r.at(noon.Add(minute * time.Minute))
			if id := r.put(""); r.head("a@calm") == id {
				moved = append(moved, step)
			}
		}
		if !slices.Equal(moved, []int{2, 5}) {
			t.Errorf("moved at %v", moved)
		}
	})
}
