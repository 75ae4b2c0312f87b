package access_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"pachyderm/api/auth"
	"pachyderm/internal/access"
)

func TestPermission_MatchesWire(t *testing.T) {
	onTheWire := map[string]int32{}
	wire := auth.Permission(0).Descriptor().Values()
	for i := range wire.Len() {
		onTheWire[string(wire.Get(i).Name())] = int32(wire.Get(i).Number())
	}
	here := map[string]int32{}
	for _, p := range access.Permissions() {
		here[p.String()] = int32(p)
		if parsed, err := access.ParsePermission(p.String()); err != nil || parsed != p {
			t.Errorf("ParsePermission(%q) = %v, %v", p, parsed, err)
		}
	}
	if diff := cmp.Diff(onTheWire, here); diff != "" {
		t.Errorf("(-wire +access):\n%s", diff)
	}
}

func TestResourceType_MatchesWire(t *testing.T) {
	wire := auth.ResourceType(0).Descriptor().Values()
	for i := range wire.Len() {
		v := wire.Get(i)
		if got := access.ResourceType(v.Number()).String(); got != string(v.Name()) {
			t.Errorf("type %d = %q, want %q", v.Number(), got, v.Name())
		}
	}
	for _, n := range []protoreflect.EnumNumber{-1, 6} {
		if got, want := access.ResourceType(n).String(), auth.ResourceType(n).String(); got != want {
			t.Errorf("type %d = %q, want %q", n, got, want)
		}
	}
}

func TestParsePermission_Unknown(t *testing.T) {
	if p, err := access.ParsePermission("repo_read"); err == nil {
		t.Errorf("repo_read was taken for %v", p)
	}
}

// A newer client may ask for what this server does not know: the answer has to
// be no.
func TestPermission_OutsideTheTable(t *testing.T) {
	for _, p := range []access.Permission{-1, 1, 99, 106, 130, 500, 502, 1 << 30} {
		if got := access.SetOf(p); got != access.SetOf(access.PermissionUnknown) {
			t.Errorf("SetOf(%d) = %v", int32(p), got)
		}
	}
	if got := access.Permission(106).String(); got != "106" {
		t.Errorf("String = %q", got)
	}
	for _, r := range access.Roles() {
		if access.SetOf(r.Permissions...).Has(access.PermissionUnknown) {
			t.Errorf("%s grants PERMISSION_UNKNOWN", r.Name)
		}
	}
}

func TestPermissionSet(t *testing.T) {
	all := access.SetOf(access.Permissions()...)
	if got := all.Len(); got != 75 {
		t.Errorf("all permissions are %d, want 75", got)
	}
	if diff := cmp.Diff(access.Permissions(), all.List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	// One from each word.
	a, b := access.ClusterModifyBindings, access.JobSkipCtx
	s := access.SetOf(b, a, b)
	if !s.Has(a) || !s.Has(b) || s.Has(access.RepoRead) || s.Len() != 2 {
		t.Errorf("SetOf = %v", s)
	}
	if got, want := s.String(), "[CLUSTER_MODIFY_BINDINGS JOB_SKIP_CTX]"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	if got := s.Minus(access.SetOf(a)); got != access.SetOf(b) {
		t.Errorf("Minus = %v", got)
	}
	if got := s.Intersect(access.SetOf(a, access.RepoRead)); got != access.SetOf(a) {
		t.Errorf("Intersect = %v", got)
	}
	if got := access.SetOf(a).Union(access.SetOf(b)); got != s {
		t.Errorf("Union = %v", got)
	}
	if !all.Contains(s) || s.Contains(all) || !s.Contains(s) || !s.Contains(access.PermissionSet{}) {
		t.Error("Contains is wrong")
	}
}
