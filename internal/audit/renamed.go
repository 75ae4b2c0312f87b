package audit

import (
	"context"
	"math"
	"strconv"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// RenameAction is the action of a person who got another name, which the object is.
const RenameAction = "user.rename"

const wasPrefix = "was "

// NameBefore is the name that the person of an event of RenameAction had before it.
func (e Event) NameBefore() principal.Name {
	name, _ := strings.CutPrefix(e.Detail, wasPrefix)
	return principal.Name(name)
}

// Renamed records that a person has another name from now on. What happened before
// stays under the name that they had then; List finds it under both.
func Renamed(ctx context.Context, tx *db.Tx, by By, from, to principal.Name) error {
	return by.Record(ctx, tx, RenameAction, to.String(), wasPrefix+from.String())
}

// former is a name that somebody had until a moment, in microseconds.
type former struct {
	name  string
	until int64
}

// maxNames bounds how far back the names of somebody are followed.
const maxNames = 16

// formerNames are those that somebody had before, the last first.
func formerNames(ctx context.Context, tx *db.Tx, name string) (all []former, err error) {
	until := int64(math.MaxInt64)
	for strings.HasPrefix(name, string(principal.User)+":") && len(all) < maxNames {
		last, found, err := renameBefore(ctx, tx, name, until)
		if err != nil || !found {
			return all, err
		}
		all, name, until = append(all, last), last.name, last.until-1
	}
	return all, nil
}

// named is the condition that a column has a name, or one of before in its time.
func named(column, name string, before []former, args []any) (string, []any) {
	if name == "" {
		return "", args
	}
	place := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	condition := column + " = " + place(name)
	for _, f := range before {
		condition += " OR " + column + " = " + place(f.name) + " AND at <= " + place(f.until)
	}
	return " AND (" + condition + ")", args
}
