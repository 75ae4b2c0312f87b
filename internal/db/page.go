package db

import "context"

// maxPage is the most items of a page.
const maxPage = 1000

// Page asks for a part of a list: the items whose keys come after After, in the
// order that the database compares keys in, which need not be the bytes'.
type Page struct {
	After string
	Limit int // 0: maxPage
}

// Size is the Limit that a query is given.
func (p Page) Size() int {
	if p.Limit <= 0 || p.Limit > maxPage {
		return maxPage
	}
	return p.Limit
}

// Next is the key that the next page comes after, or "" if this one, of so many
// items, the last of which has the key last, is the end.
func (p Page) Next(items int, last string) string {
	if items < p.Size() {
		return ""
	}
	return last
}

// All reads a list to its end, page by page, each in a transaction of its own;
// list returns Next of its page.
func All[T any](ctx context.Context, d *DB, list func(context.Context, *Tx, Page) (page []T, next string, err error)) (all []T, err error) {
	for p := (Page{}); ; {
		var page []T
		err := d.View(ctx, func(tx *Tx) (err error) {
			page, p.After, err = list(ctx, tx, p)
			return err
		})
		all = append(all, page...)
		if err != nil || p.After == "" {
			return all, err
		}
	}
}
