package audit

import (
	"context"
	"crypto/rand"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/db"
	"pachyderm/internal/requestid"
)

func insert(ctx context.Context, tx *db.Tx, by By, action, object, detail string) error {
	_, err := tx.Exec(ctx, `INSERT INTO audit_events (id, at, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		rand.Text(), db.Micros(by.At), by.Actor, action, object, detail, requestid.Of(ctx))
	return err
}

// List is what happened, the latest first. The key of a page is when its last event
// was and which, so that events of the same moment are neither lost nor repeated.
func List(ctx context.Context, tx *db.Tx, f Filter, p db.Page) (all []Event, next string, err error) {
	at, id := before(p.After)
	args := []any{at, id, p.Size(), f.Action, f.Action + string(unicode.MaxRune)}
	where := ""
	for _, by := range []struct{ column, name string }{{"actor", f.Actor}, {"object", f.Object}} {
		others, err := formerNames(ctx, tx, by.name)
		if err != nil {
			return nil, "", err
		}
		var more string
		more, args = named(by.column, by.name, others, args)
		where += more
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var e Event
		var when int64
		err := scan(&e.id, &when, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.Request)
		e.At = db.Time(when)
		all = append(all, e)
		return err
	}, `SELECT id, at, actor, action, object, detail, request FROM audit_events
		WHERE at <= $1 AND (at < $1 OR id < $2) AND action >= $4 AND action < $5`+where+` ORDER BY at DESC, id DESC LIMIT $3`, args...)
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	last := all[len(all)-1]
	return all, p.Next(len(all), strconv.FormatInt(db.Micros(last.At), 10)+"."+last.id), nil
}

// After is what happened after a moment of some actions, the latest first.
func After(ctx context.Context, tx *db.Tx, at time.Time, actions []string) (all []Event, err error) {
	args, places := []any{db.Micros(at)}, make([]string, len(actions))
	for n, action := range actions {
		args = append(args, action)
		places[n] = "$" + strconv.Itoa(len(args))
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var e Event
		var when int64
		err := scan(&when, &e.Actor, &e.Action, &e.Object, &e.Detail)
		e.At = db.Time(when)
		all = append(all, e)
		return err
	}, `SELECT at, actor, action, object, detail FROM audit_events
		WHERE at > $1 AND action IN (`+strings.Join(places, ", ")+`) ORDER BY at DESC`, args...)
	return all, err
}

// renameBefore is the last change of a name to name, until a moment.
func renameBefore(ctx context.Context, tx *db.Tx, name string, until int64) (last former, found bool, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		err := scan(&last.until, &last.name)
		last.name, found = strings.CutPrefix(last.name, wasPrefix)
		return err
	}, `SELECT at, detail FROM audit_events WHERE action = $1 AND object = $2 AND at <= $3 ORDER BY at DESC LIMIT 1`,
		RenameAction, name, until)
	return last, found, err
}

// before is where a page begins; what is no key of ours begins at the latest event.
func before(after string) (at int64, id string) {
	moment, id, ok := strings.Cut(after, ".")
	at, err := strconv.ParseInt(moment, 10, 64)
	if !ok || err != nil {
		return math.MaxInt64, ""
	}
	return at, id
}
