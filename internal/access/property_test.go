package access

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/principal"
)

// world is a random set of bindings and a question about it, made from bytes so
// that the fuzzer can steer.
type world struct {
	bindings []Binding
	subject  principal.Name
	groups   []principal.Name
	on       Resource
	need     []Permission
}

func worldFrom(data []byte) world {
	next := func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
	principals := []principal.Name{alice, bob, carol, robot, root, engineers, admins, "group:c/x", principal.Everyone}
	bindable := []Resource{cluster(), project("p"), project("q"), repo("p/a"), repo("p/b"), repo("q/a"), repo("r/a")}
	asked := append(slices.Clone(bindable), spec("p/a"), spec("r/a"), spec("x/y"), job7, project("x"), repo("p"), repo("p/a/b"), Resource{})
	roles, permissions := roleTable, allPermissions()

	var w world
	w.subject = append(slices.Clone(principals), "")[next(len(principals)+1)]
	w.on = asked[next(len(asked))]
	for range next(5) {
		w.groups = append(w.groups, principals[next(len(principals))])
	}
	for range next(24) {
		w.bindings = append(w.bindings, bind(bindable[next(len(bindable))], principals[next(len(principals))], roles[next(len(roles))].Name))
	}
	// What one binding gives, so that it is often allowed, and sometimes anything.
	from := permissions
	if len(w.bindings) > 0 && next(8) != 0 {
		b := w.bindings[next(len(w.bindings))]
		given := slices.DeleteFunc(slices.Clone(roleNamed(b.Roles[0]).Permissions), func(p Permission) bool { return !about(p, b.Resource.Type) })
		if len(given) > 0 {
			from = given
		}
		if next(4) == 0 {
			w.on, w.subject = b.Resource, b.Principal
		}
	}
	for range next(4) {
		w.need = append(w.need, from[next(len(from))])
	}
	return w
}

// reference follows the rules as they are written down, with none of the
// machinery: it returns each permission that the subject has, and the roles it
// has, with what each gives.
func reference(w world) (map[Permission]bool, map[string]PermissionSet) {
	granted, held := map[Permission]bool{}, map[string]PermissionSet{}
	if w.subject == "" {
		return granted, held
	}
	give := func(role string, at ResourceType) {
		gives := held[role]
		for _, p := range roleNamed(role).Permissions {
			if about(p, at) {
				granted[p] = true
				gives = gives.union(SetOf(p))
			}
		}
		held[role] = gives
	}
	on := w.on
	if on.Type == SpecRepo {
		give("repoReader", Repo)
		on.Type = Repo
	}
	way := []Resource{cluster()}
	if parts := strings.Split(on.Name, "/"); on.Type == Repo && len(parts) == 2 {
		way = append(way, project(parts[0]))
	}
	if on.Type != Cluster {
		way = append(way, on)
	}
	for _, at := range way {
		for _, b := range w.bindings {
			if b.Resource != at {
				continue
			}
			byGroup := strings.HasPrefix(string(b.Principal), "group:") && slices.Contains(w.groups, b.Principal)
			if b.Principal == w.subject || b.Principal == principal.Everyone || byGroup {
				give(b.Roles[0], at.Type)
			}
		}
	}
	return granted, held
}

// about reports by the name of a permission whether it is about such a resource.
func about(p Permission, t ResourceType) bool {
	inRepo := strings.HasPrefix(p.String(), "REPO_") || p == PipelineListJob
	inProject := strings.HasPrefix(p.String(), "PROJECT_") && p != ProjectCreate
	return t == Cluster || inRepo || t == Project && inProject
}

func checkWorld(t *testing.T, w world) {
	t.Helper()
	ix := mustIndex(t, w.bindings)
	need := SetOf(w.need...)
	got := ix.Decide(w.subject, w.groups, w.on, need)
	granted, held := reference(w)

	want := Decision{Allowed: true}
	for _, p := range need.List() {
		if granted[p] {
			want.Satisfied = want.Satisfied.union(SetOf(p))
		} else {
			want.Missing = want.Missing.union(SetOf(p))
			want.Allowed = false
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%+v: the reference disagrees (-reference +Decide):\n%s", w, diff)
	}

	backwards := slices.Clone(w.groups)
	slices.Reverse(backwards)
	if again := ix.Decide(w.subject, backwards, w.on, need); again != got {
		t.Fatalf("%+v: the order of groups matters: %+v, %+v", w, got, again)
	}
	checkGrowth(t, w, got, need)
	checkEffective(t, w, ix, held)
	for _, p := range append(w.need, RepoRead, ClusterModifyBindings) {
		checkExplanation(t, w, ix, p)
	}
	checkSet(t, w, ix)
}

// A binding more never is a permission less.
func checkGrowth(t *testing.T, w world, after Decision, need PermissionSet) {
	t.Helper()
	if len(w.bindings) == 0 {
		return
	}
	fewer := mustIndex(t, w.bindings[:len(w.bindings)-1])
	before := fewer.Decide(w.subject, w.groups, w.on, need)
	if !after.Satisfied.contains(before.Satisfied) {
		t.Fatalf("%+v: the last binding took away %v", w, before.Satisfied.minus(after.Satisfied))
	}
}

func checkEffective(t *testing.T, w world, ix *Index, held map[string]PermissionSet) {
	t.Helper()
	shownFor := w.on.Type
	if shownFor == SpecRepo {
		shownFor = Repo
	}
	wantNames := []string{}
	var want PermissionSet
	for name, gives := range held {
		if r := roleNamed(name); slices.Contains(r.ReturnedFor, shownFor) {
			wantNames = append(wantNames, name)
			want = want.union(gives)
		}
	}
	slices.Sort(wantNames)
	names, got := ix.Effective(w.subject, w.groups, w.on)
	if diff := cmp.Diff(wantNames, names); diff != "" || got != want {
		t.Fatalf("%+v: effective permissions %v, want %v; roles (-reference +Effective):\n%s", w, got, want, diff)
	}
}

func checkExplanation(t *testing.T, w world, ix *Index, p Permission) {
	t.Helper()
	e := ix.Explain(w.subject, w.groups, w.on, p)
	d := ix.Decide(w.subject, w.groups, w.on, SetOf(p))
	if e.Allowed != d.Allowed {
		t.Fatalf("%+v: %s is decided %+v but explained %+v", w, p, d, e)
	}
	alone := func(g Grant) bool {
		if g.Resource.Type == SpecRepo {
			return mustIndex(t, nil).Decide(w.subject, w.groups, w.on, SetOf(p)).Allowed
		}
		only := mustIndex(t, []Binding{bind(g.Resource, g.Principal, g.Role)})
		return only.Decide(w.subject, w.groups, w.on, SetOf(p)).Allowed
	}
	for _, g := range e.Grants {
		if !alone(g) {
			t.Fatalf("%+v: %s is said to come from %+v, which does not give it", w, p, g)
		}
	}
	for _, g := range e.Suggestions {
		if !roleNamed(g.Role).bindableTo(g.Resource.Type) || !alone(g) {
			t.Fatalf("%+v: %+v is suggested for %s, but is not meant for that or would not give it", w, g, p)
		}
	}
	possible := w.subject != "" && len(RolesWith(p)) > 0
	if got := len(e.Grants) > 0 || len(e.Suggestions) > 0; got != possible {
		t.Fatalf("%+v: %s explained %+v, but possible is %t", w, p, e, possible)
	}
}

// Change by change must lead to where newIndex leads at once.
func checkSet(t *testing.T, w world, want *Index) {
	t.Helper()
	type entry struct {
		on  Resource
		who principal.Name
	}
	roles := map[entry][]string{}
	ix := mustIndex(t, nil)
	for _, b := range w.bindings {
		e := entry{b.Resource, b.Principal}
		roles[e] = append(roles[e], b.Roles...)
		ix = mustSet(t, ix, e.on, e.who, roles[e]...)
	}
	for e := range roles {
		if diff := cmp.Diff(want.Bindings(e.on), ix.Bindings(e.on)); diff != "" {
			t.Fatalf("%+v: %s (-newIndex +replace):\n%s", w, e.on, diff)
		}
	}
}

func TestDecide_AgreesWithReference(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	const worlds = 5000
	allowed := 0
	for range worlds {
		var data [128]byte
		_, _ = random.Read(data[:])
		w := worldFrom(data[:])
		checkWorld(t, w)
		if len(w.need) > 0 && mustIndex(t, w.bindings).Decide(w.subject, w.groups, w.on, SetOf(w.need...)).Allowed {
			allowed++
		}
	}
	// Worlds in which all is denied, or all allowed, would prove little.
	if allowed < worlds/10 || allowed > worlds*9/10 {
		t.Errorf("%d of %d random questions were allowed", allowed, worlds)
	}
}

func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x03\x01\x32\x01\x05\x02\x03\x00\x00\x03\x05\x01"))
	f.Add([]byte("alice reads p/a by a group on the project"))
	f.Fuzz(func(t *testing.T, data []byte) { checkWorld(t, worldFrom(data)) })
}

func TestDecide_ClusterAdminMayDoEverything(t *testing.T) {
	d := sample(t).Decide(root, nil, cluster(), SetOf(allPermissions()...))
	if diff := cmp.Diff([]Permission{PermissionUnknown}, d.Missing.List()); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
}
