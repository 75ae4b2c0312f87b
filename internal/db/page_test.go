package db_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
)

func TestPage_Size(t *testing.T) {
	const most = 1000
	for limit, want := range map[int]int{-1: most, 0: most, 1: 1, most: most, most + 1: most} {
		if got := (db.Page{Limit: limit}).Size(); got != want {
			t.Errorf("a limit of %d gives pages of %d, want %d", limit, got, want)
		}
	}
}

func TestEachPage_GoesOnUntilAPageIsNotFull(t *testing.T) {
	d := dbtest.SQLite(t)
	var asked []string
	all, err := db.All(t.Context(), d.View, func(_ context.Context, _ *db.Tx, p db.Page) ([]int, string, error) {
		asked = append(asked, p.After)
		n := len(asked)
		if n < 3 {
			return []int{n}, p.Next(p.Size(), "key-"+string(rune('0'+n))), nil
		}
		return []int{n}, p.Next(p.Size()-1, "the end"), nil
	})
	if err != nil || !slices.Equal(asked, []string{"", "key-1", "key-2"}) || !slices.Equal(all, []int{1, 2, 3}) {
		t.Errorf("asked for pages after %q and got %v, %v", asked, all, err)
	}
	broken := errors.New("broken")
	_, err = db.All(t.Context(), d.View, func(context.Context, *db.Tx, db.Page) ([]int, string, error) { return nil, "more", broken })
	if !errors.Is(err, broken) {
		t.Errorf("an error ends it with %v", err)
	}
}
