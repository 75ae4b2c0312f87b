package freshness

import (
	"context"
	"time"

	"pachyderm/internal/db"
)

func rules(ctx context.Context, tx *db.Tx) (all []Rule, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var r Rule
		var age, grace int64
		if err := scan(&r.Resource.Type, &r.Resource.Name, &r.Group, &age, &grace); err != nil {
			return err
		}
		r.MaxAge, r.Grace = time.Duration(age)*time.Microsecond, time.Duration(grace)*time.Microsecond
		all = append(all, r)
		return nil
	}, `SELECT resource_type, resource_name, group_name, max_age, grace FROM binding_rules`)
	return all, err
}

func put(ctx context.Context, tx *db.Tx, r Rule) error {
	_, err := tx.Exec(ctx, `DELETE FROM binding_rules WHERE resource_type = $1 AND resource_name = $2 AND group_name = $3`,
		r.Resource.Type, r.Resource.Name, r.Group)
	if err != nil || r.MaxAge == 0 {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO binding_rules (resource_type, resource_name, group_name, max_age, grace) VALUES ($1, $2, $3, $4, $5)`,
		r.Resource.Type, r.Resource.Name, r.Group, r.MaxAge.Microseconds(), r.Grace.Microseconds())
	return err
}
