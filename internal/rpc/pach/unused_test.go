package pach_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	identitypb "pachyderm/api/identity"
	pachpb "pachyderm/api/pach"
	"pachyderm/internal/db"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/identity"
)

const day = 24 * time.Hour

// person has signed in through the demo's provider, as far as the database knows.
func (h *env) person(name string, ago time.Duration) {
	h.t.Helper()
	_, err := identity.SignedIn(h.t.Context(), h.DB, identity.SignIn{
		ConnectorID: "demo", Instance: "demo-1", Subject: name, Email: name + "@example.com",
		TokenSub:  func(id string) (string, error) { return id, nil },
		Connected: func(context.Context, *db.Tx) (bool, error) { return true, nil },
	}, h.Now().Add(-ago))
	if err != nil {
		h.t.Fatal(err)
	}
}

// disableUnused is DisableUnusedUsers to its last page: who is disabled, and who is kept.
func (h *env) disableUnused(ctx context.Context, req *pachpb.DisableUnusedUsersRequest) (gone, kept []string, since *timestamppb.Timestamp) {
	h.t.Helper()
	for {
		res, err := h.API.Pach.DisableUnusedUsers(ctx, req)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, u := range res.GetUsers() {
			if u.GetKept() == "" {
				gone = append(gone, u.GetName())
			} else {
				kept = append(kept, u.GetName()+": "+u.GetKept())
			}
		}
		req.PageToken, since = res.GetNextPageToken(), res.GetUnusedSince()
		if req.PageToken == "" {
			return gone, kept, since
		}
	}
}

func (h *env) disabled() (names []string) {
	h.t.Helper()
	for name, u := range h.Users() {
		if !u.GetEnabled() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (h *env) unused(d time.Duration) (names []string) {
	h.t.Helper()
	res, err := h.API.Pach.ListUsers(h.Root(), &pachpb.ListUsersRequest{UnusedFor: durationpb.New(d)})
	if err != nil {
		h.t.Fatal(err)
	}
	for _, u := range res.GetUsers() {
		names = append(names, u.GetName())
	}
	return names
}

func TestListUsers_UnusedFor(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.person("bob", 10*day)
		h.person("carol", 3*day)
		session := pachdtest.As(t.Context(), h.Alice())
		if diff := cmp.Diff([]string{"user:bob@example.com"}, h.unused(5*day)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		// What she does is a use, also once the session it was done with is forgotten.
		h.Ahead(30 * time.Minute)
		if _, err := h.WhoAmI(session); err != nil {
			t.Fatal(err)
		}
		if err := h.Sessions.WriteUses(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.Ahead(day + 20*time.Minute)
		if err := h.Sessions.DeleteExpired(t.Context(), "pach:root"); err != nil {
			t.Fatal(err)
		}
		if got := h.unused(day); slices.Contains(got, pachdtest.Alice) {
			t.Errorf("used within a day, and listed: %v", got)
		}
		if h.Users()[pachdtest.Alice].GetLastUsed() == nil {
			t.Error("her last use is not shown")
		}
		h.Ahead(day + 31*time.Minute)
		if got := h.unused(day); !slices.Contains(got, pachdtest.Alice) {
			t.Errorf("not used for a day, and not listed: %v", got)
		}
		for _, short := range []time.Duration{0, -day, day - 1} {
			_, err := h.API.Pach.ListUsers(h.Root(), &pachpb.ListUsersRequest{UnusedFor: durationpb.New(short)})
			pachdtest.Want(t, err, codes.InvalidArgument, "too short")
		}
	})
}

// An application that refreshes is a use: its person never comes to pachd themselves.
func TestListUsers_RefreshIsAUse(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		made, err := h.API.Identity.CreateOIDCClient(h.Root(), &identitypb.CreateOIDCClientRequest{Client: &identitypb.OIDCClient{
			Id: "app", Name: "app", RedirectUris: []string{"http://test.example.com/callback"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		h.refreshToken(made.GetClient())
		h.Update(func(tx *db.Tx) error { // the sign-in itself was long ago
			long := db.Micros(h.Now().Add(-20 * day))
			_, err := tx.Exec(t.Context(), `UPDATE users SET created_at = $1, login_at = $1`, long)
			return err
		})
		if got := h.unused(10 * day); len(got) != 0 {
			t.Errorf("the application is in use, and its person is listed: %v", got)
		}
		if _, err := h.API.Pach.RevokeAll(h.Root(), &pachpb.RevokeAllRequest{Principal: pachdtest.Alice}); err != nil {
			t.Fatal(err)
		}
		if got := h.unused(10 * day); len(got) != 1 {
			t.Errorf("without it: %v", got)
		}
	})
}

func TestDisableUnusedUsers(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		h.person("bob", 100*day)
		h.person("carol", 95*day)
		h.person("dave", 80*day)
		alice := pachdtest.As(t.Context(), h.Alice())
		robot, _ := h.Robot("ci", 0)
		unused := durationpb.New(90 * day)
		_, err := h.API.Pach.DisableUnusedUsers(alice, &pachpb.DisableUnusedUsersRequest{UnusedFor: unused})
		pachdtest.Want(t, err, codes.PermissionDenied)
		_, err = h.API.Pach.DisableUnusedUsers(h.Root(), &pachpb.DisableUnusedUsersRequest{})
		pachdtest.Want(t, err, codes.InvalidArgument, "too short")

		both := []string{"user:bob@example.com", "user:carol@example.com"}
		gone, _, since := h.disableUnused(h.Root(), &pachpb.DisableUnusedUsersRequest{UnusedFor: unused, Preview: true, PageSize: 1})
		if diff := cmp.Diff(both, gone); diff != "" {
			t.Errorf("preview (-want +got):\n%s", diff)
		}
		if got := h.disabled(); len(got) != 0 {
			t.Errorf("a preview has disabled %v", got)
		}
		h.Ahead(15 * day) // dave is over it by now, but was not shown
		gone, _, _ = h.disableUnused(h.Root(), &pachpb.DisableUnusedUsersRequest{UnusedFor: unused, UnusedSince: since, PageSize: 1})
		if diff := cmp.Diff(both, gone); diff != "" {
			t.Errorf("disabled (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(both, h.disabled()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		res, err := h.API.Pach.ListAuditEvents(h.Root(), &pachpb.ListAuditEventsRequest{Action: "user.disable"})
		if err != nil || len(res.GetEvents()) != 2 || res.GetEvents()[1].GetObject() != both[0] ||
			res.GetEvents()[1].GetDetail() != "unused since "+h.Users()[both[0]].GetLastLogin().AsTime().UTC().Format(time.RFC3339) {
			t.Errorf("the audit: %v, %v", res, err)
		}
		if _, err := h.WhoAmI(robot); err != nil {
			t.Errorf("the robot: %v", err)
		}
	})
}

// Nobody disables themselves, nor the last who could let others in again.
func TestDisableUnusedUsers_LeavesAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.Connect()
		for n := range 3 {
			h.person(fmt.Sprintf("admin%d", n), time.Duration(100+n)*day)
			if err := h.Bind(pachdtest.Cluster(), fmt.Sprintf("user:admin%d@example.com", n), "clusterAdmin"); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.SetEnabled("user:admin0@example.com", false); err != nil { // who was here last, but cannot sign in
			t.Fatal(err)
		}
		session := pachdtest.As(t.Context(), h.Alice())
		if err := h.Bind(pachdtest.Cluster(), pachdtest.Alice, "clusterAdmin"); err != nil {
			t.Fatal(err)
		}
		req := func(preview bool) *pachpb.DisableUnusedUsersRequest {
			return &pachpb.DisableUnusedUsersRequest{UnusedFor: durationpb.New(day), Preview: preview, PageSize: 1}
		}
		// While alice is here, none of them is the last.
		gone, kept, _ := h.disableUnused(h.Root(), req(true))
		if len(gone) != 2 || len(kept) != 0 {
			t.Errorf("gone %v, kept %v", gone, kept)
		}
		if err := h.Bind(pachdtest.Cluster(), pachdtest.Alice); err != nil {
			t.Fatal(err)
		}
		const last = "user:admin1@example.com: of the cluster administrators who can sign in, nobody was here later"
		for _, preview := range []bool{true, false} {
			gone, kept, _ = h.disableUnused(h.Root(), req(preview))
			if !slices.Equal(gone, []string{"user:admin2@example.com"}) || !slices.Equal(kept, []string{last}) {
				t.Errorf("preview %v: gone %v, kept %v", preview, gone, kept)
			}
		}
		if got := h.disabled(); !slices.Equal(got, []string{"user:admin0@example.com", "user:admin2@example.com"}) {
			t.Errorf("disabled are %v", got)
		}
		// By a group it is the same.
		if err := h.Bind(pachdtest.Cluster(), "user:admin1@example.com"); err != nil {
			t.Fatal(err)
		}
		if err := h.Bind(pachdtest.Cluster(), "group:admins", "clusterAdmin"); err != nil { // alice is in it, by the provider
			t.Fatal(err)
		}
		h.Ahead(59 * time.Minute)
		gone, kept, _ = h.disableUnused(session, &pachpb.DisableUnusedUsersRequest{UnusedFor: durationpb.New(day)})
		if !slices.Equal(gone, []string{"user:admin1@example.com"}) || len(kept) != 0 {
			t.Errorf("by her: gone %v, kept %v", gone, kept)
		}
		h.Update(func(tx *db.Tx) error { // as if her use could not be written
			long := db.Micros(h.Now().Add(-2 * day))
			_, err := tx.Exec(t.Context(), `UPDATE users SET created_at = $1, login_at = $1, used_at = $1 WHERE name = $2`, long, pachdtest.Alice)
			return err
		})
		gone, kept, _ = h.disableUnused(session, req(false))
		if len(gone) != 0 || !slices.Equal(kept, []string{pachdtest.Alice + ": you ask for it"}) {
			t.Errorf("who asks: gone %v, kept %v", gone, kept)
		}
		h.Ahead(3 * day)
		gone, kept, _ = h.disableUnused(h.Root(), req(false))
		if len(gone) != 0 || len(kept) != 1 {
			t.Errorf("the last by a group: gone %v, kept %v", gone, kept)
		}
	})
}
