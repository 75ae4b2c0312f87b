package audit

import (
	"cmp"
	"context"
	"crypto/rand"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/requestid"
)

// How much is kept of what an event is about, in characters.
const maxObject, maxDetail = 1 << 10, 4 << 10

func insert(ctx context.Context, tx *db.Tx, by By, action, object, detail string) error {
	// Some of it is a caller's, and it is shown to others.
	object, detail = fault.Clean(object, maxObject), fault.Clean(detail, maxDetail)
	_, err := tx.Exec(ctx, `INSERT INTO audit_events (id, at, actor, action, object, detail, request) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		rand.Text(), db.Micros(by.At), by.Actor, action, object, detail, requestid.Of(ctx))
	return err
}

// List is what happened, the latest first. The key of a page is when its last event
// was and which, so that events of the same moment are neither lost nor repeated.
func List(ctx context.Context, tx *db.Tx, f Filter, p db.Page) (all []Event, next string, err error) {
	at, id := before(p.After)
	list := page{at: at, id: id, size: p.Size()}
	for _, by := range []struct{ column, name string }{{"actor", f.Actor}, {"object", f.Object}} {
		others, err := formerNames(ctx, tx, by.name)
		if err != nil {
			return nil, "", err
		}
		list.and(by.column, by.name, others)
	}
	if f.Action != "" {
		all, err = list.ofActions(ctx, tx, f)
	} else {
		all, err = list.read(ctx, tx)
	}
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	last := all[len(all)-1]
	return all, p.Next(len(all), strconv.FormatInt(db.Micros(last.At), 10)+"."+last.id), nil
}

// page is a part of the events that meet a condition.
type page struct {
	at    int64 // of what it comes after, which is id
	id    string
	size  int
	where string
	args  []any // of where, after the three of the page
}

// and adds that a column has a name, or one of before in its time.
func (l *page) and(column, name string, before []former) {
	more, args := named(column, name, before, append([]any{nil, nil, nil}, l.args...))
	l.where, l.args = l.where+more, args[3:]
}

func (l page) read(ctx context.Context, tx *db.Tx) (all []Event, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var e Event
		var when int64
		err := scan(&e.id, &when, &e.Actor, &e.Action, &e.Object, &e.Detail, &e.Request)
		e.At = db.Time(when)
		all = append(all, e)
		return err
	}, `SELECT id, at, actor, action, object, detail, request FROM audit_events
		WHERE at <= $1 AND (at < $1 OR id < $2)`+l.where+` ORDER BY at DESC, id DESC LIMIT $3`, append([]any{l.at, l.id, l.size}, l.args...)...)
	return all, err
}

// ofActions reads each action that begins as asked by itself, where an index finds it,
// and merges them: there are some sixty, whatever the number of events.
func (l page) ofActions(ctx context.Context, tx *db.Tx, f Filter) (all []Event, err error) {
	for action, end := "", f.Action+string(unicode.MaxRune); ; {
		found := []any{&action}
		err := tx.Row(ctx, found, `SELECT action FROM audit_events WHERE action > $1 AND action >= $2 AND action < $3 ORDER BY action LIMIT 1`,
			action, f.Action, end)
		if fault.Is(err, fault.NotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		one := l
		one.args = slices.Clone(l.args)
		one.and("action", action, nil)
		events, err := one.read(ctx, tx)
		if err != nil {
			return nil, err
		}
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b Event) int { return cmp.Or(b.At.Compare(a.At), strings.Compare(b.id, a.id)) })
	return all[:min(len(all), l.size)], nil
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
