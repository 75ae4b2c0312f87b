package rpc_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
)

func (h *env) wantGroups(who string, want ...string) {
	h.t.Helper()
	got, err := h.auth.GetGroupsForPrincipal(h.Root(), &authpb.GetGroupsForPrincipalRequest{Principal: who})
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.GetGroups()); diff != "" {
		h.t.Errorf("groups of %s (-want +got):\n%s", who, diff)
	}
}

func (h *env) wantMembers(group string, want ...string) {
	h.t.Helper()
	got, err := h.auth.GetUsers(h.Root(), &authpb.GetUsersRequest{Group: group})
	if err != nil {
		h.t.Fatal(err)
	}
	slices.Sort(got.Usernames)
	if diff := cmp.Diff(want, got.GetUsernames()); diff != "" {
		h.t.Errorf("members of %q (-want +got):\n%s", group, diff)
	}
}

// Upstream's TestModifyMembers, one request after the other.
func TestModifyMembers(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		modify := func(group string, add, remove []string) error {
			_, err := h.auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: group, Add: add, Remove: remove})
			return err
		}
		for n, step := range []struct {
			group       string
			add, remove []string
			alice, bob  []string
		}{
			{"organization", []string{"robot:alice"}, nil, []string{"organization"}, nil},
			{"organization", []string{"robot:alice"}, nil, []string{"organization"}, nil},
			{"engineering", []string{"robot:alice", "robot:bob"}, nil, []string{"engineering", "organization"}, []string{"engineering"}},
			{"security", []string{"robot:bob"}, []string{"robot:alice"}, []string{"engineering", "organization"}, []string{"engineering", "security"}},
			{"engineering", nil, []string{"robot:alice"}, []string{"organization"}, []string{"engineering", "security"}},
			{"engineering", []string{"robot:alice"}, []string{"robot:alice"}, []string{"organization"}, []string{"engineering", "security"}},
			{"engineering", nil, nil, []string{"organization"}, []string{"engineering", "security"}},
			{"organization", nil, []string{"robot:alice"}, nil, []string{"engineering", "security"}},
		} {
			if err := modify(step.group, step.add, step.remove); err != nil {
				t.Fatalf("step %d: %v", n, err)
			}
			h.wantGroups("robot:alice", step.alice...)
			h.wantGroups("robot:bob", step.bob...)
		}
		h.wantMembers("engineering", "robot:bob")
		h.wantMembers("group:engineering", "robot:bob")
		h.wantMembers("organization")
		h.wantMembers("", "robot:bob")

		_, err := h.auth.GetUsers(h.Root(), &authpb.GetUsersRequest{Group: "nosuch"})
		want(t, err, codes.NotFound, "not found")
		want(t, modify("group:x", []string{"alice"}, nil), codes.InvalidArgument, "subject has no prefix, must be of the form <type>:<name>")
		want(t, modify("group:x", nil, []string{"person:alice"}), codes.InvalidArgument, "subject has unrecognized prefix: person:")
		want(t, modify("group:x", []string{"group:y"}, nil), codes.InvalidArgument, "cannot be in a group")
		want(t, modify("group:x", []string{"allClusterUsers"}, nil), codes.InvalidArgument, "cannot be in a group")
		want(t, modify("robot:x", []string{"robot:alice"}, nil), codes.InvalidArgument, "is not a group")
		want(t, modify("", []string{"robot:alice"}, nil), codes.InvalidArgument)

		all, err := h.pach.ListGroups(h.Root(), &pachpb.ListGroupsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		sizes := map[string]int64{}
		for _, g := range all.GetGroups() {
			sizes[g.GetName()] = g.GetMembers()
		}
		if diff := cmp.Diff(map[string]int64{"group:organization": 0, "group:engineering": 1, "group:security": 1}, sizes); diff != "" {
			t.Errorf("groups (-want +got):\n%s", diff)
		}
	})
}

// Upstream's TestSetGroupsForUser and TestGetOwnGroups.
func TestSetGroupsForUser(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("alice", 0)
		for _, groups := range [][]string{{"engineering"}, {"engineering", "group:security"}, {"group:security"}, nil} {
			if _, err := h.auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: "robot:alice", Groups: groups}); err != nil {
				t.Fatal(err)
			}
			h.wantGroups("robot:alice", groups...)
			for _, g := range groups {
				h.wantMembers(g, "robot:alice")
			}
			own, err := h.auth.GetGroups(robot, &authpb.GetGroupsRequest{})
			if diff := cmp.Diff(groups, own.GetGroups()); err != nil || diff != "" {
				t.Errorf("her own: %v\n%s", err, diff)
			}
		}
		own, err := h.auth.GetGroups(h.Root(), &authpb.GetGroupsRequest{})
		if err != nil || len(own.GetGroups()) != 0 {
			t.Errorf("groups of root: %v, %v", own, err)
		}
		_, err = h.auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: "alice", Groups: []string{"group:x"}})
		want(t, err, codes.InvalidArgument, "subject has no prefix")
	})
}

func TestGroupMembership_PrefixOptional(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("ci", 0)
		if err := h.Bind(cluster(), "group:debuggers", "debugger"); err != nil {
			t.Fatal(err)
		}
		may := func() bool {
			res, err := h.auth.Authorize(robot, &authpb.AuthorizeRequest{Resource: cluster(), Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
			if err != nil {
				t.Fatal(err)
			}
			return res.GetAuthorized()
		}
		for _, written := range []string{"debuggers", "group:debuggers"} {
			if may() {
				t.Fatalf("%s: before", written)
			}
			if _, err := h.auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: written, Add: []string{"robot:ci"}}); err != nil {
				t.Fatal(err)
			}
			if !may() {
				t.Errorf("%s: the role of the group is not lent", written)
			}
			if _, err := h.auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: written, Remove: []string{"robot:ci"}}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Pitfall 33: a login wiped what an administrator had said.
func TestGroupMembership_Sources(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		const alice = "user:alice@example.com"
		if _, err := h.auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "group:manual", Add: []string{alice}}); err != nil {
			t.Fatal(err)
		}
		h.Alice()
		h.wantGroups(alice, "group:admins", "group:engineers", "group:manual")

		if _, err := h.auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: alice}); err != nil {
			t.Fatal(err)
		}
		h.wantGroups(alice, "group:admins", "group:engineers")
		_, err := h.auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "group:admins", Remove: []string{alice}})
		want(t, err, codes.FailedPrecondition, "connector/demo")
		h.wantGroups(alice, "group:admins", "group:engineers")
	})
}
