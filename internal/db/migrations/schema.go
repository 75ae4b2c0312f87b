package migrations

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"
)

// Table is one that the migrations make.
type Table struct {
	Name    string
	Columns []Column
	refers  []string // to other tables, by foreign keys
}

// Column is one of a table's.
type Column struct {
	Name string
	Type string // TEXT, BIGINT, BOOLEAN or BYTEA
	Key  int    // its place in the primary key, from 1; 0 if it has none
}

// Schema is what the migrations make on either database: the tables, in an order in
// which they can be filled.
func Schema(ctx context.Context) (tables []Table, err error) {
	pool, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(1) // another connection would have another database
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := Up(ctx, goose.DialectSQLite3, pool); err != nil {
		return nil, err
	}
	byName, err := catalogue(ctx, pool)
	if err != nil {
		return nil, err
	}
	return inOrder(byName)
}

func catalogue(ctx context.Context, pool *sql.DB) (map[string]*Table, error) {
	byName := map[string]*Table{}
	each := func(query string, read func(t *Table, scan func(...any) error) error) error {
		rows, err := pool.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name, new(any), new(any), new(any)); err != nil {
				return err
			}
			if name == "goose_db_version" || strings.HasPrefix(name, "sqlite_") {
				continue
			}
			if byName[name] == nil {
				byName[name] = &Table{Name: name}
			}
			if err := read(byName[name], rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	err := each(`SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'`,
		func(t *Table, scan func(...any) error) error {
			var c Column
			err := scan(new(string), &c.Name, &c.Type, &c.Key)
			t.Columns = append(t.Columns, c)
			return err
		})
	if err != nil {
		return nil, err
	}
	return byName, each(`SELECT m.name, f."table", 0, 0 FROM sqlite_master m, pragma_foreign_key_list(m.name) f WHERE m.type = 'table'`,
		func(t *Table, scan func(...any) error) error {
			var to string
			err := scan(new(string), &to, new(any), new(any))
			t.refers = append(t.refers, to)
			return err
		})
}

// inOrder puts those first that others refer to, and else goes by name.
func inOrder(byName map[string]*Table) (tables []Table, err error) {
	placed := map[string]bool{}
	for len(tables) < len(byName) {
		var next *Table
		for _, t := range byName {
			ready := !slices.ContainsFunc(t.refers, func(to string) bool { return !placed[to] })
			if ready && !placed[t.Name] && (next == nil || t.Name < next.Name) {
				next = t
			}
		}
		if next == nil {
			return nil, errors.New("the foreign keys of the schema go in a circle")
		}
		placed[next.Name] = true
		tables = append(tables, *next)
	}
	return tables, nil
}
