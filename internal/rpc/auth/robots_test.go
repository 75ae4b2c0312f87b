package auth_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/pachd/pachdtest"
)

// robots is a pachd with a robotUser, who may make tokens of robots, and what
// they do.
type robots struct {
	*env
	maker context.Context
}

func newRobots(t *testing.T, h *env) robots {
	t.Helper()
	maker, _ := h.Robot("maker", 0)
	if err := h.Bind(pachdtest.Cluster(), "robot:maker", "robotUser"); err != nil {
		t.Fatal(err)
	}
	return robots{h, maker}
}

func (r robots) createToken(ctx context.Context, robot string) (string, error) {
	res, err := r.API.Auth.GetRobotToken(ctx, &authpb.GetRobotTokenRequest{Robot: robot})
	return res.GetToken(), err
}

func (r robots) mustCreate(ctx context.Context, robot string) string {
	r.t.Helper()
	raw, err := r.createToken(ctx, robot)
	if err != nil {
		r.t.Fatal(err)
	}
	return raw
}

func (r robots) wantAlive(raw string, alive bool) {
	r.t.Helper()
	if _, err := r.WhoAmI(pachdtest.As(r.t.Context(), raw)); (err == nil) != alive {
		r.t.Errorf("the token works: %v, want %v", err, alive)
	}
}

func TestGetRobotToken_OnlyWithinWhatItsMakerCouldGrant(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		r := newRobots(t, h)
		r.mustCreate(r.maker, "plain") // it has what everybody has

		if err := h.Bind(pachdtest.Cluster(), "robot:boss", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		_, err := r.createToken(r.maker, "boss")
		pachdtest.Want(t, err, codes.PermissionDenied, "robot:boss has roles that robot:maker could not grant", "pachctl auth allow-robot boss --by robot:maker")
		boss := pachdtest.As(t.Context(), r.mustCreate(h.Root(), "boss"))

		// Roles of a group count as the robot's own.
		_, err = h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "crew", Add: []string{"robot:member"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(pachdtest.Project("default"), "group:crew", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		_, err = r.createToken(r.maker, "member")
		pachdtest.Want(t, err, codes.PermissionDenied, "could not grant")

		// Who could grant all its roles may make its tokens: here an owner of the project.
		if err := h.Bind(pachdtest.Project("default"), "robot:maker", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		r.mustCreate(r.maker, "member")
		_, err = r.createToken(r.maker, "boss")
		pachdtest.Want(t, err, codes.PermissionDenied)
		r.mustCreate(boss, "boss")
	})
}

func TestGetRobotToken_NewRoleEndsTokensOfThoseWhoCouldNotGrantIt(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		r := newRobots(t, h)
		byRole, byMaker := r.mustCreate(h.Root(), "a"), r.mustCreate(r.maker, "a")
		if err := h.Bind(pachdtest.Project("default"), "robot:a", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		r.wantAlive(byMaker, false)
		r.wantAlive(byRole, true)

		byMaker = r.mustCreate(r.maker, "b")
		if err := h.Bind(pachdtest.Project("default"), "group:crew", "projectOwner"); err != nil {
			t.Fatal(err)
		}
		r.wantAlive(byMaker, true)
		_, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "crew", Add: []string{"robot:b"}})
		if err != nil {
			t.Fatal(err)
		}
		r.wantAlive(byMaker, false)

		byMaker = r.mustCreate(r.maker, "c")
		_, err = h.API.Auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: "robot:c", Groups: []string{"crew"}})
		if err != nil {
			t.Fatal(err)
		}
		r.wantAlive(byMaker, false)

		// A role for a group whose member it is already.
		_, err = h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "empty-handed", Add: []string{"robot:d"}})
		if err != nil {
			t.Fatal(err)
		}
		byMaker = r.mustCreate(r.maker, "d")
		if err := h.Bind(pachdtest.Cluster(), "group:empty-handed", "idpAdmin"); err != nil {
			t.Fatal(err)
		}
		r.wantAlive(byMaker, false)
	})
}

func TestAllowRobot(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		r := newRobots(t, h)
		allow := func(ctx context.Context, robot, by string, remove bool) error {
			_, err := h.API.Pach.AllowRobot(ctx, &pachpb.AllowRobotRequest{Robot: robot, Principal: by, Remove: remove})
			return err
		}
		pachdtest.Want(t, allow(r.maker, "ci", "robot:maker", false), codes.PermissionDenied)
		pachdtest.Want(t, allow(h.Root(), "ci", "maker", false), codes.InvalidArgument, "subject has no prefix")
		pachdtest.Want(t, allow(h.Root(), "c:i", "robot:maker", false), codes.InvalidArgument)

		if err := allow(h.Root(), "ci", "robot:maker", false); err != nil {
			t.Fatal(err)
		}
		raw := r.mustCreate(r.maker, "ci")
		if err := h.Bind(pachdtest.Cluster(), "robot:ci", "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		r.wantAlive(raw, true)
		r.mustCreate(r.maker, "ci")
		_, err := r.createToken(r.maker, "other")
		if err != nil {
			t.Fatal(err)
		}

		if err := allow(h.Root(), "ci", "robot:maker", true); err != nil {
			t.Fatal(err)
		}
		r.wantAlive(raw, false)
		_, err = r.createToken(r.maker, "ci")
		pachdtest.Want(t, err, codes.PermissionDenied, "could not grant")
	})
}
