package metadata

import (
	"context"
	"encoding/json"
	"maps"

	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/data/graph/row"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
)

// The largest there may be. All of it is read wherever the object is listed.
const (
	maxKey   = 128      // bytes of one key
	maxValue = 4 << 10  // bytes of one value
	maxAll   = 16 << 10 // bytes of all keys and values of an object
	maxWhat  = 500      // bytes of what the audit says of an edit
)

// Topic is what db.Watch calls a change of the cluster's metadata.
const Topic = "cluster-metadata"

// MetaKey is where the cluster's is.
const MetaKey = "cluster-metadata"

// Target is one object: the first of these that is set, or the cluster.
type Target struct {
	Commit  *graph.Ref
	Branch  *graph.Branch
	Repo    *graph.Repo
	Project string
}

// Op changes metadata. It is given a copy. Fault: Invalid, Exists, NotFound.
type Op func(row.Metadata) (row.Metadata, error)

// Replace puts all in the place of what there is.
func Replace(all map[string]string) Op {
	return func(row.Metadata) (row.Metadata, error) { return all, nil }
}

// Add adds a key that is not there.
func Add(key, value string) Op {
	return func(m row.Metadata) (row.Metadata, error) {
		if _, is := m[key]; is {
			return nil, fault.New(fault.Exists, "the key %q already exists", fault.Clean(key, maxKey)).Next("change it with: edit")
		}
		m[key] = value
		return m, nil
	}
}

// Edit sets a key, whether it is there or not.
func Edit(key, value string) Op {
	return func(m row.Metadata) (row.Metadata, error) {
		m[key] = value
		return m, nil
	}
}

// Delete takes a key away, which need not be there.
func Delete(key string) Op {
	return func(m row.Metadata) (row.Metadata, error) {
		delete(m, key)
		return m, nil
	}
}

// Apply changes the metadata of one object, in the caller's transaction. what says in
// the audit which operation it was, and on which keys. Faults: Invalid, NotFound, Exists.
func Apply(ctx context.Context, tx *db.Tx, by audit.By, t Target, op Op, what string) error {
	at, err := t.find(ctx, tx)
	if err != nil {
		return err
	}
	next := row.Metadata{}
	maps.Copy(next, at.now)
	if next, err = op(next); err != nil {
		return fault.Prefix(err, "%s", at.name)
	}
	if err := check(next); err != nil {
		return fault.Prefix(err, "%s", at.name)
	}
	if err := at.store(next); err != nil {
		return err
	}
	return by.Record(ctx, tx, "metadata.edit", at.name, fault.Clean(what, maxWhat))
}

// place is an object as it is.
type place struct {
	name  string // in the audit
	now   row.Metadata
	store func(row.Metadata) error
}

func (t Target) find(ctx context.Context, tx *db.Tx) (place, error) {
	labeled := func(name string, of row.Labeled, key any, now row.Metadata) place {
		return place{name, now, func(m row.Metadata) error { return row.SetMetadata(ctx, tx, of, key, m) }}
	}
	switch {
	case t.Commit != nil:
		c, err := graph.Resolve(ctx, tx, *t.Commit)
		return labeled("commit/"+c.Ref().String(), row.LabeledCommit, c.Key, c.Metadata), err
	case t.Branch != nil:
		b, err := graph.InspectBranch(ctx, tx, *t.Branch)
		return labeled("branch/"+b.String(), row.LabeledBranch, b.Key, b.Metadata), err
	case t.Repo != nil:
		r, err := row.FindRepo(ctx, tx, *t.Repo)
		return labeled("repo/"+t.Repo.String(), row.LabeledRepo, r.Key, r.Metadata), err
	case t.Project != "":
		p, err := row.FindProject(ctx, tx, t.Project)
		return labeled("project/"+p.Name, row.LabeledProject, p.Name, p.Metadata), err
	}
	now, err := OfCluster(ctx, tx)
	return place{"cluster", now, func(m row.Metadata) error { return storeCluster(ctx, tx, m) }}, err
}

// OfCluster is the cluster's.
func OfCluster(ctx context.Context, tx *db.Tx) (m row.Metadata, err error) {
	data, err := tx.Meta(ctx, MetaKey)
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

func storeCluster(ctx context.Context, tx *db.Tx, m row.Metadata) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := tx.SetMeta(ctx, MetaKey, data); err != nil {
		return err
	}
	return tx.Changed(ctx, Topic, "")
}

// check bounds what is kept.
func check(m row.Metadata) error {
	all := 0
	for key, value := range m {
		all += len(key) + len(value)
		switch {
		case key == "" || len(key) > maxKey:
			return fault.New(fault.Invalid, "a key of metadata has 1 to %d bytes, and this one has %d", maxKey, len(key))
		case !row.IsText(key) || !row.IsText(value):
			return fault.New(fault.Invalid, "the key %q or its value is not printable text", fault.Clean(key, maxKey))
		case len(value) > maxValue:
			return fault.New(fault.Invalid, "the value of %q has %d bytes, and may have %d", fault.Clean(key, maxKey), len(value), maxValue).
				Next("keep it in a file, and its path here")
		}
	}
	if all > maxAll {
		return fault.New(fault.Invalid, "the metadata has %d bytes, and may have %d", all, maxAll).Next("keep it in a file, and its path here")
	}
	return nil
}
