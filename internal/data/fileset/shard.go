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
	last  string // the path of the last file in it
	has   struct{ files, bytes int64 }
	long  int
}

func (d *division) dir(ctx context.Context, path string) error {
	for i, err := range d.v.List(ctx, path, tree.Page{}) {
		if err != nil {
			return err
		}
		switch {
		case d.fits(i) || !i.Dir && i.Path == d.last:
			d.take(i)
		case i.Dir:
			err = d.dir(ctx, i.Path)
		default:
			if d.has.files > 0 {
				err = d.cut(i.Path)
			}
			d.take(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *division) fits(i file.Info) bool {
	return d.has.files+i.Files <= d.files && d.has.bytes+i.Size <= d.bytes
}

func (d *division) take(i file.Info) {
	d.has.files += i.Files
	d.has.bytes += i.Size
	d.last = i.Path
}

func (d *division) cut(at string) error {
	d.done = append(d.done, file.Range{Lower: d.lower, Upper: at})
	d.lower, d.has.files, d.has.bytes = at, 0, 0
	if d.long += 2 * len(at); d.long > maxShards {
		return fault.New(fault.Invalid, "more shards of %d files and %d bytes than one answer can name", d.files, d.bytes).
			Next("ask for larger ones")
	}
	return nil
}
