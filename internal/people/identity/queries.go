package identity

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/principal"
)

const identityColumns = `id, user_name, connector_id, instance, issuer, subject, token_sub, ended, waiting, approved`

func scanIdentity(ctx context.Context, tx *db.Tx, where string, args ...any) (who Identity, err error) {
	into := []any{
		&who.ID, &who.User, &who.ConnectorID, &who.Instance, &who.Issuer, &who.Subject, &who.TokenSub, &who.Ended, &who.Waiting, &who.Approved,
	}
	return who, tx.Row(ctx, into, `SELECT `+identityColumns+` FROM identities WHERE `+where, args...)
}

// identityAndUser finds an identity, and whether the user that it is of is disabled.
func identityAndUser(ctx context.Context, tx *db.Tx, where string, args ...any) (who Identity, disabled bool, err error) {
	into := []any{
		&who.ID, &who.User, &who.ConnectorID, &who.Instance, &who.Issuer, &who.Subject, &who.TokenSub, &who.Ended, &who.Waiting, &who.Approved,
		&disabled, &who.ReadsGroups,
	}
	return who, disabled, tx.Row(ctx, into, `SELECT `+identityColumns+`,
		COALESCE((SELECT disabled FROM users WHERE name = user_name), FALSE), group_data IS NOT NULL
		FROM identities WHERE `+where, args...)
}

func identityBySubject(ctx context.Context, tx *db.Tx, instance, issuer, subject string) (who Identity, disabled bool, err error) {
	return identityAndUser(ctx, tx, `instance = $1 AND issuer = $2 AND subject = $3`, instance, issuer, subject)
}

// ByTokenSub finds the identity that an ID token of our issuer speaks of. Fault:
// NotFound.
func ByTokenSub(ctx context.Context, tx *db.Tx, sub string) (Identity, error) {
	return scanIdentity(ctx, tx, `token_sub = $1`, sub)
}

// ByID finds an identity. Fault: NotFound.
func ByID(ctx context.Context, tx *db.Tx, id string) (Identity, error) {
	return scanIdentity(ctx, tx, `id = $1`, id)
}

func createIdentity(ctx context.Context, tx *db.Tx, who Identity, email string, now time.Time) error {
	if who.TokenSub == "" {
		return errNoSub
	}
	_, err := tx.Exec(ctx, `INSERT INTO identities (`+identityColumns+`, email, created_at, login_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)`,
		who.ID, who.User, who.ConnectorID, who.Instance, who.Issuer, who.Subject, who.TokenSub,
		who.Ended, who.Waiting, who.Approved, email, db.Micros(now))
	return err
}

// setUser says whose an identity is, and whether it waits to be linked.
func setUser(ctx context.Context, tx *db.Tx, id string, user principal.Name, waiting bool) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET user_name = $2, waiting = $3 WHERE id = $1`, id, user, waiting)
	return err
}

func revive(ctx context.Context, tx *db.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET ended = FALSE WHERE id = $1`, id)
	return err
}

func endInstance(ctx context.Context, tx *db.Tx, instance string) error {
	if _, err := tx.Exec(ctx, `UPDATE identities SET ended = TRUE WHERE instance = $1`, instance); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM memberships WHERE source = $1`, connectorSource(instance))
	return err
}

func setDisabled(ctx context.Context, tx *db.Tx, user principal.Name, disabled bool) (seen bool, err error) {
	n, err := tx.Exec(ctx, `UPDATE users SET disabled = $2 WHERE name = $1`, user, disabled)
	return n > 0, err
}

func deleteGroups(ctx context.Context, tx *db.Tx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM memberships`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM known_groups`)
	return err
}

// some reports whether a query that counts finds something.
func some(ctx context.Context, tx *db.Tx, query string, args ...any) (bool, error) {
	var n int64
	err := tx.Row(ctx, []any{&n}, query, args...)
	return n > 0, err
}

func hasIdentity(ctx context.Context, tx *db.Tx, user principal.Name) (bool, error) {
	return some(ctx, tx, `SELECT COUNT(*) FROM identities WHERE user_name = $1`, user)
}

// displaceUnapproved lets the identities of a user that nobody has approved wait.
func displaceUnapproved(ctx context.Context, tx *db.Tx, user principal.Name) error {
	n, err := tx.Exec(ctx, `UPDATE identities SET waiting = TRUE WHERE user_name = $1 AND NOT approved AND NOT waiting`, user)
	if err != nil || n == 0 {
		return err
	}
	return tx.Changed(ctx, principal.Topic, user.String())
}

func hasApprovedIdentity(ctx context.Context, tx *db.Tx, user principal.Name) (bool, error) {
	return some(ctx, tx, `SELECT COUNT(*) FROM identities WHERE user_name = $1 AND approved`, user)
}

func approveInstance(ctx context.Context, tx *db.Tx, instance string) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET approved = TRUE WHERE instance = $1`, instance)
	return err
}

func createUser(ctx context.Context, tx *db.Tx, user principal.Name, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO users (name, disabled, created_at, login_at) VALUES ($1, FALSE, $2, 0) ON CONFLICT (name) DO NOTHING`,
		user, db.Micros(now))
	return err
}

func isDisabled(ctx context.Context, tx *db.Tx, user principal.Name) (disabled bool, err error) {
	err = tx.Row(ctx, []any{&disabled}, `SELECT disabled FROM users WHERE name = $1`, user)
	return disabled, err
}

func touchLogin(ctx context.Context, tx *db.Tx, who Identity, in SignIn, now time.Time) error {
	if err := touchIdentity(ctx, tx, who, in, now); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE users SET login_at = $2 WHERE name = $1`, who.User, db.Micros(now))
	return err
}

func touchIdentity(ctx context.Context, tx *db.Tx, who Identity, in SignIn, now time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET login_at = $2, email = $3, group_data = $4, groups_read_at = $2, groups_failed = FALSE
		WHERE id = $1`, who.ID, db.Micros(now), in.Email, in.GroupData)
	return err
}

// claimGroups notes that the groups of an identity are read again now, if they were
// not since before and can be. Fault: NotFound.
func claimGroups(ctx context.Context, tx *db.Tx, id string, now, before time.Time) (g GroupSource, err error) {
	err = tx.Row(ctx, []any{&g.ID, &g.User, &g.ConnectorID, &g.Instance, &g.Subject, &g.Approved, &g.Data}, `UPDATE identities
		SET groups_read_at = $2 WHERE id = $1 AND group_data IS NOT NULL AND NOT ended AND NOT waiting AND groups_read_at <= $3
		RETURNING id, user_name, connector_id, instance, subject, approved, group_data`, id, db.Micros(now), db.Micros(before))
	return g, err
}

func setGroupData(ctx context.Context, tx *db.Tx, id string, data []byte) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET group_data = $2, groups_failed = FALSE WHERE id = $1`, id, data)
	return err
}

func setGroupsFailed(ctx context.Context, tx *db.Tx, id string, readAt time.Time) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET groups_read_at = $2, groups_failed = TRUE WHERE id = $1`, id, db.Micros(readAt))
	return err
}

// seeMemberships notes that a source says again that somebody is in these groups, and
// reports whether it says so of no others than before.
func seeMemberships(ctx context.Context, tx *db.Tx, member principal.Name, source string, groups []principal.Name,
	now time.Time,
) (same bool, err error) {
	said, err := db.Column[principal.Name](ctx, tx,
		`UPDATE memberships SET seen_at = $3 WHERE member = $1 AND source = $2 RETURNING group_name`, member, source, db.Micros(now))
	slices.Sort(said)
	return slices.Equal(said, slices.Compact(slices.Sorted(slices.Values(groups)))), err
}

func replaceMemberships(ctx context.Context, tx *db.Tx, member principal.Name, source string, groups []principal.Name,
	now time.Time,
) error {
	if same, err := seeMemberships(ctx, tx, member, source, groups, now); err != nil || same {
		return err
	}
	if err := deleteMemberships(ctx, tx, member, source); err != nil {
		return err
	}
	for _, g := range groups {
		if err := createMembership(ctx, tx, member, Membership{Group: g, Source: source, Seen: now}); err != nil {
			return err
		}
	}
	return tx.Changed(ctx, principal.Topic, member.String())
}

func createMembership(ctx context.Context, tx *db.Tx, member principal.Name, m Membership) error {
	_, err := tx.Exec(ctx, `INSERT INTO memberships (member, group_name, source, seen_at, written) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`,
		member, m.Group, m.Source, db.Micros(m.Seen), m.Written)
	return err
}

func deleteMemberships(ctx context.Context, tx *db.Tx, member principal.Name, source string) error {
	_, err := tx.Exec(ctx, `DELETE FROM memberships WHERE member = $1 AND source = $2`, member, source)
	return err
}

func deleteMembership(ctx context.Context, tx *db.Tx, member, group principal.Name, source string) error {
	_, err := tx.Exec(ctx, `DELETE FROM memberships WHERE member = $1 AND group_name = $2 AND source = $3`, member, group, source)
	return err
}

func membersBySource(ctx context.Context, tx *db.Tx, group principal.Name, source string) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT member FROM memberships WHERE group_name = $1 AND source = $2`, group, source)
}

func membersOfSource(ctx context.Context, tx *db.Tx, source string) (map[principal.Name][]principal.Name, error) {
	all := map[principal.Name][]principal.Name{}
	return all, tx.Rows(ctx, func(scan func(...any) error) error {
		var group, who principal.Name
		err := scan(&group, &who)
		all[group] = append(all[group], who)
		return err
	}, `SELECT group_name, member FROM memberships WHERE source = $1`, source)
}

func membershipsOf(ctx context.Context, tx *db.Tx, who principal.Name) (facts []Membership, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var m Membership
		var seen int64
		err := scan(&m.Group, &m.Written, &m.Source, &seen)
		m.Written, m.Seen = cmp.Or(m.Written, m.Group.String()), db.Time(seen)
		facts = append(facts, m)
		return err
	}, `SELECT group_name, written, source, seen_at FROM memberships WHERE member = $1`, who)
	return facts, err
}

func groupsOnlyFrom(ctx context.Context, tx *db.Tx, source string) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT DISTINCT group_name FROM memberships m WHERE source = $1
		AND NOT EXISTS (SELECT 1 FROM memberships o WHERE o.group_name = m.group_name AND o.source <> $1)
		AND NOT EXISTS (SELECT 1 FROM known_groups k WHERE k.name = m.group_name)`, source)
}

func groupsOf(ctx context.Context, tx *db.Tx, who principal.Name) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT DISTINCT group_name FROM memberships WHERE member = $1`, who)
}

func membersOf(ctx context.Context, tx *db.Tx, group principal.Name, p db.Page) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx,
		`SELECT DISTINCT member FROM memberships WHERE group_name = $3 AND member > $1 ORDER BY member LIMIT $2`,
		p.After, p.Size(), group)
}

// membershipsIn are what is known of the members of a group between two names.
func membershipsIn(ctx context.Context, tx *db.Tx, group principal.Name, after, last string) (map[principal.Name][]Membership, error) {
	all := map[principal.Name][]Membership{}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		m := Membership{Group: group}
		var member principal.Name
		var connector string
		var seen int64
		if err := scan(&member, &m.Source, &connector, &seen); err != nil {
			return err
		}
		if connector != "" {
			m.Source = "connector/" + connector
		}
		m.Seen = db.Time(seen)
		all[member] = append(all[member], m)
		return nil
	}, `SELECT m.member, m.source, COALESCE((SELECT MIN(i.connector_id) FROM identities i
			WHERE i.user_name = m.member AND 'connector:' || i.instance = m.source), ''), m.seen_at
		FROM memberships m WHERE m.group_name = $1 AND m.member > $2 AND m.member <= $3`, group, after, last)
	return all, err
}

func membersOfAny(ctx context.Context, tx *db.Tx, p db.Page) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT DISTINCT member FROM memberships WHERE member > $1 ORDER BY member LIMIT $2`,
		p.After, p.Size())
}

func createGroup(ctx context.Context, tx *db.Tx, group principal.Name, now time.Time) error {
	_, err := tx.Exec(ctx, `INSERT INTO known_groups (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING`, group, db.Micros(now))
	return err
}

func isKnownGroup(ctx context.Context, tx *db.Tx, group principal.Name) (bool, error) {
	return some(ctx, tx, `SELECT COUNT(*) FROM known_groups WHERE name = $1`, group)
}

func groupSizes(ctx context.Context, tx *db.Tx, p db.Page) (all []GroupSize, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var g GroupSize
		err := scan(&g.Group, &g.Members)
		all = append(all, g)
		return err
	}, `SELECT g.name, COUNT(DISTINCT m.member)
		FROM (SELECT name FROM known_groups UNION SELECT group_name FROM memberships) g
		LEFT JOIN memberships m ON m.group_name = g.name
		WHERE g.name >= $1 AND g.name < $3 GROUP BY g.name ORDER BY g.name LIMIT $2`, p.From(), p.Size(), p.Until())
	return all, err
}

func users(ctx context.Context, tx *db.Tx, since time.Time, page db.Page) (all []Person, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var p Person
		var disabled bool
		var login, used int64
		err := scan(&p.Name, &disabled, &login, &used)
		p.Enabled, p.LastLogin, p.LastUse = !disabled, db.Time(login), db.Time(used)
		all = append(all, p)
		return err
	}, `SELECT name, disabled, login_at, used_at FROM users WHERE name >= $1 AND name < $3
		AND created_at < $4 AND login_at < $4 AND used_at < $4 ORDER BY name LIMIT $2`, page.From(), page.Size(), page.Until(), db.Micros(since))
	return all, err
}

// Used notes when people last used a session or token.
func Used(ctx context.Context, tx *db.Tx, at map[principal.Name]time.Time) error {
	for who, used := range at {
		if _, err := tx.Exec(ctx, `UPDATE users SET used_at = $2 WHERE name = $1 AND used_at < $2`, who, db.Micros(used)); err != nil {
			return err
		}
	}
	return nil
}

// Accounts lists the identities of one person, by id.
func Accounts(ctx context.Context, tx *db.Tx, user principal.Name) ([]Account, error) {
	return accounts(ctx, tx, `user_name = $1`, user)
}

// OfInstance lists the identities that came through one instance of a
// connector.
func OfInstance(ctx context.Context, tx *db.Tx, instance string) ([]Account, error) {
	return accounts(ctx, tx, `instance = $1`, instance)
}

func accountsBetween(ctx context.Context, tx *db.Tx, first, last principal.Name) ([]Account, error) {
	return accounts(ctx, tx, `user_name >= $1 AND user_name <= $2`, first, last)
}

func accounts(ctx context.Context, tx *db.Tx, where string, args ...any) (all []Account, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var a Account
		var login, read int64
		err := scan(&a.ID, &a.User, &a.ConnectorID, &a.Instance, &a.Issuer, &a.Subject, &a.TokenSub,
			&a.Ended, &a.Waiting, &a.Approved, &a.Email, &login, &read, &a.Unasked)
		a.LastLogin, a.GroupsRead = db.Time(login), db.Time(read)
		all = append(all, a)
		return err
	}, `SELECT `+identityColumns+`, email, login_at, groups_read_at, groups_failed FROM identities WHERE `+where, args...)
	slices.SortFunc(all, func(a, b Account) int { return strings.Compare(a.ID, b.ID) })
	return all, err
}

// groupsBetween are the groups of people from one name to another.
func groupsBetween(ctx context.Context, tx *db.Tx, first, last principal.Name) (map[principal.Name][]principal.Name, error) {
	all := map[principal.Name][]principal.Name{}
	err := tx.Rows(ctx, func(scan func(...any) error) error {
		var member, group principal.Name
		err := scan(&member, &group)
		all[member] = append(all[member], group)
		return err
	}, `SELECT DISTINCT member, group_name FROM memberships WHERE member >= $1 AND member <= $2`, first, last)
	for _, groups := range all {
		slices.Sort(groups)
	}
	return all, err
}

// NotPlain lists the people, members and groups whose names are other than
// lower-case ASCII: those that may be spelled in several ways.
func NotPlain(ctx context.Context, tx *db.Tx) ([]principal.Name, error) {
	return db.Column[principal.Name](ctx, tx, `SELECT name FROM (
			SELECT name FROM users UNION SELECT member FROM memberships
			UNION SELECT group_name FROM memberships UNION SELECT name FROM known_groups
		) n WHERE name <> LOWER(name) OR LENGTH(name) <> OCTET_LENGTH(name)`)
}

// Knows reports whether a name is that of a person, a member or a group.
func Knows(ctx context.Context, tx *db.Tx, who principal.Name) (bool, error) {
	return some(ctx, tx, `SELECT COUNT(*) FROM (
			SELECT name FROM users WHERE name = $1 UNION ALL SELECT name FROM known_groups WHERE name = $1
			UNION ALL SELECT member FROM memberships WHERE member = $1 OR group_name = $1
		) of_them`, who)
}

type userRow struct {
	name                 principal.Name
	disabled             bool
	created, login, used int64
}

// usersOf are those of some names that people have, the first who came first.
func usersOf(ctx context.Context, tx *db.Tx, spellings []principal.Name) (all []userRow, err error) {
	for _, name := range spellings {
		err := tx.Rows(ctx, func(scan func(...any) error) error {
			u := userRow{name: name}
			err := scan(&u.disabled, &u.created, &u.login, &u.used)
			all = append(all, u)
			return err
		}, `SELECT disabled, created_at, login_at, used_at FROM users WHERE name = $1`, name)
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b userRow) int { return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.name, b.name)) })
	return all, nil
}

func putUser(ctx context.Context, tx *db.Tx, name principal.Name, u userRow) error {
	_, err := tx.Exec(ctx, `INSERT INTO users (name, disabled, created_at, login_at, used_at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (name) DO UPDATE SET disabled = excluded.disabled, created_at = excluded.created_at, login_at = excluded.login_at,
			used_at = excluded.used_at`, name, u.disabled, u.created, u.login, u.used)
	return err
}

func deleteUser(ctx context.Context, tx *db.Tx, name principal.Name) error {
	_, err := tx.Exec(ctx, `DELETE FROM users WHERE name = $1`, name)
	return err
}

// giveIdentities makes the identities of one name another's; they wait if wait,
// or if they do already.
func giveIdentities(ctx context.Context, tx *db.Tx, from, to principal.Name, wait bool) error {
	_, err := tx.Exec(ctx, `UPDATE identities SET user_name = $2, waiting = waiting OR $3 WHERE user_name = $1`, from, to, wait)
	return err
}

func forget(ctx context.Context, tx *db.Tx, member principal.Name) error {
	_, err := tx.Exec(ctx, `DELETE FROM memberships WHERE member = $1`, member)
	return err
}

func renameGroup(ctx context.Context, tx *db.Tx, from, to principal.Name) error {
	if from == to {
		return nil
	}
	for _, query := range []string{
		`INSERT INTO memberships (member, group_name, source, seen_at, written)
			SELECT member, $2, source, seen_at, written FROM memberships WHERE group_name = $1 ON CONFLICT DO NOTHING`,
		`INSERT INTO known_groups (name, created_at) SELECT $2, created_at FROM known_groups WHERE name = $1 ON CONFLICT DO NOTHING`,
	} {
		if _, err := tx.Exec(ctx, query, from, to); err != nil {
			return err
		}
	}
	_, err := deleteGroup(ctx, tx, from)
	return err
}

func deleteGroup(ctx context.Context, tx *db.Tx, group principal.Name) (existed bool, err error) {
	for _, query := range []string{`DELETE FROM memberships WHERE group_name = $1`, `DELETE FROM known_groups WHERE name = $1`} {
		n, err := tx.Exec(ctx, query, group)
		if err != nil {
			return false, err
		}
		existed = existed || n > 0
	}
	return existed, nil
}
