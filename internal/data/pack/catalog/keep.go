package catalog

import (
	"context"
	"maps"

	"pachyderm/internal/data/pack/format"
	"pachyderm/internal/db"
)

// KeepAll has packs, and those of blobs that others have written, stay. It is false, and
// nothing is changed, if some are not there any more, or about to go.
func KeepAll(ctx context.Context, tx *db.Tx, packs []string, blobs []format.ID) (there bool, err error) {
	stored, err := Find(ctx, tx, blobs)
	if err != nil {
		return false, err
	}
	states, err := States(ctx, tx, packs)
	if err != nil {
		return false, err
	}
	if len(stored) < len(blobs) || len(states) < len(packs) {
		return false, nil
	}
	for _, f := range stored {
		states[f.Pack] = f.State
	}
	var anew []string
	for id, state := range states {
		switch state {
		case Writing:
			anew = append(anew, id)
		case Condemned:
			return false, nil
		}
	}
	return true, Keep(ctx, tx, anew)
}

// InsertFilled inserts a pack and its blobs; those that another session was quicker to
// store are found elsewhere.
func InsertFilled(ctx context.Context, tx *db.Tx, row Pack, all []format.Entry) (elsewhere map[format.ID]Found, err error) {
	if err := InsertPack(ctx, tx, row); err != nil {
		return nil, err
	}
	inserted, err := InsertBlobs(ctx, tx, row.ID, all)
	if err != nil || inserted == int64(len(all)) {
		return nil, err
	}
	ids := make([]format.ID, len(all))
	for n, e := range all {
		ids[n] = e.ID
	}
	if elsewhere, err = Find(ctx, tx, ids); err != nil {
		return nil, err
	}
	maps.DeleteFunc(elsewhere, func(_ format.ID, f Found) bool { return f.Pack == row.ID })
	return elsewhere, nil
}
