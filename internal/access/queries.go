package access

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"pachyderm/internal/audit"
	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

// boundOn are the roles on a resource, each as role, length in bytes and name of its principal, divided by spaces.
type boundOn struct {
	resource Resource
	roles    string
}

// readAll has the database put together what is bound on a resource: to hand over a million bindings one by one takes longer than
// to find them. Meanwhile another goroutine makes the index of those that are there.
func readAll(ctx context.Context, tx *db.Tx) (*Index, error) {
	const atOnce = 256
	read, made := make(chan []boundOn, 4), make(chan error, 1)
	b := newBuilder()
	go func() {
		var err error
		for some := range read {
			for _, on := range some {
				if err == nil {
					err = b.addAll(on)
				}
			}
		}
		made <- err
	}()
	var some []boundOn
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		if len(some) == atOnce {
			read <- some
			some = nil
		}
		some = append(some, boundOn{})
		on := &some[len(some)-1]
		return scan(&on.resource.Type, &on.resource.Name, &on.roles)
	}, `SELECT resource_type, resource_name, STRING_AGG(role || ' ' || OCTET_LENGTH(principal) || ' ' || principal, '')
		FROM bindings GROUP BY resource_type, resource_name UNION ALL SELECT resource_type, resource_name, '' FROM bound_resources`)
	read <- some
	close(read)
	if err := cmp.Or(<-made, err); err != nil {
		return nil, err
	}
	return b.index(), nil
}

// IsActive is Index.Active in a transaction.
func IsActive(ctx context.Context, tx *db.Tx) (bool, error) {
	bindings, _, err := readOne(ctx, tx, Resource{Type: Cluster})
	return len(bindings) > 0, err
}

// WasActive reports whether authentication is or was active: a cluster that an
// administrator has deactivated is not to be activated by a restart.
func WasActive(ctx context.Context, tx *db.Tx) (bool, error) {
	_, known, err := readOne(ctx, tx, Resource{Type: Cluster})
	return known, err
}

// deleteAll leaves the cluster known, for WasActive.
func deleteAll(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM bindings`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM bound_resources WHERE resource_type <> $1`, Cluster)
	return err
}

// readOne reads what is bound on one resource.
func readOne(ctx context.Context, tx *db.Tx, r Resource) (bindings []Binding, known bool, err error) {
	var n int64
	err = tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM bound_resources WHERE resource_type = $1 AND resource_name = $2`, r.Type, r.Name)
	if err != nil {
		return nil, false, err
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		b := Binding{Resource: r, Roles: make([]string, 1)}
		err := scan(&b.Principal, &b.Roles[0])
		bindings = append(bindings, b)
		return err
	}, `SELECT principal, role FROM bindings WHERE resource_type = $1 AND resource_name = $2`, r.Type, r.Name)
	return bindings, n > 0, err
}

// The key of a change of bindings.
func changeKey(r Resource) string { return strconv.Itoa(int(r.Type)) + ":" + r.Name }

func resourceOf(key string) Resource {
	t, name, _ := strings.Cut(key, ":")
	n, err := strconv.Atoi(t)
	if err != nil {
		return Resource{}
	}
	return Resource{Type: ResourceType(n), Name: name} //nolint:gosec // one of ours
}

// Put stores a binding in place of what the principal had on the resource, and records
// nothing: Set does.
func Put(ctx context.Context, tx *db.Tx, b Binding) error {
	on := b.Resource
	if len(b.Roles) > 0 { // to take roles away makes nothing known
		if err := makeKnown(ctx, tx, on); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `DELETE FROM bindings WHERE resource_type = $1 AND resource_name = $2 AND principal = $3`,
		on.Type, on.Name, b.Principal)
	if err != nil {
		return err
	}
	for _, role := range b.Roles {
		_, err := tx.Exec(ctx, `INSERT INTO bindings (resource_type, resource_name, principal, role) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`, on.Type, on.Name, b.Principal, role)
		if err != nil {
			return err
		}
	}
	return tx.Changed(ctx, topic, changeKey(on))
}

// Own makes a resource known, and gives a role on it to who made it, if anybody is known.
func Own(ctx context.Context, tx *db.Tx, by audit.By, r Resource, role string) error {
	if err := makeKnown(ctx, tx, r); err != nil {
		return err
	}
	if by.Actor == "" {
		return tx.Changed(ctx, topic, changeKey(r))
	}
	return Set(ctx, tx, by, r, by.Actor, []string{role})
}

func makeKnown(ctx context.Context, tx *db.Tx, r Resource) error {
	_, err := tx.Exec(ctx, `INSERT INTO bound_resources (resource_type, resource_name) VALUES ($1, $2) ON CONFLICT DO NOTHING`, r.Type, r.Name)
	return err
}

// Disown forgets a resource that is deleted, with all roles on it, in the caller's transaction.
func Disown(ctx context.Context, tx *db.Tx, by audit.By, r Resource) error {
	bound, err := db.Column[principal.Name](ctx, tx, `SELECT DISTINCT principal FROM bindings WHERE resource_type = $1 AND resource_name = $2`,
		r.Type, r.Name)
	if err != nil {
		return err
	}
	for _, who := range bound {
		if err := Set(ctx, tx, by, r, who, nil); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM bound_resources WHERE resource_type = $1 AND resource_name = $2`, r.Type, r.Name); err != nil {
		return err
	}
	return tx.Changed(ctx, topic, changeKey(r))
}

func rolesText(roles []string) string { return cmp.Or(strings.Join(roles, ","), "none") }

// BoundUnder lists the principals with roles whose names begin with a prefix,
// which must end in a slash.
func BoundUnder(ctx context.Context, tx *db.Tx, prefix string) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT DISTINCT principal FROM bindings WHERE principal >= $1 AND principal < $2`,
		prefix, strings.TrimSuffix(prefix, "/")+"0")
}

// NotPlain lists the principals with roles whose names are other than lower-case
// ASCII: those that may be spelled in several ways.
func NotPlain(ctx context.Context, tx *db.Tx) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx,
		`SELECT DISTINCT principal FROM bindings WHERE principal <> LOWER(principal) OR LENGTH(principal) <> OCTET_LENGTH(principal)`)
}

// BoundPage lists, role by role, what one principal or "" each has: so many principals a page.
func BoundPage(ctx context.Context, tx *db.Tx, who principal.Name, p db.Page) (all []Binding, next string, err error) {
	names, err := db.Column[principal.Name](ctx, tx, `SELECT DISTINCT principal FROM bindings
		WHERE principal > $1 AND ($3 = '' OR principal = $3) ORDER BY principal LIMIT $2`, p.After, p.Size(), who)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		b := Binding{Roles: make([]string, 1)}
		err := scan(&b.Principal, &b.Resource.Type, &b.Resource.Name, &b.Roles[0])
		all = append(all, b)
		return err
	}, `SELECT principal, resource_type, resource_name, role FROM bindings WHERE principal BETWEEN $1 AND $2`, names[0], names[len(names)-1])
	return all, p.Next(len(names), names[len(names)-1].String()), err
}

// RolesOf are the roles that are bound to a principal itself, by resource.
func RolesOf(ctx context.Context, tx *db.Tx, who principal.Name) (map[Resource][]string, error) {
	all, _, err := BoundPage(ctx, tx, who, db.Page{})
	on := map[Resource][]string{}
	for _, b := range all {
		on[b.Resource] = append(on[b.Resource], b.Roles...)
	}
	return on, err
}
