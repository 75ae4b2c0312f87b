package auth_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

func (h *env) wantMembers(group string, want ...string) {
	h.t.Helper()
	got, err := h.API.Auth.GetUsers(h.Root(), &authpb.GetUsersRequest{Group: group})
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
			_, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: group, Add: add, Remove: remove})
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
			h.WantGroups("robot:alice", step.alice...)
			h.WantGroups("robot:bob", step.bob...)
		}
		h.wantMembers("engineering", "robot:bob")
		h.wantMembers("group:engineering", "robot:bob")
		h.wantMembers("organization")
		h.wantMembers("", "robot:bob")

		_, err := h.API.Auth.GetUsers(h.Root(), &authpb.GetUsersRequest{Group: "nosuch"})
		pachdtest.Want(t, err, codes.NotFound, "not found")
		pachdtest.Want(t, modify("group:x", []string{"alice"}, nil), codes.InvalidArgument, "subject has no prefix, must be of the form <type>:<name>")
		pachdtest.Want(t, modify("group:x", nil, []string{"person:alice"}), codes.InvalidArgument, "subject has unrecognized prefix: person:")
		pachdtest.Want(t, modify("group:x", []string{"group:y"}, nil), codes.InvalidArgument, "cannot be in a group")
		pachdtest.Want(t, modify("group:x", []string{"allClusterUsers"}, nil), codes.InvalidArgument, "cannot be in a group")
		pachdtest.Want(t, modify("robot:x", []string{"robot:alice"}, nil), codes.InvalidArgument, "is not a group")
		pachdtest.Want(t, modify("", []string{"robot:alice"}, nil), codes.InvalidArgument)

		all, err := h.API.Pach.ListGroups(h.Root(), &pachpb.ListGroupsRequest{})
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
			if _, err := h.API.Auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: "robot:alice", Groups: groups}); err != nil {
				t.Fatal(err)
			}
			h.WantGroups("robot:alice", groups...)
			for _, g := range groups {
				h.wantMembers(g, "robot:alice")
			}
			own, err := h.API.Auth.GetGroups(robot, &authpb.GetGroupsRequest{})
			if diff := cmp.Diff(groups, own.GetGroups()); err != nil || diff != "" {
				t.Errorf("her own: %v\n%s", err, diff)
			}
		}
		own, err := h.API.Auth.GetGroups(h.Root(), &authpb.GetGroupsRequest{})
		if err != nil || len(own.GetGroups()) != 0 {
			t.Errorf("groups of root: %v, %v", own, err)
		}
		_, err = h.API.Auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: "alice", Groups: []string{"group:x"}})
		pachdtest.Want(t, err, codes.InvalidArgument, "subject has no prefix")
	})
}

func TestGroupMembership_PrefixOptional(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		robot, _ := h.Robot("ci", 0)
		if err := h.Bind(pachdtest.Cluster(), "group:debuggers", "debugger"); err != nil {
			t.Fatal(err)
		}
		may := func() bool {
			res, err := h.API.Auth.Authorize(robot, &authpb.AuthorizeRequest{Resource: pachdtest.Cluster(), Permissions: []authpb.Permission{authpb.Permission_CLUSTER_DEBUG_DUMP}})
			if err != nil {
				t.Fatal(err)
			}
			return res.GetAuthorized()
		}
		for _, written := range []string{"debuggers", "group:debuggers"} {
			if may() {
				t.Fatalf("%s: before", written)
			}
			if _, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: written, Add: []string{"robot:ci"}}); err != nil {
				t.Fatal(err)
			}
			if !may() {
				t.Errorf("%s: the role of the group is not lent", written)
			}
			if _, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: written, Remove: []string{"robot:ci"}}); err != nil {
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
		if _, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "group:manual", Add: []string{pachdtest.Alice}}); err != nil {
			t.Fatal(err)
		}
		h.Alice()
		h.WantGroups(pachdtest.Alice, "group:admins", "group:engineers", "group:manual")

		if _, err := h.API.Auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: pachdtest.Alice}); err != nil {
			t.Fatal(err)
		}
		h.WantGroups(pachdtest.Alice, "group:admins", "group:engineers")
		_, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "group:admins", Remove: []string{pachdtest.Alice}})
		pachdtest.Want(t, err, codes.FailedPrecondition, "connector/demo")
		h.WantGroups(pachdtest.Alice, "group:admins", "group:engineers")
	})
}
