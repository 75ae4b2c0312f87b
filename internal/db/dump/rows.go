package dump

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"pachyderm/internal/db"
	"pachyderm/internal/db/migrations"
	"pachyderm/internal/fault"
)

// How many rows, and bytes of them, are stored with one statement.
const (
	rowsAtOnce  = 100
	bytesAtOnce = 1 << 20
)

// maxValue is more than PostgreSQL takes as one value, in bytes.
const maxValue = 1 << 30

// What stands before a row, and after the last of a table; and before a value.
const (
	end  byte = 0
	row  byte = 1
	null byte = 0
	some byte = 1
)

// encode writes the version of the schema, and each table with its columns and rows.
// Numbers are varints, texts and bytes stand behind their length.
func encode(ctx context.Context, tx *db.Tx, tables []migrations.Table, w io.Writer) (c Counts, err error) {
	e := encoder{bufio.NewWriterSize(w, 64<<10)}
	e.uint(uint64(migrations.Latest())) //nolint:gosec // of the schema, and positive
	e.uint(uint64(len(tables)))
	for _, t := range tables {
		e.shape(t)
		err := eachRow(ctx, tx, t, func(scan func(...any) error) error {
			values := blanks(t)
			if err := scan(values...); err != nil {
				return err
			}
			c.Rows++
			_ = e.WriteByte(row) // Flush reports it
			for _, v := range values {
				e.value(v)
			}
			return ctx.Err()
		})
		if err != nil {
			return c, inTable(t, err)
		}
		_ = e.WriteByte(end)
		c.Tables++
	}
	return c, e.Flush()
}

// blanks are what a row of a table is read into.
func blanks(t migrations.Table) []any {
	values := make([]any, len(t.Columns))
	for n, c := range t.Columns {
		switch c.Type {
		case "BIGINT":
			values[n] = new(*int64)
		case "BOOLEAN":
			values[n] = new(*bool)
		case "BYTEA":
			values[n] = new(any) // with SQLite no bytes are nil, and NULL as well
		default:
			values[n] = new(*string)
		}
	}
	return values
}

// encoder keeps the first failure for Flush, as bufio.Writer does.
type encoder struct{ *bufio.Writer }

func (e encoder) uint(n uint64) { _, _ = e.Write(binary.AppendUvarint(nil, n)) }

func (e encoder) text(s string) {
	e.uint(uint64(len(s)))
	_, _ = e.WriteString(s)
}

// shape names a table and its columns.
func (e encoder) shape(t migrations.Table) {
	e.text(t.Name)
	for _, c := range t.Columns {
		e.text(c.Name)
		e.text(c.Type)
	}
}

func (e encoder) value(v any) {
	present := func(is bool) bool {
		if is {
			_ = e.WriteByte(some)
		} else {
			_ = e.WriteByte(null)
		}
		return is
	}
	switch v := v.(type) {
	case **int64:
		if present(*v != nil) {
			_, _ = e.Write(binary.AppendVarint(nil, **v))
		}
	case **bool:
		if present(*v != nil) {
			_ = e.WriteByte(strconv.FormatBool(**v)[0])
		}
	case *any:
		if b, _ := (*v).([]byte); present(*v != nil) {
			e.text(string(b))
		}
	case **string:
		if present(*v != nil) {
			e.text(**v)
		}
	}
}

// decode stores what encode has written, to the end of r.
func decode(ctx context.Context, tx *db.Tx, tables []migrations.Table, r *bufio.Reader) (c Counts, err error) {
	d := decoder{r}
	if err := d.checkSchema(len(tables)); err != nil {
		return c, err
	}
	for _, t := range tables {
		if err := d.checkShape(t); err != nil {
			return c, err
		}
		stored, err := d.fill(ctx, tx, t)
		if err != nil {
			return c, err
		}
		c.Rows += stored
		c.Tables++
	}
	// Only now is it sure that this was all.
	switch _, err := r.ReadByte(); {
	case errors.Is(err, io.EOF):
		return c, nil
	case err == nil:
		err = errors.New("there is more behind the last table")
		fallthrough
	default:
		return c, damaged(err)
	}
}

type decoder struct{ *bufio.Reader }

func (d decoder) uint() (uint64, error) { return binary.ReadUvarint(d) }

func (d decoder) bytes() ([]byte, error) {
	n, err := d.uint()
	if err != nil {
		return nil, err
	}
	if n > maxValue {
		return nil, fmt.Errorf("a value of %d bytes", n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(d, b)
	return b, err
}

func (d decoder) checkSchema(tables int) error {
	has, err := d.uint()
	if err != nil {
		return damaged(err)
	}
	if version := migrations.Latest(); has != uint64(version) { //nolint:gosec // of the schema, and positive
		return fault.New(fault.Precondition, "the dump has schema version %d, and this pachd has %d", has, version).
			Next("import it with the version of pachd that made it, and upgrade then")
	}
	n, err := d.uint()
	if err == nil && n != uint64(tables) { //nolint:gosec // a length
		err = fmt.Errorf("%d tables in place of %d", n, tables)
	}
	if err != nil {
		return damaged(err)
	}
	return nil
}

// checkShape reads what shape has written of a table, which is the table it has to be.
func (d decoder) checkShape(t migrations.Table) error {
	want := []string{t.Name}
	for _, c := range t.Columns {
		want = append(want, c.Name, c.Type)
	}
	for _, w := range want {
		got, err := d.bytes()
		if err == nil && string(got) != w {
			err = fmt.Errorf("%q in place of %q", got, w)
		}
		if err != nil {
			return damaged(inTable(t, err))
		}
	}
	return nil
}

// fill stores the rows of a table, of which it holds no more than a part at once.
func (d decoder) fill(ctx context.Context, tx *db.Tx, t migrations.Table) (rows int, err error) {
	var values []any
	size := 0
	for {
		mark, err := d.ReadByte()
		if err == nil && mark > row {
			err = fmt.Errorf("%#x in place of a row", mark)
		}
		if err != nil {
			return rows, damaged(inTable(t, err))
		}
		if full := len(values) == rowsAtOnce*len(t.Columns) || size > bytesAtOnce; len(values) > 0 && (mark == end || full) {
			if err := insert(ctx, tx, t, values); err != nil {
				return rows, inTable(t, err)
			}
			values, size = values[:0], 0
		}
		if mark == end {
			return rows, nil
		}
		for _, c := range t.Columns {
			v, n, err := d.value(c)
			if err != nil {
				return rows, damaged(inTable(t, err))
			}
			values, size = append(values, v), size+n
		}
		rows++
	}
}

// value reads one, and how many bytes it holds.
func (d decoder) value(c migrations.Column) (v any, size int, err error) {
	present, err := d.ReadByte()
	if err != nil || present == null {
		return nil, 0, err
	}
	switch c.Type {
	case "BIGINT":
		v, err := binary.ReadVarint(d)
		return v, 8, err
	case "BOOLEAN":
		b, err := d.ReadByte()
		return b == 't', 1, err
	}
	b, err := d.bytes()
	if c.Type == "BYTEA" {
		return b, len(b), err
	}
	return string(b), len(b), err
}
