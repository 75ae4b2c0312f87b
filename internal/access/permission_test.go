package access

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	"pachyderm/api/auth"
)

// allPermissions are those of the table, PermissionUnknown first.
func allPermissions() []Permission {
	var all []Permission
	for _, known := range permissionNames {
		all = append(all, known.permission)
	}
	return all
}

// String names what a failed test got.
func (s PermissionSet) String() string { return fmt.Sprint(s.List()) }

func TestPermission_MatchesWire(t *testing.T) {
	onTheWire := map[string]int32{}
	wire := auth.Permission(0).Descriptor().Values()
	for i := range wire.Len() {
		onTheWire[string(wire.Get(i).Name())] = int32(wire.Get(i).Number())
	}
	here := map[string]int32{}
	for _, p := range allPermissions() {
		here[p.String()] = int32(p)
	}
	if diff := cmp.Diff(onTheWire, here); diff != "" {
		t.Errorf("(-wire +access):\n%s", diff)
	}
}

func TestResourceType_MatchesWire(t *testing.T) {
	wire := auth.ResourceType(0).Descriptor().Values()
	for i := range wire.Len() {
		v := wire.Get(i)
		if got := ResourceType(v.Number()).String(); got != string(v.Name()) {
			t.Errorf("type %d = %q, want %q", v.Number(), got, v.Name())
		}
	}
	for _, n := range []protoreflect.EnumNumber{-1, 6} {
		if got, want := ResourceType(n).String(), auth.ResourceType(n).String(); got != want {
			t.Errorf("type %d = %q, want %q", n, got, want)
		}
	}
}

// A newer client may ask for what this server does not know: the answer has to
// be no.
func TestPermission_OutsideTheTable(t *testing.T) {
	for _, p := range []Permission{-1, 1, 99, 106, 130, 500, 502, 1 << 30} {
		if got := SetOf(p); got != SetOf(PermissionUnknown) {
			t.Errorf("SetOf(%d) = %v", int32(p), got)
		}
	}
	if got := Permission(106).String(); got != "106" {
		t.Errorf("String = %q", got)
	}
	for _, r := range roleTable {
		if SetOf(r.Permissions...).has(PermissionUnknown) {
			t.Errorf("%s grants PERMISSION_UNKNOWN", r.Name)
		}
	}
}

func TestPermissionSet(t *testing.T) {
	all := SetOf(allPermissions()...)
	if got := all.len(); got != 75 {
		t.Errorf("all permissions are %d, want 75", got)
	}
	if diff := cmp.Diff(allPermissions(), all.List()); diff != "" {
		t.Errorf("List (-want +got):\n%s", diff)
	}
	// One from each word.
	a, b := ClusterModifyBindings, JobSkipCtx
	s := SetOf(b, a, b)
	if !s.has(a) || !s.has(b) || s.has(RepoRead) || s.len() != 2 {
		t.Errorf("SetOf = %v", s)
	}
	if got := s.minus(SetOf(a)); got != SetOf(b) {
		t.Errorf("Minus = %v", got)
	}
	if got := SetOf(a).union(SetOf(b)); got != s {
		t.Errorf("Union = %v", got)
	}
	if !all.contains(s) || s.contains(all) || !s.contains(s) || !s.contains(PermissionSet{}) {
		t.Error("Contains is wrong")
	}
}
