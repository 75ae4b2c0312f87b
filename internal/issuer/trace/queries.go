package trace

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

// row is a trace as it is stored.
type row struct {
	Trace
	proven bool
	sealed []byte
}

const (
	readable = `code, connector_id, at, person, client_id, revision, test, result`
	columns  = readable + `, body`
)

// scan reads columns, or those that are readable if that is all there is.
func (r *row) scan(scan func(...any) error, sealed ...any) error {
	var at int64
	err := scan(append([]any{&r.Code, &r.Connector, &at, &r.Person, &r.Client, &r.Revision, &r.Test, &r.Result}, sealed...)...)
	r.At = db.Time(at)
	return err
}

func insert(ctx context.Context, tx *db.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO sign_in_traces (code, connector_id, at, person, client_id, revision, test, proven, result, cause, body)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (code) DO NOTHING`,
		r.Code, r.Connector, db.Micros(r.At), r.Person, r.Client, r.Revision, r.Test, r.proven, string(r.Result), r.Cause, r.sealed)
	return err
}

// trim holds a connector to its number of traces.
func trim(ctx context.Context, tx *db.Tx, connector string, most int) error {
	for _, c := range []struct {
		proven bool
		most   int
	}{{true, most}, {false, max(1, most/2)}} {
		_, err := tx.Exec(ctx, `DELETE FROM sign_in_traces WHERE connector_id = $1 AND proven = $2 AND test = $4 AND at <=
			(SELECT at FROM sign_in_traces WHERE connector_id = $1 AND proven = $2 AND test = $4 ORDER BY at DESC LIMIT 1 OFFSET $3)`,
			connector, c.proven, c.most, false)
		if err != nil {
			return err
		}
	}
	return nil
}

// trimTests holds all connector tests together to the number of one connector.
func trimTests(ctx context.Context, tx *db.Tx, most int) error {
	_, err := tx.Exec(ctx, `DELETE FROM sign_in_traces WHERE test = $1 AND at <=
		(SELECT at FROM sign_in_traces WHERE test = $1 ORDER BY at DESC LIMIT 1 OFFSET $2)`, true, most)
	return err
}

func byCode(ctx context.Context, tx *db.Tx, code string) (r row, err error) {
	err = r.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+columns+` FROM sign_in_traces WHERE code = $1`, code)
	}, &r.sealed)
	return r, err
}

// list reads columns, of which all or only the readable ones are asked for.
func list(ctx context.Context, tx *db.Tx, which string, f Filter, at int64, code string, limit int) (all []row, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var r row
		var sealed []any
		if which == columns {
			sealed = []any{&r.sealed}
		}
		err := r.scan(scan, sealed...)
		all = append(all, r)
		return err
	}, `SELECT `+which+` FROM sign_in_traces WHERE (at < $1 OR at = $1 AND code > $2)
		AND ($3 = '' OR connector_id = $3) AND ($4 = '' OR person = $4) AND ($5 = '' OR result = $5) AND ($6 = '' OR cause = $6)
		ORDER BY at DESC, code LIMIT $7`,
		at, code, f.Connector, f.Person, string(f.Result), f.Cause, limit)
	return all, err
}

// bodies are those of some traces, as they are stored, by code.
func bodies(ctx context.Context, tx *db.Tx, codes []any) (all map[string][]byte, err error) {
	all = map[string][]byte{}
	if len(codes) == 0 {
		return all, nil
	}
	places := make([]string, len(codes))
	for n := range codes {
		places[n] = "$" + strconv.Itoa(n+1)
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var code string
		var body []byte
		err := scan(&code, &body)
		all[code] = body
		return err
	}, `SELECT code, body FROM sign_in_traces WHERE code IN (`+strings.Join(places, ", ")+`)`, codes...)
	return all, err
}

// countResults adds what became of sign-ins.
func countResults(ctx context.Context, tx *db.Tx, connector string, since time.Time, of func(connector string) *Counts) error {
	return tx.Rows(ctx, func(scan func(...any) error) error {
		var id string
		var result Result
		var n int64
		if err := scan(&id, &result, &n); err != nil {
			return err
		}
		c := of(id)
		*map[Result]*int64{
			Completed: &c.Completed, Refused: &c.Refused, Unproven: &c.Unproven, Unavailable: &c.Unavailable, Failed: &c.Failed,
		}[result] = n
		return nil
	}, `SELECT connector_id, result, COUNT(*) FROM sign_in_traces WHERE at >= $1 AND test = $2 AND ($3 = '' OR connector_id = $3)
		GROUP BY connector_id, result`, db.Micros(since), false, connector)
}

func causes(ctx context.Context, tx *db.Tx, connector string, since time.Time) (all []Cause, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var c Cause
		var first, last int64
		if err := scan(&c.Connector, &c.Cause, &c.Attempts, &c.People, &first, &last); err != nil {
			return err
		}
		c.First, c.Last = db.Time(first), db.Time(last)
		all = append(all, c)
		return nil
	}, `SELECT connector_id, cause, COUNT(*), COUNT(DISTINCT CASE WHEN person <> '' THEN person END), MIN(at), MAX(at)
		FROM sign_in_traces WHERE at >= $1 AND test = $2 AND cause <> '' AND ($3 = '' OR connector_id = $3)
		GROUP BY connector_id, cause ORDER BY COUNT(*) DESC LIMIT 100`, db.Micros(since), false, connector)
	for n, c := range all {
		if err == nil {
			err = tx.Row(ctx, []any{&all[n].Example}, `SELECT MIN(code) FROM sign_in_traces
				WHERE connector_id = $1 AND cause = $2 AND at = $3 AND test = $4`, c.Connector, c.Cause, db.Micros(c.Last), false)
		}
	}
	return all, err
}

// countRow is what was counted since a day.
type countRow struct {
	countKey
	count
}

func addCount(ctx context.Context, tx *db.Tx, k countKey, n count) error {
	_, err := tx.Exec(ctx, `INSERT INTO sign_in_counts (connector_id, day, redirect_uri, host, sent, returned, strayed)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (connector_id, day, redirect_uri, host) DO UPDATE SET
		sent = sign_in_counts.sent + $5, returned = sign_in_counts.returned + $6, strayed = sign_in_counts.strayed + $7`,
		k.connector, k.day, k.redirectURI, k.host, n.sent, n.returned, n.strayed)
	return err
}

func sumCounts(ctx context.Context, tx *db.Tx, connector string, since int64) (all []countRow, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var r countRow
		if err := scan(&r.connector, &r.redirectURI, &r.host, &r.sent, &r.returned, &r.strayed); err != nil {
			return err
		}
		all = append(all, r)
		return nil
	}, `SELECT connector_id, redirect_uri, host, CAST(SUM(sent) AS BIGINT), CAST(SUM(returned) AS BIGINT), CAST(SUM(strayed) AS BIGINT)
		FROM sign_in_counts WHERE day >= $1 AND ($2 = '' OR connector_id = $2) GROUP BY connector_id, redirect_uri, host`, since, connector)
	slices.SortFunc(all, func(a, b countRow) int {
		return cmp.Or(cmp.Compare(a.connector, b.connector), cmp.Compare(a.redirectURI, b.redirectURI), cmp.Compare(a.host, b.host))
	})
	return all, err
}

func deleteBefore(ctx context.Context, tx *db.Tx, before time.Time) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_counts WHERE day < $1`, before.Unix()/int64(day/time.Second)); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM sign_in_traces WHERE at < $1`, db.Micros(before))
	return err
}

func deleteAll(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM sign_in_counts`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM sign_in_traces`)
	return err
}

// Sealed says where the bodies are.
func Sealed() secret.Sealed {
	return secret.Sealed{
		Table: "sign_in_traces", Column: "body", Key: []string{"code"}, Place: func(k []string) string { return place(k[0]) },
	}
}

func rename(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	_, err := tx.Exec(ctx, `UPDATE sign_in_traces SET person = $2 WHERE person = $1`, from, to)
	return err
}
