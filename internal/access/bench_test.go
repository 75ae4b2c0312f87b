package access

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"pachyderm/internal/principal"
)

const (
	benchUsers    = 10_000
	benchGroups   = 1_000
	benchProjects = 200
	perRepo       = 10
)

// question is precomputed as far as any engine could wish.
type question struct {
	subject principal.Name
	groups  []principal.Name
	on      Resource
	project string
	need    PermissionSet
}

// organisation has ten bindings on each repository, seven of ten by group, and
// every user in five groups.
type organisation struct {
	bindings []Binding
	groups   [][]principal.Name
}

func newOrganisation(bindings int, random *rand.Rand) organisation {
	o := organisation{groups: make([][]principal.Name, benchUsers)}
	for u := range o.groups {
		for range 5 {
			o.groups[u] = append(o.groups[u], groupNo(random.IntN(benchGroups)))
		}
	}
	o.bindings = []Binding{
		bind(cluster(), principal.Root, "clusterAdmin"),
		bind(cluster(), "internal:auth-server", "clusterAdmin"),
		bind(cluster(), principal.Everyone, "projectCreator"),
		bind(cluster(), "group:administrators", "clusterAdmin"),
	}
	for p := range benchProjects {
		o.bindings = append(o.bindings, bind(project(projectNo(p)), userNo(random.IntN(benchUsers)), "projectOwner"))
	}
	roles := []string{"repoReader", "repoReader", "repoWriter"}
	for r := 0; len(o.bindings) < bindings; r++ {
		on := repo(fmt.Sprintf("%s/repository-%06d", projectNo(r%benchProjects), r))
		o.bindings = append(o.bindings, bind(on, userNo(random.IntN(benchUsers)), "repoOwner"))
		for range perRepo - 1 {
			who := userNo(random.IntN(benchUsers))
			if random.IntN(10) < 7 {
				who = groupNo(random.IntN(benchGroups))
			}
			o.bindings = append(o.bindings, bind(on, who, roles[random.IntN(len(roles))]))
		}
	}
	return o
}

func userNo(n int) principal.Name {
	return principal.Name(fmt.Sprintf("user:person-%05d@example.com", n))
}
func groupNo(n int) principal.Name { return principal.Name(fmt.Sprintf("group:team-%04d", n)) }
func projectNo(n int) string       { return fmt.Sprintf("project-%03d", n) }

// questions are 4096 with the same answer, spread over the whole organisation.
// An allowed one is granted on the repository, by group where possible.
func (o organisation) questions(ix *Index, allowed bool, random *rand.Rand) []question {
	members := map[principal.Name][]int{}
	for u, groups := range o.groups {
		members[userNo(u)] = []int{u}
		for _, g := range groups {
			members[g] = append(members[g], u)
		}
	}
	var qs []question
	for len(qs) < 4096 {
		b := o.bindings[random.IntN(len(o.bindings))]
		if b.Resource.Type != Repo {
			continue
		}
		u := random.IntN(benchUsers)
		if who := members[b.Principal]; allowed && len(who) > 0 {
			u = who[random.IntN(len(who))]
		}
		q := question{subject: userNo(u), groups: o.groups[u], on: b.Resource, need: SetOf(RepoRead)}
		q.project, _, _ = strings.Cut(q.on.Name, "/")
		if ix.Decide(q.subject, q.groups, q.on, q.need).Allowed == allowed {
			qs = append(qs, q)
		}
	}
	return qs
}

// bitSets is the floor: permissions per resource and principal, indexed
// beforehand, with nothing else to tell.
type bitSets struct {
	cluster  map[principal.Name]PermissionSet
	projects map[string]map[principal.Name]PermissionSet
	repos    map[string]map[principal.Name]PermissionSet
}

func newBitSets(bindings []Binding) bitSets {
	s := bitSets{
		cluster:  map[principal.Name]PermissionSet{},
		projects: map[string]map[principal.Name]PermissionSet{},
		repos:    map[string]map[principal.Name]PermissionSet{},
	}
	for _, b := range bindings {
		on := s.cluster
		for t, named := range map[ResourceType]map[string]map[principal.Name]PermissionSet{Project: s.projects, Repo: s.repos} {
			if b.Resource.Type == t {
				if named[b.Resource.Name] == nil {
					named[b.Resource.Name] = map[principal.Name]PermissionSet{}
				}
				on = named[b.Resource.Name]
			}
		}
		for _, name := range b.Roles {
			r := roleNamed(name)
			on[b.Principal] = on[b.Principal].union(SetOf(r.Permissions...))
		}
	}
	return s
}

func (s bitSets) allowed(q *question) bool {
	var have PermissionSet
	for _, at := range [...]map[principal.Name]PermissionSet{s.cluster, s.projects[q.project], s.repos[q.on.Name]} {
		have = have.union(at[q.subject]).union(at[principal.Everyone])
		for _, g := range q.groups {
			have = have.union(at[g])
		}
		if have.contains(q.need) {
			return true
		}
	}
	return false
}

// BenchmarkDecide is read as ratios: Decide to the bit sets, and a million
// bindings to a thousand.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		random := rand.New(rand.NewPCG(1, 2))
		o := newOrganisation(n, random)
		ix := mustIndex(b, o.bindings)
		floor := newBitSets(o.bindings)
		for _, allowed := range []bool{true, false} {
			qs := o.questions(ix, allowed, random)
			name := fmt.Sprintf("bindings=%d/allow=%t", n, allowed)
			// Or the first to run pays for the garbage of the preparations.
			runtime.GC()
			b.Run(name+"/decide", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					q := &qs[i%len(qs)]
					if ix.Decide(q.subject, q.groups, q.on, q.need).Allowed != allowed {
						b.Fatal("decided otherwise")
					}
				}
			})
			b.Run(name+"/bitsets", func(b *testing.B) {
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if floor.allowed(&qs[i%len(qs)]) != allowed {
						b.Fatal("decided otherwise")
					}
				}
			})
		}
	}
}

// BenchmarkIndex is what it costs to start.
func BenchmarkIndex(b *testing.B) {
	o := newOrganisation(100_000, rand.New(rand.NewPCG(1, 2)))
	b.ReportAllocs()
	for b.Loop() {
		mustIndex(b, o.bindings)
	}
}

// BenchmarkReplace is what one change costs the writer.
func BenchmarkReplace(b *testing.B) {
	for _, n := range []int{1_000, 100_000, 1_000_000} {
		random := rand.New(rand.NewPCG(1, 2))
		o := newOrganisation(n, random)
		ix := mustIndex(b, o.bindings)
		b.Run(fmt.Sprintf("bindings=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				at := o.bindings[i%len(o.bindings)]
				ix = mustSet(b, ix, at.Resource, at.Principal, at.Roles...)
			}
		})
	}
}
