package db

import (
	"context"
	"unicode"
)

// maxPage is the most items of a page.
const maxPage = 1000

// Page asks for a part of a list: the items whose keys come after After, in the
// order that the database compares keys in, which need not be the bytes'.
type Page struct {
	After string
	Limit int // 0: maxPage
	// Prefix is how the keys of a list that can be searched begin; "" is all.
	Prefix string
}

// From is what no key of the page is less than: names and ids have no control
// characters, so that nothing is between a key and this.
func (p Page) From() string { return max(p.Prefix, p.After+"\x01") }

// Until is what every key of the page is less than.
func (p Page) Until() string { return p.Prefix + string(unicode.MaxRune) }

// Size is the Limit that a query is given.
func (p Page) Size() int {
	if p.Limit <= 0 || p.Limit > maxPage {
		return maxPage
	}
	return p.Limit
}

// Next is the page token, the key that the next page comes after, or "" if this one, of so many
// items, the last of which has the key last, is the end.
func (p Page) Next(items int, last string) string {
	if items < p.Size() {
		return ""
	}
	return last
}

// EachPage reads a list to its end, page by page; read returns Next of its page.
func EachPage(read func(Page) (next string, err error)) error {
	for p := (Page{}); ; {
		next, err := read(p)
		if err != nil || next == "" {
			return err
		}
		p.After = next
	}
}

// All is the whole of a list, each page of it read in a transaction that view
// makes; list returns Next of its page.
func All[T any](ctx context.Context, view func(context.Context, func(*Tx) error) error,
	list func(context.Context, *Tx, Page) (page []T, next string, err error),
) (all []T, err error) {
	err = EachPage(func(p Page) (next string, err error) {
		var page []T
		err = view(ctx, func(tx *Tx) (err error) {
			page, next, err = list(ctx, tx, p)
			return err
		})
		all = append(all, page...)
		return next, err
	})
	return all, err
}
