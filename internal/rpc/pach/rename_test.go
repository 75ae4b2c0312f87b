package pach_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/token"
	"pachyderm/internal/people/trust"
)

const alicia = "user:alicia@example.org"

func (h *env) rename(ctx context.Context, from, to string) error {
	_, err := h.API.Pach.RenameUser(ctx, &pachpb.RenameUserRequest{User: from, NewName: to})
	return err
}

// bound are the roles of a principal, with their resources.
func (h *env) bound(who string) (all []string) {
	h.t.Helper()
	res, err := h.API.Pach.ListRoleBindings(h.Root(), &pachpb.ListRoleBindingsRequest{Principal: who})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, b := range res.GetBindings() {
		for _, role := range b.GetRoles() {
			all = append(all, role+" on "+b.GetResource().GetType().String()+" "+b.GetResource().GetName())
		}
	}
	slices.Sort(all)
	return all
}

// events are the actions that the audit finds.
func (h *env) events(req *pachpb.ListAuditEventsRequest) (all []string) {
	h.t.Helper()
	for {
		res, err := h.API.Pach.ListAuditEvents(h.Root(), req)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, e := range res.GetEvents() {
			all = append(all, e.GetAction()+" of "+e.GetActor())
		}
		if req.PageToken = res.GetNextPageToken(); req.PageToken == "" {
			return all
		}
	}
}

func TestRenameUser_KeepsEverything(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		raw := h.Alice()
		session := pachdtest.As(t.Context(), raw)
		for on, role := range map[*authpb.Resource]string{
			pachdtest.Cluster(): "clusterAdmin", pachdtest.Project("genomics"): "projectOwner", pachdtest.Repo("genomics/reads"): "repoReader",
		} {
			if err := h.Bind(on, pachdtest.Alice, role); err != nil {
				t.Fatal(err)
			}
		}
		roles := h.bound(pachdtest.Alice)
		_, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "staff", Add: []string{pachdtest.Alice}})
		if err != nil {
			t.Fatal(err)
		}
		made, err := h.API.Auth.GetRobotToken(session, &authpb.GetRobotTokenRequest{Robot: "ci"})
		if err != nil {
			t.Fatal(err)
		}
		h.Update(func(tx *db.Tx) error {
			return trust.Create(t.Context(), tx, h.Sessions.By(pachdtest.Alice), trust.Trust{
				ID: "ci", Issuer: "https://ci.example.com", Audience: "pachd", Robot: "robot:ci", CreatedBy: pachdtest.Alice, Created: h.Now(),
			})
		})
		if err := h.rename(h.Root(), pachdtest.Alice, alicia); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time after she has signed in again, with the address that the provider still has
			her := pachdtest.As(t.Context(), raw)
			if who, err := h.WhoAmI(her); err != nil || who.GetUsername() != alicia {
				t.Errorf("her session is %v, %v", who, err)
			}
			if diff := cmp.Diff(roles, h.bound(alicia)); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
			if left := h.bound(pachdtest.Alice); len(left) != 0 {
				t.Errorf("left to the old name: %v", left)
			}
			h.WantGroups(alicia, "group:admins", "group:engineers", "staff")
			h.WantGroups(pachdtest.Alice)
			if _, err := h.API.Auth.ModifyRoleBinding(her, &authpb.ModifyRoleBindingRequest{
				Resource: pachdtest.Project("genomics"), Principal: "robot:ci", Roles: []string{"projectWriter"},
			}); err != nil {
				t.Errorf("as clusterAdmin: %v", err)
			}
			raw = h.Alice()
		}
		if who, err := h.WhoAmI(pachdtest.As(t.Context(), made.GetToken())); err != nil || who.GetUsername() != "robot:ci" {
			t.Errorf("the robot's token: %v, %v", who, err)
		}
		h.Update(func(tx *db.Tx) error {
			robot, _, err := token.PageOf(t.Context(), tx, "robot:ci", db.Page{})
			if err != nil || len(robot) != 1 || robot[0].CreatedBy != alicia {
				t.Errorf("the maker of the robot's token: %v, %v", robot, err)
			}
			trusts, _, err := trust.Page(t.Context(), tx, db.Page{})
			if err != nil || len(trusts) != 1 || trusts[0].CreatedBy != alicia {
				t.Errorf("the maker of the trust: %v, %v", trusts, err)
			}
			return nil
		})
		traces, err := h.API.Pach.ListSignInTraces(h.Root(), &pachpb.ListSignInTracesRequest{User: alicia})
		if err != nil || len(traces.GetTraces()) != 3 {
			t.Errorf("traces of her sign-ins: %d, %v", len(traces.GetTraces()), err)
		}
		users := h.Users()
		if users[pachdtest.Alice] != nil || len(users[alicia].GetIdentities()) != 1 || users[alicia].GetLiveTokens() != 3 {
			t.Errorf("people: %v", users)
		}
	})
}

func TestRenameUser_Audit(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.Alice()
		for _, step := range [][2]string{{pachdtest.Alice, "user:a@example.org"}, {"user:a@example.org", alicia}} {
			if err := h.rename(h.Root(), step[0], step[1]); err != nil {
				t.Fatal(err)
			}
		}
		h.person("alice", 0) // somebody new, who has the address now
		if err := h.SetEnabled(pachdtest.Alice, false); err != nil {
			t.Fatal(err)
		}
		want := []string{"user.rename of pach:root", "user.rename of pach:root"}
		for _, size := range []int32{0, 1} {
			if diff := cmp.Diff(want, h.events(&pachpb.ListAuditEventsRequest{Object: alicia, PageSize: size})); diff != "" {
				t.Errorf("what was done to her (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"login of " + pachdtest.Alice}, h.events(&pachpb.ListAuditEventsRequest{Actor: alicia, Action: "login", PageSize: size})); diff != "" {
				t.Errorf("what she did (-want +got):\n%s", diff)
			}
		}
		if diff := cmp.Diff([]string{"user.disable of pach:root"}, h.events(&pachpb.ListAuditEventsRequest{Object: pachdtest.Alice})); diff != "" {
			t.Errorf("who has the address now (-want +got):\n%s", diff)
		}
	})
}

func TestRenameUser_Refused(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		h.person("bob", day)
		if err := h.Bind(pachdtest.Project("genomics"), "user:carol@example.com", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		if err := h.SetEnabled("user:bob@example.com", false); err != nil {
			t.Fatal(err)
		}
		pachdtest.Want(t, h.rename(session, pachdtest.Alice, alicia), codes.PermissionDenied)
		for _, c := range []struct {
			from, to string
			code     codes.Code
			text     string
		}{
			{pachdtest.Alice, "user:bob@example.com", codes.AlreadyExists, "pachctl idp link " + pachdtest.Alice},
			{pachdtest.Alice, "user:carol@example.com", codes.AlreadyExists, "take its roles"},
			{pachdtest.Alice, "user:ALICE@example.com", codes.InvalidArgument, "has that name already"},
			{pachdtest.Alice, "robot:ci", codes.InvalidArgument, "is not a person"},
			{"group:admins", "user:x@example.com", codes.InvalidArgument, "is not a person"},
			{"pach:root", "user:x@example.com", codes.InvalidArgument, "is not a person"},
			{"user:nobody@example.com", "user:x@example.com", codes.NotFound, "never signed in"},
		} {
			pachdtest.Want(t, h.rename(h.Root(), c.from, c.to), c.code, c.text)
		}
		// Who was kept out stays out.
		if err := h.rename(h.Root(), "user:bob@example.com", "user:rob@example.com"); err != nil {
			t.Fatal(err)
		}
		if h.Users()["user:rob@example.com"].GetEnabled() {
			t.Error("a new name has let him in")
		}
		if who, err := h.WhoAmI(session); err != nil || who.GetUsername() != pachdtest.Alice {
			t.Errorf("after all that was refused: %v, %v", who, err)
		}
	})
}

// What the configuration declares would come back at the next start.
func TestRenameUser_Declared(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "pachd.yaml")
	const config = `bootstrap:
  roleBindings:
    user:alice@example.com: [clusterAdmin]
  groups:
    staff: [user:bob@example.com]
`
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &env{pachdtest.StartWith(t, dir, file, nil), t}
	h.Connect()
	h.Alice()
	h.person("bob", 0)
	h.person("carol", 0)
	pachdtest.Want(t, h.rename(h.Root(), pachdtest.Alice, alicia), codes.FailedPrecondition, "pachd's configuration declares it", file)
	pachdtest.Want(t, h.rename(h.Root(), "user:bob@example.com", alicia), codes.FailedPrecondition, "group:staff", "bootstrap.groups")
	pachdtest.Want(t, h.rename(h.Root(), "user:carol@example.com", pachdtest.Alice), codes.FailedPrecondition, file)
	if diff := cmp.Diff([]string{"clusterAdmin on CLUSTER "}, h.bound(pachdtest.Alice)); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
}
