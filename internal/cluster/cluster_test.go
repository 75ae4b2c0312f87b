package cluster_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/audit"
	"pachyderm/internal/cluster"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func by() audit.By { return audit.By{Actor: principal.Root, At: now} }

func member() cluster.Cluster {
	return cluster.Cluster{ID: "member", Address: "grpc://a:1", UserAddress: "grpc://u:1", DeploymentID: "d", EnterpriseServer: true}
}

// env runs each change in a transaction of its own.
type env struct {
	*testing.T
	db *db.DB
}

func (e env) update(f func(tx *db.Tx) error) error { return e.db.Update(e.Context(), f) }

func (e env) add(c cluster.Cluster, given secret.Text) (made secret.Text, err error) {
	return made, e.update(func(tx *db.Tx) error {
		made, err = cluster.Add(e.Context(), tx, by(), c, given)
		return err
	})
}

func (e env) beat(id string, shown secret.Text) error {
	return e.update(func(tx *db.Tx) error {
		c := cluster.Cluster{ID: id, Version: "2.5.0", AuthEnabled: true, ClientID: "pachd", Heartbeat: now.Add(time.Minute)}
		return cluster.Beat(e.Context(), tx, c, shown)
	})
}

func (e env) list() []cluster.Cluster {
	e.Helper()
	all, err := db.All(e.Context(), e.db.View, cluster.List)
	if err != nil {
		e.Fatal(err)
	}
	return all
}

func each(t *testing.T, f func(e env)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(env{t, d}) })
}

func TestAdd(t *testing.T) {
	each(t, func(e env) {
		made, err := e.add(member(), "")
		if err != nil || made == "" {
			e.Fatalf("no secret was made: %v", err)
		}
		if _, err := e.add(member(), ""); !fault.Is(err, fault.Exists) {
			e.Errorf("once more: %v", err)
		}
		for field, c := range map[string]cluster.Cluster{"id": {Address: "x"}, "address": {ID: "x"}} {
			if _, err := e.add(c, ""); !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != field {
				e.Errorf("without %s: %v", field, err)
			}
		}
		other := cluster.Cluster{ID: "other", Address: "grpc://o:1"}
		if kept, err := e.add(other, "a-secret"); err != nil || kept != "a-secret" {
			e.Errorf("with a secret of its own: %v", err)
		}
		want := []cluster.Cluster{member(), other}
		for n := range want {
			want[n].Created = now
		}
		if diff := cmp.Diff(want, e.list()); diff != "" {
			e.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A wrong id and a wrong secret are not told apart, and nothing is no secret.
func TestBeat(t *testing.T) {
	each(t, func(e env) {
		made, err := e.add(member(), "")
		if err != nil {
			e.Fatal(err)
		}
		refused := ""
		for id, shown := range map[string]secret.Text{"member": "wrong", "nosuch": made, "": ""} {
			err := e.beat(id, shown)
			if !fault.Is(err, fault.Unauthenticated) || refused != "" && fault.Message(err) != refused {
				e.Errorf("%q: %v", id, err)
			}
			refused = fault.Message(err)
		}
		if err := e.beat("member", made); err != nil {
			e.Fatal(err)
		}
		want := member()
		want.Version, want.AuthEnabled, want.ClientID, want.Created, want.Heartbeat = "2.5.0", true, "pachd", now, now.Add(time.Minute)
		if diff := cmp.Diff([]cluster.Cluster{want}, e.list()); diff != "" {
			e.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestUpdate_ChangesWhatIsGiven(t *testing.T) {
	each(t, func(e env) {
		if _, err := e.add(member(), "first"); err != nil {
			e.Fatal(err)
		}
		update := func(c cluster.Cluster, newSecret secret.Text) error {
			return e.update(func(tx *db.Tx) error { return cluster.Update(e.Context(), tx, by(), c, newSecret) })
		}
		if err := update(cluster.Cluster{ID: "member", UserAddress: "grpc://u:2"}, "second"); err != nil {
			e.Fatal(err)
		}
		want := member()
		want.UserAddress, want.Created = "grpc://u:2", now
		if diff := cmp.Diff([]cluster.Cluster{want}, e.list()); diff != "" {
			e.Errorf("(-want +got):\n%s", diff)
		}
		if err := e.beat("member", "first"); !fault.Is(err, fault.Unauthenticated) {
			e.Errorf("the old secret: %v", err)
		}
		if err := update(cluster.Cluster{ID: "member"}, ""); err != nil {
			e.Fatal(err)
		}
		if err := e.beat("member", "second"); err != nil {
			e.Errorf("the new secret after a change without one: %v", err)
		}
		if err := update(cluster.Cluster{ID: "nosuch"}, ""); !fault.Is(err, fault.NotFound) {
			e.Errorf("one that is not there: %v", err)
		}
	})
}

func TestDelete(t *testing.T) {
	each(t, func(e env) {
		for _, id := range []string{"a", "b", "c"} {
			if _, err := e.add(cluster.Cluster{ID: id, Address: "x"}, ""); err != nil {
				e.Fatal(err)
			}
		}
		remove := func(id string) error {
			return e.update(func(tx *db.Tx) error { return cluster.Delete(e.Context(), tx, by(), id) })
		}
		if err := remove("b"); err != nil || len(e.list()) != 2 {
			e.Errorf("%v; left are %v", err, e.list())
		}
		if err := remove("b"); !fault.Is(err, fault.NotFound) {
			e.Errorf("once more: %v", err)
		}
		err := e.update(func(tx *db.Tx) error { return cluster.DeleteAll(e.Context(), tx, by()) })
		if err != nil || len(e.list()) != 0 {
			e.Errorf("all: %v; left are %v", err, e.list())
		}
	})
}
