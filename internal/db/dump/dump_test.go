package dump_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/db/dump"
	"pachyderm/internal/db/migrations"
	"pachyderm/internal/fault"
	"pachyderm/internal/secret"
	"pachyderm/internal/secret/secrettest"
)

func sealer(t *testing.T) *secret.Sealer {
	t.Helper()
	return secrettest.Sealer(t, dbtest.SQLite(t))
}

const (
	rowsOfEach = 250 // more than are stored at once
	someOfEach = 5   // for what is refused before
	fewOfEach  = 60  // which are several segments
)

// fill stores rows in every table, the last of which are the first by their keys.
func fill(t *testing.T, d *db.DB, rows int) {
	t.Helper()
	tables, err := migrations.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = d.Update(t.Context(), func(tx *db.Tx) error {
		for _, table := range tables {
			for n := range rows {
				if err := fillRow(t.Context(), tx, table, n); err != nil {
					return fmt.Errorf("%s: %w", table.Name, err)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func fillRow(ctx context.Context, tx *db.Tx, table migrations.Table, n int) error {
	var names, marks []string
	var values []any
	for at, c := range table.Columns {
		var v any
		switch c.Type {
		case "TEXT":
			v = text(n)
		case "BIGINT":
			k := int64(n / 4)
			v = []int64{math.MinInt64 + k, -1 - k, k, math.MaxInt64 - k}[n%4]
		case "BOOLEAN":
			v = n%2 == 0
		case "BYTEA":
			v = [][]byte{{}, {0, 0xff, '\n', 0}, bytes.Repeat([]byte{byte(n)}, 20_000)}[n%3]
			if c.Key > 0 {
				v = []byte{0, 0xff, byte(n >> 8), byte(n)}
			}
		default:
			return errors.New(c.Type)
		}
		if c.Name == "expires_at" && table.Name == "dex_objects" && n%4 == 0 {
			v = nil
		}
		names, values, marks = append(names, `"`+c.Name+`"`), append(values, v), append(marks, fmt.Sprintf("$%d", at+1))
	}
	_, err := tx.Exec(ctx, `INSERT INTO "`+table.Name+`" (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(marks, ", ")+`)`, values...)
	return err
}

// text is another one for each n, in no order, and what a language would sort
// otherwise than bytes is among them.
func text(n int) string {
	return []string{"", "Zebra ", "ångström ", "a'\"\\;-- ", "日本\n ", "alice@example.com "}[n%6] + fmt.Sprint(rowsOfEach-n)
}

func write(t *testing.T, d *db.DB, s *secret.Sealer, rows int) (sealed []byte) {
	t.Helper()
	var out bytes.Buffer
	c, err := dump.Write(t.Context(), d, s, &out)
	if err != nil {
		t.Fatal(err)
	}
	if want := rows * c.Tables; c.Rows != want || c.Tables < 25 {
		t.Errorf("%d rows of %d tables", c.Rows, c.Tables)
	}
	return out.Bytes()
}

const header = "pachd export 1\n"

// plain is what is sealed in a dump.
func plain(t *testing.T, s *secret.Sealer, sealed []byte) []byte {
	t.Helper()
	rest, ok := bytes.CutPrefix(sealed, []byte(header))
	if !ok {
		t.Fatalf("it begins %q", sealed[:20])
	}
	r, err := s.OpenFrom(bytes.NewReader(rest), "export/1")
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func urls() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{"sqlite": dbtest.SQLiteURL, "postgres": dbtest.PostgresURL}
}

func TestReadWrite_BetweenTheEngines(t *testing.T) {
	s := sealer(t)
	for from, source := range urls() {
		d := dbtest.Open(t, source(t))
		if from == "postgres" {
			collate(t, d)
		}
		fill(t, d, rowsOfEach)
		sealed := write(t, d, s, rowsOfEach)
		if bytes.Contains(sealed, []byte("alice@")) {
			t.Error("it can be read without the key")
		}
		for to, target := range urls() {
			t.Run(from+" to "+to, func(t *testing.T) {
				d := dbtest.Open(t, target(t))
				c, err := dump.Read(t.Context(), d, s, bytes.NewReader(sealed))
				if err != nil || c.Rows != rowsOfEach*c.Tables {
					t.Fatalf("%+v, %v", c, err)
				}
				if !bytes.Equal(plain(t, s, write(t, d, s, rowsOfEach)), plain(t, s, sealed)) {
					t.Error("what is exported then is not the same")
				}
				check(t, d)
			})
		}
	}
}

// collate has PostgreSQL sort a key as English does, as many a database is made to.
func collate(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.Update(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), `ALTER TABLE known_groups ALTER COLUMN name TYPE TEXT COLLATE "en-x-icu"`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// check reads some of what fill has stored, by other queries than a dump's.
func check(t *testing.T, d *db.DB) {
	t.Helper()
	err := d.View(t.Context(), func(tx *db.Tx) error {
		var body []byte
		var version int64
		var expires *int64
		query := `SELECT body, version, expires_at FROM dex_objects WHERE kind = $1 AND id = $2 AND network = $2`
		if err := tx.Row(t.Context(), []any{&body, &version, &expires}, query, text(4), text(4)); err != nil {
			return err
		}
		if !bytes.Equal(body, []byte{0, 0xff, '\n', 0}) || version != math.MinInt64+1 || expires != nil {
			t.Errorf("got %q, %d, %v", body, version, expires)
		}
		var disabled bool
		if err := tx.Row(t.Context(), []any{&disabled}, `SELECT disabled FROM users WHERE name = $1`, text(7)); err != nil || disabled {
			t.Errorf("disabled: %t, %v", disabled, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func isEmpty(t *testing.T, d *db.DB) {
	t.Helper()
	tables, err := migrations.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var n int64
		err := d.View(t.Context(), func(tx *db.Tx) error {
			return tx.Row(t.Context(), []any{&n}, `SELECT count(*) FROM "`+table.Name+`"`)
		})
		if err != nil || n != 0 {
			t.Errorf("%s: %d rows, %v", table.Name, n, err)
		}
	}
}

// refused holds an import to its refusal, in words, and to having changed nothing.
func refused(t *testing.T, d *db.DB, s *secret.Sealer, sealed []byte, want ...string) {
	t.Helper()
	_, err := dump.Read(t.Context(), d, s, bytes.NewReader(sealed))
	if !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Precondition) {
		t.Errorf("got %v", err)
	}
	for _, text := range want {
		if !strings.Contains(fault.Message(err), text) {
			t.Errorf("got %q, want %q", fault.Message(err), text)
		}
	}
}

func TestRead_DamagedDump(t *testing.T) {
	s := sealer(t)
	source := dbtest.SQLite(t)
	fill(t, source, fewOfEach)
	sealed := write(t, source, s, fewOfEach)
	const segment = 1 << 20
	if len(sealed) < 3*segment {
		t.Fatalf("only %d bytes, which are not several segments", len(sealed))
	}
	changed := func(at int) []byte {
		b := bytes.Clone(sealed)
		b[at] ^= 1
		return b
	}
	n := len(sealed)
	keyAt := len(header) + 4
	keyLength := int(sealed[keyAt-2])<<8 | int(sealed[keyAt-1])
	stream := keyAt + keyLength
	const damaged, foreign, none = "damaged or cut off", "its beginning is damaged", "no dump of pachd's"
	for name, c := range map[string]struct {
		sealed []byte
		want   string
	}{
		"nothing":                         {nil, none},
		"cut in the first line":           {sealed[:5], none},
		"cut behind the first line":       {sealed[:len(header)], foreign},
		"cut in the length of the key":    {sealed[:len(header)+2], foreign},
		"cut in the key":                  {sealed[:keyAt+10], foreign},
		"cut behind the key":              {sealed[:stream], damaged},
		"cut in the stream's header":      {sealed[:stream+10], damaged},
		"cut behind the stream's header":  {sealed[:stream+40], damaged},
		"cut in the first segment":        {sealed[:stream+1000], damaged},
		"cut behind the first segment":    {sealed[:stream+segment], damaged},
		"cut behind the second segment":   {sealed[:stream+2*segment], damaged},
		"cut in the last segment":         {sealed[:n-1000], damaged},
		"without the last byte":           {sealed[:n-1], damaged},
		"with a byte more":                {append(bytes.Clone(sealed), 0), damaged},
		"with itself behind it":           {append(bytes.Clone(sealed), sealed...), damaged},
		"another first byte":              {changed(0), none},
		"another version":                 {changed(len(header) - 2), "another form"},
		"another length of the key":       {changed(keyAt - 1), foreign},
		"a key of a gigabyte":             {changed(len(header)), foreign},
		"another key":                     {changed(keyAt + keyLength/2), foreign},
		"another salt":                    {changed(stream + 5), damaged},
		"another byte of the first rows":  {changed(stream + 1000), damaged},
		"another byte in the middle":      {changed(n / 2), damaged},
		"another byte in the last rows":   {changed(n - 100), damaged},
		"another last byte":               {changed(n - 1), damaged},
		"segments the other way round":    {swapped(sealed, stream+segment, segment), damaged},
		"one segment missing":             {append(bytes.Clone(sealed[:stream+segment]), sealed[stream+2*segment:]...), damaged},
		"something else, as long":         {bytes.Repeat([]byte("x"), n), none},
		"a first line and something else": {append([]byte(header), bytes.Repeat([]byte("x"), n)...), foreign},
	} {
		t.Run(name, func(t *testing.T) {
			d := dbtest.SQLite(t)
			refused(t, d, s, c.sealed, c.want)
			isEmpty(t, d)
		})
	}
	t.Run("postgres", func(t *testing.T) {
		d := dbtest.Open(t, dbtest.PostgresURL(t))
		refused(t, d, s, sealed[:n-1], damaged)
		isEmpty(t, d)
		// What was refused stands in nobody's way.
		if _, err := dump.Read(t.Context(), d, s, bytes.NewReader(sealed)); err != nil {
			t.Error(err)
		}
	})
}

// Who has the key can seal anything; what an import does not understand it refuses.
func TestRead_SealedByTheKeyButNoDump(t *testing.T) {
	s := sealer(t)
	source := dbtest.SQLite(t)
	fill(t, source, someOfEach)
	whole := plain(t, s, write(t, source, s, someOfEach))
	for name, c := range map[string]struct {
		plain []byte
		want  string
	}{
		"nothing":           {nil, "damaged or cut off"},
		"a later schema":    {append([]byte{99}, whole[1:]...), "the dump has schema version 99, and this pachd has"},
		"more behind it":    {append(bytes.Clone(whole), 0), "damaged or cut off"},
		"without its end":   {whole[:len(whole)-1], "damaged or cut off"},
		"another table":     {bytes.Replace(whole, []byte("audit_events"), []byte("audit_eventz"), 1), "damaged or cut off"},
		"a row of no kind":  {append(bytes.Clone(whole[:len(whole)-1]), 7), "damaged or cut off"},
		"a value of 2^40":   {append(bytes.Clone(whole[:len(whole)-1]), 1, 1, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20), "damaged or cut off"},
		"more tables in it": {append([]byte{whole[0], whole[1] + 1}, whole[2:]...), "damaged or cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			sealed := bytes.NewBufferString(header)
			w, err := s.SealTo(sealed, "export/1")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(c.plain); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			d := dbtest.SQLite(t)
			refused(t, d, s, sealed.Bytes(), c.want)
			isEmpty(t, d)
		})
	}
}

func swapped(b []byte, at, size int) []byte {
	b = bytes.Clone(b)
	first := bytes.Clone(b[at : at+size])
	copy(b[at:], b[at+size:at+2*size])
	copy(b[at+size:], first)
	return b
}

func TestRead_OtherSealingKey(t *testing.T) {
	source := dbtest.SQLite(t)
	fill(t, source, someOfEach)
	sealed := write(t, source, sealer(t), someOfEach)
	d := dbtest.SQLite(t)
	refused(t, d, sealer(t), sealed, "the dump cannot be opened", "was not sealed with this sealing key", "use the sealing key that it was made with")
	isEmpty(t, d)
}

func TestRead_DatabaseInUse(t *testing.T) {
	s := sealer(t)
	source := dbtest.SQLite(t)
	fill(t, source, someOfEach)
	sealed := write(t, source, s, someOfEach)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		if _, err := d.EnsureMeta(t.Context(), "mine", []byte{1}); err != nil {
			t.Fatal(err)
		}
		refused(t, d, s, sealed, "the database is not empty: there is something in meta", "import into a new database")
		if got, err := d.Meta(t.Context(), "mine"); err != nil || !bytes.Equal(got, []byte{1}) {
			t.Errorf("what was there: %v, %v", got, err)
		}
	})
}

// slow has somebody do something while a dump is read.
type slow struct {
	io.Reader
	meanwhile func()
}

func (s *slow) Read(b []byte) (int, error) {
	if s.meanwhile != nil {
		s.meanwhile()
		s.meanwhile = nil
	}
	return s.Reader.Read(b)
}

// A pachd that starts meanwhile does not take the database for a new one.
func TestRead_NobodyGetsBetween(t *testing.T) {
	s := sealer(t)
	source := dbtest.SQLite(t)
	fill(t, source, rowsOfEach)
	sealed := write(t, source, s, rowsOfEach)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seen := make(chan int64, 1)
		look := func() {
			go func() {
				var n int64
				err := d.Update(context.WithoutCancel(t.Context()), func(tx *db.Tx) error {
					err := tx.Row(t.Context(), []any{&n}, `SELECT count(*) FROM users`)
					if err == nil && n == 0 {
						_, err = tx.Exec(t.Context(), `INSERT INTO users (name, disabled, created_at, login_at) VALUES ('first', FALSE, 0, 0)`)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				seen <- n
			}()
		}
		// Far enough on that the import has begun.
		r := io.MultiReader(bytes.NewReader(sealed[:2<<20]), &slow{bytes.NewReader(sealed[2<<20:]), look})
		_, err := dump.Read(t.Context(), d, s, r)
		switch n := <-seen; {
		case err == nil && n == rowsOfEach:
			write(t, d, s, rowsOfEach) // which counts
		case fault.Is(err, fault.Precondition) && strings.Contains(fault.Message(err), "somebody else is using the database") && n == 0:
			if _, err := dump.Read(t.Context(), d, s, bytes.NewReader(sealed)); !strings.Contains(fault.Message(err), "there is something in users:") {
				t.Errorf("more than what the other has written: %v", err)
			}
		default:
			t.Errorf("%d rows were seen by one who wrote, and the import: %v", n, err)
		}
	})
}

// A dump is one state: of a change meanwhile there is nothing in it.
func TestWrite_OneState(t *testing.T) {
	s := sealer(t)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		fill(t, d, rowsOfEach)
		before := plain(t, s, write(t, d, s, rowsOfEach))
		change := func() {
			if err := d.Update(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(t.Context(), `DELETE FROM users`)
				return err
			}); err != nil {
				t.Error(err)
			}
		}
		var out bytes.Buffer
		if _, err := dump.Write(t.Context(), d, s, &meddler{Writer: &out, after: 1 << 20, meanwhile: change}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(plain(t, s, out.Bytes()), before) {
			t.Error("it holds a part of what was changed meanwhile")
		}
	})
}

// meddler has somebody do something once so many bytes are written.
type meddler struct {
	io.Writer
	after     int
	meanwhile func()
}

func (m *meddler) Write(b []byte) (int, error) {
	if m.after -= len(b); m.after < 0 && m.meanwhile != nil {
		m.meanwhile()
		m.meanwhile = nil
	}
	return m.Writer.Write(b)
}

// What could not be written to its end is not taken for a dump.
func TestWrite_FailsHalfWay(t *testing.T) {
	s := sealer(t)
	source := dbtest.SQLite(t)
	fill(t, source, rowsOfEach)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	if _, err := dump.Write(ctx, source, s, &meddler{Writer: &out, after: 1 << 20, meanwhile: cancel}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	d := dbtest.SQLite(t)
	refused(t, d, s, out.Bytes(), "damaged or cut off")
	isEmpty(t, d)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	if _, err := dump.Write(t.Context(), source, s, full); err == nil {
		t.Error("a full disk is not noticed")
	}
}
