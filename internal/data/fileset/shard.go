package fileset

import (
	"context"

	"pachyderm/internal/data/file"
	"pachyderm/internal/data/tree"
	"pachyderm/internal/fault"
)

const (
	// How large shards are where nothing else is asked for, in files and bytes, as
	// upstream has it.
	shardFiles = 1_000_000
	shardBytes = 1_000_000_000
	// maxShards is how long the paths between all shards may be, in bytes: they are one
	// message.
	maxShards = 8 << 20
)

// Shard divides the paths of a set into ranges, none of which has more files or bytes
// than given unless it is one path; 0 is a million files, and a billion bytes. The first
// has no lower end and the last no upper one. Directories count nothing. Faults:
// Invalid, NotFound.
func (s *Service) Shard(ctx context.Context, c Caller, id string, files, bytes int64) ([]file.Range, error) {
	if files < 0 || bytes < 0 {
		return nil, fault.New(fault.Invalid, "shards of %d files and %d bytes", files, bytes).Next("use numbers from 0 on")
	}
	v, err := s.View(ctx, c, id)
	if err != nil {
		return nil, err
	}
	d := &division{v: v, files: shardFiles, bytes: shardBytes}
	if files > 0 {
		d.files = files
	}
	if bytes > 0 {
		d.bytes = bytes
	}
	if err := d.dir(ctx, "/"); err != nil {
		return nil, err
	}
	return append(d.done, file.Range{Lower: d.lower}), nil
}

// division is a set that is being divided.
type division struct {
	v            *file.View
	files, bytes int64 // of a shard, at most

	done  []file.Range
	lower string // of the shard that is being filled
	has   amount
	next  amount // all files of the last path, which are in no shard yet
	at    string
	long  int
}

type amount struct{ files, bytes int64 }

func (d *division) dir(ctx context.Context, path string) error {
	for i, err := range d.v.List(ctx, path, tree.Page{}) {
		if err == nil && i.Path != d.at {
			err = d.take()
		}
		if err != nil {
			return err
		}
		switch of := (amount{i.Files, i.Size}); {
		case !i.Dir:
			d.at = i.Path
			d.next = d.next.and(of)
		case d.fits(of):
			d.has = d.has.and(of)
		default:
			err = d.dir(ctx, i.Path)
		}
		if err != nil {
			return err
		}
	}
	return d.take()
}

func (a amount) and(b amount) amount { return amount{a.files + b.files, a.bytes + b.bytes} }

func (d *division) fits(more amount) bool {
	all := d.has.and(more)
	return all.files <= d.files && all.bytes <= d.bytes
}

// take puts the files of the last path into the shard, or into another.
func (d *division) take() error {
	var err error
	if d.next.files > 0 && d.has.files > 0 && !d.fits(d.next) {
		err = d.cut(d.at)
	}
	d.has, d.next = d.has.and(d.next), amount{}
	return err
}

func (d *division) cut(at string) error {
	d.done = append(d.done, file.Range{Lower: d.lower, Upper: at})
	d.lower, d.has = at, amount{}
	if d.long += 2 * len(at); d.long > maxShards {
		return fault.New(fault.Invalid, "more shards of %d files and %d bytes than one answer can name", d.files, d.bytes).
			Next("ask for larger ones")
	}
	return nil
}
