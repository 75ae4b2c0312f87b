package migrations_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pachyderm/internal/db/migrations"
)

func texts(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d migrations, %v", len(files), err)
	}
	all := map[string]string{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all[f] = regexp.MustCompile(`--.*`).ReplaceAllString(string(data), "")
	}
	return all
}

func TestSchema_EveryTableOfTheMigrations(t *testing.T) {
	var want, got []string
	for _, text := range texts(t) {
		for _, match := range regexp.MustCompile(`(?i)CREATE TABLE (\w+)`).FindAllStringSubmatch(text, -1) {
			want = append(want, match[1])
		}
	}
	tables, err := migrations.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keyed := regexp.MustCompile(`^(TEXT|BIGINT|BOOLEAN|BYTEA)$`)
	for _, table := range tables {
		got = append(got, table.Name)
		for _, c := range table.Columns {
			if !keyed.MatchString(c.Type) {
				t.Errorf("%s.%s: no type of ours: %s", table.Name, c.Name, c.Type)
			}
		}
		if !slices.ContainsFunc(table.Columns, func(c migrations.Column) bool { return c.Key == 1 }) {
			t.Errorf("%s has no primary key", table.Name)
		}
	}
	users, identities := slices.Index(got, "users"), slices.Index(got, "identities")
	if users > identities {
		t.Errorf("identities refer to users, and come before them: %v", got)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// What a column that is added later looks like is taken from there as well.
func TestSchema_ColumnsAndKeys(t *testing.T) {
	tables, err := migrations.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]migrations.Column{}
	for _, table := range tables {
		for _, c := range table.Columns {
			got[table.Name+"."+c.Name] = c
		}
	}
	for name, want := range map[string]migrations.Column{
		"dex_objects.kind": {Name: "kind", Type: "TEXT", Key: 1}, "dex_objects.id": {Name: "id", Type: "TEXT", Key: 2},
		"dex_objects.body": {Name: "body", Type: "BYTEA"}, "dex_objects.network": {Name: "network", Type: "TEXT"},
		"bindings.resource_type": {Name: "resource_type", Type: "BIGINT", Key: 1}, "users.disabled": {Name: "disabled", Type: "BOOLEAN"},
	} {
		if got[name] != want {
			t.Errorf("%s: %+v, want %+v", name, got[name], want)
		}
	}
}

// A pachd of the version before goes on while a newer one has brought the schema up
// to date: nothing that it reads or writes may go, and what it does not write needs a
// default (decision 0030).
func TestMigrations_OnlyAdd(t *testing.T) {
	adds := regexp.MustCompile(`^(CREATE TABLE \w+ \(|CREATE INDEX |ALTER TABLE \w+ ADD COLUMN \w+ (TEXT|BIGINT|BOOLEAN|BYTEA)( NOT NULL DEFAULT \S+)?$)`)
	// What has just been added may be filled: nobody else knows it.
	added, fills := regexp.MustCompile(`ALTER TABLE (\w+) ADD COLUMN (\w+) `), regexp.MustCompile(`^UPDATE (\w+) SET (\w+) = `)
	// From before there was a release.
	before := []string{"0004_approval.sql", "0005_grants.sql"}
	for file, text := range texts(t) {
		if slices.Contains(before, file) {
			continue
		}
		for statement := range strings.SplitSeq(text, ";") {
			statement = strings.Join(strings.Fields(statement), " ")
			if f := fills.FindStringSubmatch(statement); f != nil && slices.ContainsFunc(added.FindAllStringSubmatch(text, -1), func(a []string) bool {
				return a[1] == f[1] && a[2] == f[2]
			}) {
				continue
			}
			if statement != "" && !adds.MatchString(statement) {
				t.Errorf("%s: it does more than add: %s", file, statement)
			}
		}
	}
}
