package pach_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	authpb "pachyderm/api/auth"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
)

// past is what Explain says of a moment: each grant, or that it was denied, or that it
// cannot be told.
func (h *env) past(who string, at time.Time) (out []string) {
	h.t.Helper()
	res, err := h.explainAt(h.Root(), who, at)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, g := range res.GetGrants() {
		out = append(out, g.GetRole()+" to "+g.GetPrincipal())
	}
	if len(res.GetUnknown()) > 0 {
		out = append(out, "cannot be told")
	}
	return out
}

func (h *env) explainAt(ctx context.Context, who string, at time.Time) (*pachpb.ExplainResponse, error) {
	return h.API.Pach.Explain(ctx, &pachpb.ExplainRequest{
		Principal: who, Permission: authpb.Permission_REPO_WRITE, Resource: pachdtest.Repo("genomics/reads"), At: timestamppb.New(at),
	})
}

// step puts the clock a minute ahead and returns the moment before it.
func (h *env) step() time.Time {
	before := h.Now()
	h.Ahead(time.Until(before) + time.Minute)
	return before
}

func (h *env) members(add, remove []string) {
	h.t.Helper()
	_, err := h.API.Auth.ModifyMembers(h.Root(), &authpb.ModifyMembersRequest{Group: "staff", Add: add, Remove: remove})
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *env) bind(r *authpb.Resource, who string, roles ...string) {
	h.t.Helper()
	if err := h.Bind(r, who, roles...); err != nil {
		h.t.Fatal(err)
	}
}

func TestExplain_InThePast(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		const carol = "user:carol@example.com"
		reads, genomics := pachdtest.Repo("genomics/reads"), pachdtest.Project("genomics")
		var moments []time.Time
		then := func(do func()) {
			do()
			moments = append(moments, h.step())
		}
		then(func() {})
		then(func() { h.bind(reads, carol, "repoWriter") })
		then(func() { h.bind(reads, carol, "repoWriter", "repoOwner") })
		then(func() { h.members([]string{carol}, nil) })
		then(func() { h.bind(genomics, "group:staff", "projectOwner") })
		then(func() { h.bind(reads, carol) })
		then(func() { h.members(nil, []string{carol}) })
		then(func() {
			_, err := h.API.Auth.SetGroupsForUser(h.Root(), &authpb.SetGroupsForUserRequest{Username: carol, Groups: []string{"staff"}})
			if err != nil {
				t.Fatal(err)
			}
		})
		then(func() { h.bind(genomics, "group:staff") })
		then(func() { h.bind(genomics, "allClusterUsers", "projectOwner") })
		then(func() { h.bind(genomics, "allClusterUsers") })
		group := "projectOwner to group:staff"
		for n, want := range [][]string{
			nil,
			{"repoWriter to " + carol},
			{"repoOwner to " + carol, "repoWriter to " + carol},
			{"repoOwner to " + carol, "repoWriter to " + carol},
			{group, "repoOwner to " + carol, "repoWriter to " + carol},
			{group},
			nil,
			{group},
			nil,
			{"projectOwner to allClusterUsers"},
			nil,
		} {
			got := h.past(carol, moments[n])
			if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
				t.Errorf("moment %d (-want +got):\n%s", n, diff)
			}
		}
	})
}

func TestExplain_NobodyKnows(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		at := h.Now()
		robot, _ := h.Robot("ci", 0)
		_, err := h.explainAt(h.Root(), "robot:ci", at.Add(-time.Hour))
		pachdtest.Want(t, err, codes.FailedPrecondition, "before that nobody knows")
		_, err = h.explainAt(h.Root(), "robot:ci", at.Add(time.Hour))
		pachdtest.Want(t, err, codes.InvalidArgument, "yet to come")
		_, err = h.explainAt(robot, "user:carol@example.com", at)
		pachdtest.Want(t, err, codes.PermissionDenied)
		// A change that an older version recorded does not say what was before.
		before := h.step()
		h.bind(pachdtest.Repo("genomics/reads"), "robot:ci", "repoWriter")
		h.exec(`UPDATE audit_events SET detail = 'robot:ci: repoWriter' WHERE action = 'binding.set' AND detail = 'robot:ci: repoWriter (was none)'`)
		_, err = h.explainAt(robot, "robot:ci", before)
		pachdtest.Want(t, err, codes.FailedPrecondition, "does not say what was before")
		if res, err := h.explainAt(robot, "robot:ci", h.step()); err != nil || !res.GetAllowed() || res.GetRecordedSince() == nil {
			t.Errorf("after it: %v, %v", res, err)
		}
	})
}

// What a connector says is known from its last answer on.
func TestExplain_ConnectorsInThePast(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.bind(pachdtest.Project("genomics"), "group:engineers", "projectOwner")
		h.Alice()
		first := h.step()
		if diff := cmp.Diff([]string{"projectOwner to group:engineers"}, h.past(pachdtest.Alice, first)); diff != "" {
			t.Errorf("not asked since (-want +got):\n%s", diff)
		}
		h.Alice()
		if diff := cmp.Diff([]string{"cannot be told"}, h.past(pachdtest.Alice, first)); diff != "" {
			t.Errorf("asked since (-want +got):\n%s", diff)
		}
	})
}

// A name may have been another person's then.
func TestExplain_RenamedSince(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		session := pachdtest.As(t.Context(), h.Alice())
		h.bind(pachdtest.Repo("genomics/reads"), pachdtest.Alice, "repoWriter")
		h.members([]string{pachdtest.Alice}, nil)
		before := h.step()
		if err := h.rename(h.Root(), pachdtest.Alice, alicia); err != nil {
			t.Fatal(err)
		}
		after := h.step()
		for _, name := range []string{pachdtest.Alice, alicia} {
			if diff := cmp.Diff([]string{"repoWriter to " + pachdtest.Alice}, h.past(name, before)); diff != "" {
				t.Errorf("%s, before (-want +got):\n%s", name, diff)
			}
		}
		if diff := cmp.Diff([]string{"repoWriter to " + alicia}, h.past(alicia, after)); diff != "" {
			t.Errorf("after (-want +got):\n%s", diff)
		}
		if _, err := h.explainAt(session, alicia, before); err != nil {
			t.Errorf("about herself: %v", err)
		}
		// Somebody new with the address of before hears nothing of her.
		raw, _ := h.sessionOf("alice")
		_, err := h.explainAt(raw, pachdtest.Alice, before)
		pachdtest.Want(t, err, codes.PermissionDenied)
	})
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

func (h *env) exec(query string, args ...any) {
	h.t.Helper()
	h.Update(func(tx *db.Tx) error {
		_, err := tx.Exec(h.t.Context(), query, args...)
		return err
	})
}

// sessionOf is of somebody new, who has just signed in.
func (h *env) sessionOf(name string) (ctx context.Context, raw string) {
	h.t.Helper()
	h.person(name, 0)
	h.Update(func(tx *db.Tx) error {
		issued, err := token.Issue(h.t.Context(), tx, token.Info{
			Subject: principal.Name("user:" + name + "@example.com"), IdentityID: h.Users()["user:"+name+"@example.com"].GetIdentities()[0].GetId(),
			Created: h.Now(),
		}, time.Hour)
		raw = issued.Reveal()
		return err
	})
	return pachdtest.As(h.t.Context(), raw), raw
}
