package rename_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/people/rename"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

var (
	now     = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	byRoot  = audit.By{Actor: principal.Root, At: now}
	cluster = access.Resource{Type: access.Cluster}
	images  = access.Resource{Type: access.Project, Name: "images"}
)

// store is a database with what a version that took names as they were written
// has left in it.
type store struct {
	*db.DB
	t   *testing.T
	log bytes.Buffer
}

func each(t *testing.T, f func(t *testing.T, s *store)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, &store{DB: d, t: t}) })
}

func (s *store) update(f func(ctx context.Context, tx *db.Tx) error) {
	s.t.Helper()
	if err := s.Update(s.t.Context(), func(tx *db.Tx) error { return f(s.t.Context(), tx) }); err != nil {
		s.t.Fatal(err)
	}
}

func (s *store) exec(query string, args ...any) {
	s.t.Helper()
	s.update(func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
}

func (s *store) bind(r access.Resource, who principal.Name, roles ...string) {
	s.t.Helper()
	s.update(func(ctx context.Context, tx *db.Tx) error { return access.Set(ctx, tx, byRoot, r, who, roles) })
}

// person has signed in under a name, so many hours ago, and has a session.
func (s *store) person(name principal.Name, hoursAgo int) (session secret.Text) {
	s.t.Helper()
	at := db.Micros(now.Add(-time.Duration(hoursAgo) * time.Hour))
	s.exec(`INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, $2, $2)`, name, at)
	s.exec(`INSERT INTO identities (id, user_name, connector_id, instance, issuer, subject, token_sub, ended, waiting, email, created_at, login_at)
		VALUES ($1, $2, 'corp', 'first', '', $1, $1, FALSE, FALSE, $1, $3, $3)`, "id of "+name.Local(), name, at)
	s.update(func(ctx context.Context, tx *db.Tx) (err error) {
		session, err = token.Issue(ctx, tx, token.Info{Subject: name, IdentityID: "id of " + name.Local(), Created: now}, time.Hour)
		return err
	})
	return session
}

func (s *store) member(who, group principal.Name) {
	s.t.Helper()
	s.exec(`INSERT INTO memberships (member, group_name, source, seen_at) VALUES ($1, $2, 'administrator', 0)`, who, group)
}

func (s *store) rename() {
	s.t.Helper()
	if err := rename.Stored(s.t.Context(), s.DB, slog.New(slog.NewTextHandler(&s.log, nil)), now); err != nil {
		s.t.Fatal(err)
	}
}

// wantRoles says who has which roles, on everything, and nobody else any.
func (s *store) wantRoles(want ...string) {
	s.t.Helper()
	var got []string
	s.update(func(ctx context.Context, tx *db.Tx) error {
		got = nil
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var on, who, role string
			err := scan(&on, &who, &role)
			got = append(got, strings.TrimSpace(who+" "+role+" "+on))
			return err
		}, `SELECT resource_name, principal, role FROM bindings`)
	})
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("roles (-want +got):\n%s", diff)
	}
}

func (s *store) wantGroups(who principal.Name, want ...principal.Name) {
	s.t.Helper()
	s.update(func(ctx context.Context, tx *db.Tx) error {
		got, err := identity.Groups(ctx, tx, who)
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("groups of %s (-want +got):\n%s", who, diff)
		}
		return err
	})
}

// actsAs is who the holder of a session is, or "".
func (s *store) actsAs(session secret.Text) (who principal.Name) {
	s.t.Helper()
	s.update(func(ctx context.Context, tx *db.Tx) error {
		info, err := token.Verify(ctx, tx, session, now)
		if fault.Is(err, fault.Unauthenticated) {
			return nil
		}
		if err != nil {
			return err
		}
		who = info.Subject
		if _, err := identity.Gate(ctx, tx, info.Subject, info.IdentityID); err != nil {
			who = ""
		}
		return nil
	})
	return who
}

func (s *store) waits(name string) (waiting bool) {
	s.t.Helper()
	s.update(func(ctx context.Context, tx *db.Tx) error {
		who, err := identity.ByID(ctx, tx, "id of "+name)
		waiting = who.Waiting
		return err
	})
	return waiting
}

func TestStored_OneSpellingKeepsEverything(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		session := s.person("user:Alice@Example.com", 1)
		s.member("user:Alice@Example.com", "group:e\u0301quipe")
		s.bind(cluster, "user:Alice@Example.com", "clusterAdmin")
		s.bind(images, "group:e\u0301quipe", "repoReader")
		s.bind(images, "user:plain@example.com", "repoReader")
		s.exec(`INSERT INTO robot_token_creators (robot, creator) VALUES ('robot:ci', 'user:Alice@Example.com')`)
		for range 2 { // the second finds nothing to do
			s.rename()
			s.wantRoles("group:\u00e9quipe repoReader images", "user:alice@example.com clusterAdmin", "user:plain@example.com repoReader images")
			s.wantGroups("user:alice@example.com", "group:\u00e9quipe")
			if who := s.actsAs(session); who != "user:alice@example.com" {
				t.Errorf("her session is %q", who)
			}
		}
		s.update(func(ctx context.Context, tx *db.Tx) error {
			creators, err := token.Creators(ctx, tx, "robot:ci")
			if diff := cmp.Diff([]principal.Name{"user:alice@example.com"}, creators); diff != "" {
				t.Error(diff)
			}
			return err
		})
		if n := strings.Count(s.log.String(), "renamed"); n != 1 || strings.Contains(s.log.String(), "WARN") {
			t.Errorf("logged: %s", &s.log)
		}
	})
}

// A binding that was written before the person came, in letters of another size,
// was never theirs.
func TestStored_OnePersonKeepsTheirRoles(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		session := s.person("user:alice@example.com", 1)
		s.bind(images, "user:alice@example.com", "repoReader")
		s.bind(images, "user:Alice@Example.com", "projectOwner")
		s.member("user:alice@example.com", "group:staff")
		s.member("user:Alice@Example.com", "group:admins")
		s.rename()
		s.wantRoles("user:alice@example.com repoReader images")
		s.wantGroups("user:alice@example.com", "group:staff")
		if who := s.actsAs(session); who != "user:alice@example.com" {
			t.Errorf("her session is %q", who)
		}
		for _, want := range []string{"WARN", "user:Alice@Example.com projectOwner on PROJECT images", "group:admins"} {
			if !strings.Contains(s.log.String(), want) {
				t.Errorf("%q is not logged: %s", want, &s.log)
			}
		}
	})
}

func TestStored_TwoPeopleHaveWhatBothHad(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		late := s.person("user:ALICE@example.com", 1)
		first := s.person("user:Alice@example.com", 5)
		for _, who := range []principal.Name{"user:ALICE@example.com", "user:Alice@example.com"} {
			s.bind(images, who, "repoReader")
			s.member(who, "group:staff")
		}
		s.bind(cluster, "user:ALICE@example.com", "clusterAdmin")
		s.bind(images, "user:Alice@example.com", "repoReader", "projectOwner")
		s.member("user:ALICE@example.com", "group:admins")
		s.exec(`INSERT INTO robot_token_creators (robot, creator) VALUES ('robot:ci', 'user:ALICE@example.com')`)
		s.exec(`UPDATE users SET disabled = TRUE WHERE name = 'user:ALICE@example.com'`)
		s.rename()
		s.wantRoles("user:alice@example.com repoReader images")
		s.wantGroups("user:alice@example.com", "group:staff")
		if a, b := s.actsAs(first), s.actsAs(late); a != "" || b != "" {
			t.Errorf("sessions that outlived the collision: %q, %q", a, b)
		}
		if s.waits("Alice@example.com") || !s.waits("ALICE@example.com") {
			t.Error("not the first who came has the name")
		}
		s.update(func(ctx context.Context, tx *db.Tx) error {
			if creators, err := token.Creators(ctx, tx, "robot:ci"); err != nil || len(creators) > 0 {
				t.Errorf("%v may make tokens of the robot, %v", creators, err)
			}
			var disabled bool
			if err := tx.Row(ctx, []any{&disabled}, `SELECT disabled FROM users WHERE name = 'user:alice@example.com'`); err != nil || !disabled {
				t.Errorf("disabled under one spelling, and then %v, %v", disabled, err)
			}
			var n int
			if err := tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM audit_events WHERE action = 'name.change' AND detail = $1`,
				"was user:ALICE@example.com, user:Alice@example.com; lost roles: user:ALICE@example.com clusterAdmin on CLUSTER, "+
					"user:Alice@example.com projectOwner on PROJECT images; lost groups: group:admins"); err != nil || n != 1 {
				t.Errorf("%d records, %v", n, err)
			}
			return nil
		})
	})
}

func TestStored_GroupsHaveTheMembersOfAll(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		s.member("user:a@example.com", "group:e\u0301quipe")
		s.member("user:b@example.com", "group:\u00e9quipe")
		s.bind(images, "group:e\u0301quipe", "repoReader", "projectOwner")
		s.bind(images, "group:\u00e9quipe", "repoReader", "repoWriter")
		s.rename()
		s.wantRoles("group:\u00e9quipe repoReader images")
		s.wantGroups("user:a@example.com", "group:\u00e9quipe")
		s.wantGroups("user:b@example.com", "group:\u00e9quipe")
	})
}

func TestStored_LookAlikeEnds(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		const cyrillic = "user:\u0430lice@example.com"
		session := s.person(cyrillic, 1)
		s.bind(cluster, cyrillic, "clusterAdmin")
		s.bind(images, "group:\u0430dmins", "projectOwner")
		s.member(cyrillic, "group:\u0430dmins")
		for range 2 {
			s.rename()
		}
		s.wantRoles()
		s.wantGroups(cyrillic)
		if who := s.actsAs(session); who != "" {
			t.Errorf("the session is still %q", who)
		}
		if n := strings.Count(s.log.String(), "is none any more"); n != 2 {
			t.Errorf("%d names were ended, not 2 once: %s", n, &s.log)
		}
	})
}

// A start waits for the names once, until they have another form.
func TestIsDone_OnceAllHaveTheirForm(t *testing.T) {
	each(t, func(t *testing.T, s *store) {
		s.bind(images, "user:alice@example.com", "projectViewer")
		s.exec(`UPDATE bindings SET principal = 'user:Alice@Example.com'`)
		for _, want := range []bool{false, true} {
			if done, err := rename.IsDone(t.Context(), s.DB); err != nil || done != want {
				t.Errorf("done: %v, %v, want %v", done, err, want)
			}
			if err := rename.Stored(t.Context(), s.DB, slog.New(slog.DiscardHandler), now); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.SetMeta(t.Context(), rename.MetaKey, []byte("another form")); err != nil {
			t.Fatal(err)
		}
		if done, err := rename.IsDone(t.Context(), s.DB); err != nil || done {
			t.Errorf("after names have had another form: %v, %v", done, err)
		}
		s.update(func(ctx context.Context, tx *db.Tx) error {
			bound, err := access.RolesOf(ctx, tx, "user:alice@example.com")
			if len(bound) != 1 {
				t.Errorf("alice has %v", bound)
			}
			return err
		})
	})
}
