package db_test

import (
	"errors"
	"slices"
	"testing"

	"pachyderm/internal/db"
)

func TestPage_Size(t *testing.T) {
	for limit, want := range map[int]int{-1: db.MaxPage, 0: db.MaxPage, 1: 1, db.MaxPage: db.MaxPage, db.MaxPage + 1: db.MaxPage} {
		if got := (db.Page{Limit: limit}).Size(); got != want {
			t.Errorf("a limit of %d gives pages of %d, want %d", limit, got, want)
		}
	}
}

func TestEachPage_GoesOnUntilAPageIsNotFull(t *testing.T) {
	var asked []string
	read := func(p db.Page) (string, error) {
		asked = append(asked, p.After)
		if len(asked) < 3 {
			return p.Next(db.MaxPage, "key-"+string(rune('0'+len(asked)))), nil
		}
		return p.Next(db.MaxPage-1, "the end"), nil
	}
	if err := db.EachPage(read); err != nil || !slices.Equal(asked, []string{"", "key-1", "key-2"}) {
		t.Errorf("asked for pages after %q, %v", asked, err)
	}
	broken := errors.New("broken")
	if err := db.EachPage(func(db.Page) (string, error) { return "more", broken }); !errors.Is(err, broken) {
		t.Errorf("an error ends it with %v", err)
	}
}
