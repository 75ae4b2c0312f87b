package dump

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/db/migrations"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
)

const (
	// kind is what every dump begins with, and the version of its form follows.
	kind    = "pachd export "
	version = "1"
	header  = kind + version + "\n"
	// place is what a dump is sealed for, so that one of another form is not read as
	// one of this.
	place = "export/" + version
)

// Counts is how much was moved.
type Counts struct{ Tables, Rows int }

// Write writes all that a database holds, as it is at one moment, sealed. What it
// has written is worth nothing if it fails.
func Write(ctx context.Context, d *db.DB, s *secret.Sealer, w io.Writer) (c Counts, err error) {
	tables, err := migrations.Schema(ctx)
	if err != nil {
		return c, err
	}
	if _, err := io.WriteString(w, header); err != nil {
		return c, err
	}
	sealed, err := s.SealTo(w, place)
	if err != nil {
		return c, err
	}
	err = d.View(ctx, func(tx *db.Tx) error {
		c, err = encode(ctx, tx, tables, sealed)
		return err
	})
	if err != nil {
		return c, err // and the seal stays open
	}
	return c, sealed.Close()
}

// Read fills an empty database with what a dump holds: with all of it, or, if it
// fails, with nothing. Nothing is stored before the whole dump has proven to be as it
// was written. Faults: Invalid for a dump that is damaged, cut off, or sealed by
// another key; Precondition for one of another version, and for a database that holds
// something.
func Read(ctx context.Context, d *db.DB, s *secret.Sealer, r io.Reader) (c Counts, err error) {
	tables, err := migrations.Schema(ctx)
	if err != nil {
		return c, err
	}
	buffered := bufio.NewReader(r)
	if err := checkHeader(buffered); err != nil {
		return c, err
	}
	plain, err := s.OpenFrom(buffered, place)
	if err != nil {
		return c, fault.Prefix(err, "the dump cannot be opened")
	}
	begun := false
	err = d.Update(ctx, func(tx *db.Tx) error {
		if begun { // and a part of the dump is read, when somebody has written what was empty
			return fault.New(fault.Precondition, "somebody else is using the database").
				Next("stop the pachds that use it, and import again")
		}
		begun = true
		if err := checkEmpty(ctx, tx, tables); err != nil {
			return err
		}
		c, err = decode(ctx, tx, tables, bufio.NewReader(plain))
		return err
	})
	return c, err
}

func checkHeader(r *bufio.Reader) error {
	got, err := r.Peek(len(header))
	switch {
	case string(got) == header:
		_, err = r.Discard(len(header))
		return err
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case strings.HasPrefix(string(got), kind) && len(got) == len(header):
		return fault.New(fault.Precondition, "the dump has another form than this pachd knows").
			Next("import it with the version of pachd that made it")
	}
	return fault.New(fault.Invalid, "this is no dump of pachd's").
		Next("give a file that pachd export has made")
}

// checkEmpty makes sure that there is nothing in any table. Whoever reads that as
// well, and writes something, such as a pachd that starts, has done so before or
// after tx: transactions are serializable.
func checkEmpty(ctx context.Context, tx *db.Tx, tables []migrations.Table) error {
	var used []string
	for _, t := range tables {
		empty, err := isEmpty(ctx, tx, t)
		if err != nil {
			return err
		}
		if !empty {
			used = append(used, t.Name)
		}
	}
	if len(used) > 0 {
		return fault.New(fault.Precondition, "the database is not empty: there is something in %s", strings.Join(used, ", ")).
			Next("import into a new database, which no pachd has started on; nothing was changed")
	}
	return nil
}

// damaged is for what was not written so, or is not all of it.
func damaged(err error) error {
	return fault.New(fault.Invalid, "the dump is damaged or cut off").
		Next("take another copy of it, or export again; nothing was imported").Because(err)
}

func inTable(t migrations.Table, err error) error { return fmt.Errorf("table %s: %w", t.Name, err) }
