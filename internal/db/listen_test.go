package db_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

func open(t *testing.T, o db.Options) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// listen has a database listen until the test ends, and says when it does not.
func listen(t *testing.T, d *db.DB) (lost <-chan error, found <-chan struct{}) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	gone, back, done := make(chan error, 10), make(chan struct{}, 10), make(chan error)
	go func() { done <- d.Listen(ctx, func(err error) { gone <- err }, func() { back <- struct{}{} }) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return gone, back
}

func change(t *testing.T, d *db.DB, key string) {
	t.Helper()
	err := d.Update(t.Context(), func(tx *db.Tx) error { return tx.Changed(t.Context(), "token", key) })
	if err != nil {
		t.Error(err)
	}
}

func TestPooler_HasToBeNamed(t *testing.T) {
	direct := dbtest.PostgresURL(t)
	_, err := db.Open(t.Context(), db.Options{URL: dbtest.Pooler(t, direct)})
	if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "database.listenURL") {
		t.Errorf("Open = %v", err)
	}
}

// Through a pooler that lends out connections for a transaction each, whatever is
// prepared or listened to stays with a connection that others have next.
func TestPooler_Transactions(t *testing.T) {
	direct := dbtest.PostgresURL(t)
	pooled := db.Options{URL: dbtest.Pooler(t, direct), ListenURL: direct}
	here, there := open(t, pooled), open(t, pooled)
	received := make(chan db.Change, 1000)
	there.Watch(func(c db.Change) { received <- c })
	lost, _ := listen(t, there)
	if c := <-received; c != (db.Change{}) || !there.Exact() {
		t.Fatalf("at first received %v, exact %v", c, there.Exact())
	}
	var workers sync.WaitGroup
	const many = 20
	for n := range many {
		workers.Go(func() {
			for range 10 {
				change(t, here, fmt.Sprint(n))
				if _, err := here.EnsureMeta(t.Context(), fmt.Sprint("key", n), []byte{byte(n)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
	for range many * 10 {
		if c := <-received; c.Topic != "token" {
			t.Errorf("received %v", c)
		}
	}
	select {
	case err := <-lost:
		t.Error(err)
	default:
	}
}

// A listener that is lent a connection with each statement hears nothing, and is
// told so by nobody.
func TestListen_ThroughAPooler(t *testing.T) {
	direct := dbtest.PostgresURL(t)
	pooler := dbtest.Pooler(t, direct)
	open(t, db.Options{URL: direct}) // makes the schema
	d := open(t, db.Options{URL: direct, ListenURL: pooler})
	lost, _ := listen(t, d)
	if err := <-lost; !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "database.listenURL") {
		t.Errorf("lost: %v", err)
	}
	if d.Exact() {
		t.Error("memory is taken for exact")
	}
}

func TestListen_SilentConnection(t *testing.T) {
	direct := dbtest.PostgresURL(t)
	c, through := dbtest.NewCable(t, direct)
	d := open(t, db.Options{URL: direct, ListenURL: through})
	other := open(t, db.Options{URL: direct})
	received := make(chan db.Change, 100)
	d.Watch(func(c db.Change) { received <- c })
	lost, found := listen(t, d)
	<-received
	if err := d.Ping(t.Context()); err != nil || d.Stats().Idle == 0 {
		t.Fatalf("%v, %d idle connections", err, d.Stats().Idle)
	}
	c.Cut(true)
	begun := time.Now()
	if err := <-lost; err == nil || d.Exact() {
		t.Errorf("lost: %v, exact %v", err, d.Exact())
	}
	if n := d.Stats().Idle; n != 0 { // each would have somebody wait in vain
		t.Errorf("%d idle connections are kept", n)
	}
	t.Logf("noticed after %v", time.Since(begun))
	change(t, other, "unheard")
	c.AwaitUse() // by an attempt that gets no answer
	c.Cut(false)
	<-found
	if c := <-received; c != (db.Change{}) || !d.Exact() {
		t.Errorf("once it is back, received %v, exact %v", c, d.Exact())
	}
}

func TestOpen_ThreeAtOnce(t *testing.T) {
	url := dbtest.PostgresURL(t)
	for n := range 10 {
		state := "current"
		if n%2 == 0 {
			url, state = dbtest.PostgresURL(t), "empty"
		}
		begun := time.Now()
		var starts sync.WaitGroup
		for range 3 {
			starts.Go(func() {
				d, err := db.Open(t.Context(), db.Options{URL: url})
				if err == nil {
					err = d.Close()
				}
				if err != nil {
					t.Errorf("%s: %v", state, err)
				}
			})
		}
		starts.Wait()
		t.Logf("%s: %v", state, time.Since(begun))
	}
}

func TestOpen_PasswordFromElsewhere(t *testing.T) {
	url := dbtest.PostgresURL(t)
	asked := 0
	d := open(t, db.Options{URL: url, Password: func() (string, error) { asked++; return "hunter2", nil }})
	if err := d.Ping(t.Context()); err != nil || asked == 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	_, err := db.Open(t.Context(), db.Options{URL: url, Password: func() (string, error) { return "", errors.New("no file") }})
	if err == nil {
		t.Error("opened without the password")
	}
}
