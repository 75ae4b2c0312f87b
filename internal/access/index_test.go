package access

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
)

// mustSet is the index after a principal's roles on r were set, as the database
// has them then: to take roles away makes nothing known.
func mustSet(t testing.TB, ix *Index, r Resource, who principal.Name, roles ...string) *Index {
	t.Helper()
	bindings := slices.DeleteFunc(ix.Bindings(r), func(b Binding) bool { return b.Principal == who })
	next, err := ix.Replace(r, append(bindings, bind(r, who, roles...)), ix.Known(r) || len(roles) > 0)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestReplace_AllRoles(t *testing.T) {
	for _, who := range []principal.Name{alice, principal.Everyone, engineers} {
		for _, on := range []Resource{cluster(), project("p"), repo("p/r")} {
			ix := mustSet(t, mustIndex(t, nil), on, who, "repoOwner", "repoReader")
			if diff := cmp.Diff([]Binding{bind(on, who, "repoOwner", "repoReader")}, ix.Bindings(on)); diff != "" {
				t.Errorf("%s on %s (-want +got):\n%s", who, on, diff)
			}
			ix = mustSet(t, ix, on, who, "repoWriter")
			if diff := cmp.Diff([]Binding{bind(on, who, "repoWriter")}, ix.Bindings(on)); diff != "" {
				t.Errorf("%s on %s, replaced (-want +got):\n%s", who, on, diff)
			}
			ix = mustSet(t, ix, on, who)
			if got := ix.Bindings(on); len(got) != 0 || !ix.Known(on) {
				t.Errorf("%s on %s, removed: %v, known %t", who, on, got, ix.Known(on))
			}
		}
	}
}

func TestIndex_Immutable(t *testing.T) {
	before := sample(t)
	resources := []Resource{cluster(), project("default"), repo("default/images"), repo("new/repo")}
	var want [][]Binding
	for _, r := range resources {
		want = append(want, before.Bindings(r))
	}
	for _, r := range resources {
		for _, who := range []principal.Name{alice, engineers, principal.Everyone, root} {
			mustSet(t, before, r, who, "repoOwner")
			mustSet(t, before, r, who)
		}
	}
	for i, r := range resources {
		if diff := cmp.Diff(want[i], before.Bindings(r)); diff != "" {
			t.Errorf("%s has changed (-want +got):\n%s", r, diff)
		}
	}
	if before.Known(repo("new/repo")) {
		t.Error("new/repo is known to the old index")
	}
}

func TestIndex_RemoveUnknown(t *testing.T) {
	ix := mustSet(t, sample(t), repo("no/such"), alice)
	if ix.Known(repo("no/such")) {
		t.Error("no/such has become known")
	}
	ix = mustSet(t, sample(t), repo("default/images"), carol)
	if diff := cmp.Diff(sample(t).Bindings(repo("default/images")), ix.Bindings(repo("default/images"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIndex_Known(t *testing.T) {
	ix := sample(t)
	for r, want := range map[Resource]bool{
		cluster():              true,
		project("default"):     true,
		project("orphan"):      false,
		repo("default/images"): true,
		repo("default/empty"):  true,
		spec("default/images"): true,
		repo("default/none"):   false,
		job7:                   false,
	} {
		if got := ix.Known(r); got != want {
			t.Errorf("Known(%s) = %t, want %t", r, got, want)
		}
	}
	if got := ix.Bindings(project("orphan")); got != nil {
		t.Errorf("orphan has %v", got)
	}
}

func TestIndex_Bindings(t *testing.T) {
	ix := mustIndex(t, []Binding{
		bind(repo("p/r"), robot, "repoReader"),
		bind(repo("p/r"), principal.Everyone, "repoReader"),
		bind(repo("p/r"), alice, "repoWriter"),
		bind(repo("p/r"), alice, "repoOwner"),
		bind(repo("p/r"), bob),
	})
	want := []Binding{
		bind(repo("p/r"), principal.Everyone, "repoReader"),
		bind(repo("p/r"), robot, "repoReader"),
		bind(repo("p/r"), alice, "repoOwner", "repoWriter"),
	}
	if diff := cmp.Diff(want, ix.Bindings(repo("p/r"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestIndex_RefusesUnusableBindings(t *testing.T) {
	for _, c := range []struct {
		b    Binding
		want string
	}{
		{bind(repo("images"), alice, "repoReader"), "invalid resource name images"},
		{bind(project("a/b"), alice, "repoReader"), "invalid resource name a/b"},
		{bind(Resource{Type: Cluster, Name: "x"}, alice, "clusterAdmin"), "the CLUSTER has no name"},
		{bind(job7, alice, "jobAdmin"), "unknown resource type JOB"},
		{bind(spec("p/r"), alice, "repoReader"), "unknown resource type SPEC_REPO"},
		{bind(cluster(), alice, "clusterOwner"), `unknown role "clusterOwner"`},
	} {
		if _, err := newIndex([]Binding{c.b}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("newIndex(%v): %v, want %q", c.b, err, c.want)
		}
		if _, err := sample(t).Replace(c.b.Resource, []Binding{c.b}, true); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("replace(%v): %v, want %q", c.b, err, c.want)
		}
	}
	if _, err := newIndex(nil, job7); !fault.Is(err, fault.Invalid) {
		t.Errorf("newIndex with a known job: %v", err)
	}
}

// Alice's role moves between the levels, always granted on the next before it
// is taken from the last: whoever reads at any moment finds it.
func TestIndex_ConcurrentReaders(t *testing.T) {
	var current atomic.Pointer[Index]
	current.Store(mustIndex(t, []Binding{bind(cluster(), alice, "repoReader")}))

	var done atomic.Bool
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() {
				d := current.Load().Decide(alice, nil, repo("p/r"), SetOf(RepoRead))
				if !d.Allowed {
					t.Error("alice was denied")
					return
				}
			}
		})
	}
	levels := []Resource{cluster(), project("p"), repo("p/r")}
	for i := range 2000 {
		from, to := levels[i%3], levels[(i+1)%3]
		current.Store(mustSet(t, current.Load(), to, alice, "repoReader"))
		current.Store(mustSet(t, current.Load(), repo(fmt.Sprintf("p/r%d", i)), bob, "repoReader"))
		current.Store(mustSet(t, current.Load(), from, alice))
	}
	done.Store(true)
	readers.Wait()
}
