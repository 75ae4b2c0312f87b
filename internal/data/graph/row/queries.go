package row

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"pachyderm/internal/db"
	"pachyderm/internal/db/inlist"
	"pachyderm/internal/fault"
)

func InsertProject(ctx context.Context, tx *db.Tx, p Project) error {
	n, err := tx.Exec(ctx, `INSERT INTO projects (name, description, created_at, created_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		p.Name, p.Description, db.Micros(p.Created), p.CreatedBy)
	if err == nil && n == 0 {
		err = fault.New(fault.Exists, "project %q already exists", p.Name)
	}
	return err
}

const projectColumns = `name, description, created_at, created_by, metadata`

func (p *Project) scan(scan func(...any) error) error {
	var created int64
	err := scan(&p.Name, &p.Description, &created, &p.CreatedBy, &p.Metadata)
	p.Created = db.Time(created)
	return err
}

func FindProject(ctx context.Context, tx *db.Tx, name string) (p Project, err error) {
	err = p.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+projectColumns+` FROM projects WHERE name = $1`, name)
	})
	return p, NotFoundAs(err, ErrNoProject(name), false)
}

func FindProjects(ctx context.Context, tx *db.Tx) (all []Project, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var p Project
		err := p.scan(scan)
		all = append(all, p)
		return err
	}, `SELECT `+projectColumns+` FROM projects`)
	return all, err
}

func UpdateProject(ctx context.Context, tx *db.Tx, name, description string) error {
	n, err := tx.Exec(ctx, `UPDATE projects SET description = $2 WHERE name = $1`, name, description)
	if err == nil && n == 0 {
		return ErrNoProject(name)
	}
	return err
}

func DeleteProject(ctx context.Context, tx *db.Tx, name string) error {
	_, err := tx.Exec(ctx, `DELETE FROM projects WHERE name = $1`, name)
	return err
}

const repoColumns = `id, project, name, type, description, created_at, metadata`

func (r *RepoInfo) scan(scan func(...any) error) error {
	var created int64
	err := scan(&r.Key, &r.Project, &r.Name, &r.Type, &r.Description, &created, &r.Metadata)
	r.Created = db.Time(created)
	return err
}

func InsertRepo(ctx context.Context, tx *db.Tx, r RepoInfo) error {
	_, err := tx.Exec(ctx, `INSERT INTO repos (id, project, name, type, description, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		r.Key, r.Project, r.Name, r.Type, r.Description, db.Micros(r.Created))
	return err
}

func FindRepo(ctx context.Context, tx *db.Tx, name Repo) (r RepoInfo, err error) {
	err = r.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+repoColumns+` FROM repos WHERE project = $1 AND name = $2 AND type = $3`, name.Project, name.Name,
			name.Type)
	})
	return r, NotFoundAs(err, ErrNoRepo(name), false)
}

func RepoByKey(ctx context.Context, tx *db.Tx, key int64) (r RepoInfo, err error) {
	err = r.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+repoColumns+` FROM repos WHERE id = $1`, key)
	})
	return r, err
}

// FindRepos are those of some projects and of a type; none and "" are all.
func FindRepos(ctx context.Context, tx *db.Tx, inProjects []string, ofType string) (all []RepoInfo, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var r RepoInfo
		err := r.scan(scan)
		if len(inProjects) == 0 || slices.Contains(inProjects, r.Project) {
			all = append(all, r)
		}
		return err
	}, `SELECT `+repoColumns+` FROM repos WHERE $1 = '' OR type = $1`, ofType)
	return all, err
}

func DescribeRepo(ctx context.Context, tx *db.Tx, r Repo, description string) error {
	n, err := tx.Exec(ctx, `UPDATE repos SET description = $4 WHERE project = $1 AND name = $2 AND type = $3`, r.Project, r.Name, r.Type,
		description)
	if err == nil && n == 0 {
		return ErrNoRepo(r)
	}
	return err
}

// DeleteRepo deletes all that there is of a repository.
func DeleteRepo(ctx context.Context, tx *db.Tx, key int64) error {
	for _, statement := range []string{
		`DELETE FROM branch_provenance WHERE made IN (SELECT id FROM branches WHERE repo = $1) OR source IN (SELECT id FROM branches WHERE repo
			= $1)`,
		`DELETE FROM branches WHERE repo = $1`,
		`DELETE FROM commit_provenance WHERE made IN (SELECT id FROM commits WHERE repo = $1) OR source IN (SELECT id FROM commits WHERE repo =
			$1)`,
		`DELETE FROM commits WHERE repo = $1`,
		`DELETE FROM repos WHERE id = $1`,
	} {
		if _, err := tx.Exec(ctx, statement, key); err != nil {
			return err
		}
	}
	return nil
}

// MadeFromRepo are the branches of other repositories that are made from one.
func MadeFromRepo(ctx context.Context, tx *db.Tx, key int64) (all []Branch, err error) {
	found, err := branchRows(ctx, tx, `JOIN branch_provenance p ON p.made = b.id JOIN branches s ON s.id = p.source WHERE s.repo = $1`, key)
	for _, b := range found {
		all = append(all, b.Branch)
	}
	return all, err
}

const commitColumns = `c.id, c.repo, c.set_id, c.seq, c.parent, c.branch, c.origin, c.description, c.started, c.finished, c.error,
	c.size, c.root, c.created_by, c.metadata, c.forgotten,
	r.project, r.name, r.type`

const fromCommits = ` FROM commits c JOIN repos r ON r.id = c.repo `

func (c *CommitInfo) scan(scan func(...any) error) error {
	var started, finished int64
	err := scan(&c.Key, &c.RepoKey, &c.ID, &c.Seq, &c.ParentKey, &c.Branch, &c.Origin, &c.Description, &started, &finished, &c.Error,
		&c.Size, &c.Root, &c.CreatedBy, &c.Metadata, &c.Forgotten,
		&c.Repo.Project, &c.Repo.Name, &c.Repo.Type)
	c.Started, c.Finished = db.Time(started), db.Time(finished)
	return err
}

// InsertCommit stores a commit as the next of its repository.
func InsertCommit(ctx context.Context, tx *db.Tx, c *CommitInfo) error {
	err := tx.Row(ctx, []any{&c.Seq}, `SELECT COALESCE(MAX(seq), 0) + 1 FROM commits WHERE repo = $1`, c.RepoKey)
	if err != nil {
		return err
	}
	var have int64
	if err := tx.Row(ctx, []any{&have}, `SELECT COUNT(*) FROM commits WHERE set_id = $1 AND repo = $2`, c.ID, c.RepoKey); err != nil {
		return err
	}
	if have > 0 {
		return fault.New(fault.Exists, "there is a commit with this id")
	}
	_, err = tx.Exec(ctx, `INSERT INTO commits (id, repo, set_id, seq, parent, branch, origin, description, started, finished, error, size,
		root, created_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		c.Key, c.RepoKey, c.ID, c.Seq, c.ParentKey, c.Branch, c.Origin, c.Description, db.Micros(c.Started), db.Micros(c.Finished), c.Error,
		c.Size, root(c), c.CreatedBy)
	return err
}

// root is never NULL.
func root(c *CommitInfo) []byte { return append([]byte{}, c.Root...) }

func UpdateCommit(ctx context.Context, tx *db.Tx, c CommitInfo) error {
	_, err := tx.Exec(ctx, `UPDATE commits SET description = $2, finished = $3, error = $4, size = $5, root = $6, parent = $7 WHERE id = $1`,
		c.Key, c.Description, db.Micros(c.Finished), c.Error, c.Size, root(&c), c.ParentKey)
	return err
}

func commitRow(ctx context.Context, tx *db.Tx, where string, args ...any) (c CommitInfo, err error) {
	err = c.scan(func(dest ...any) error { return tx.Row(ctx, dest, `SELECT `+commitColumns+fromCommits+where, args...) })
	return c, err
}

func commitRows(ctx context.Context, tx *db.Tx, where string, args ...any) (all []CommitInfo, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var c CommitInfo
		err := c.scan(scan)
		all = append(all, c)
		return err
	}, `SELECT `+commitColumns+fromCommits+where, args...)
	return all, err
}

func CommitByKey(ctx context.Context, tx *db.Tx, key int64) (CommitInfo, error) {
	return commitRow(ctx, tx, `WHERE c.id = $1`, key)
}

func CommitBySet(ctx context.Context, tx *db.Tx, repo int64, id string) (CommitInfo, error) {
	return commitRow(ctx, tx, `WHERE c.set_id = $1 AND c.repo = $2`, id, repo)
}

// SourceOfSet is the commit of a repository that those with a global id come from.
func SourceOfSet(ctx context.Context, tx *db.Tx, repo int64, id string) (CommitInfo, error) {
	return commitRow(ctx, tx, `WHERE c.repo = $2 AND c.id IN (
		WITH RECURSIVE above(id) AS (SELECT id FROM commits WHERE set_id = $1
			UNION SELECT p.source FROM commit_provenance p JOIN above ON above.id = p.made) SELECT id FROM above) ORDER BY c.seq DESC`, id, repo)
}

// CommitsOfSet are the commits with a global id, and with aliases those that they come from.
func CommitsOfSet(ctx context.Context, tx *db.Tx, id string) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `WHERE c.id IN (
		WITH RECURSIVE above(id) AS (SELECT id FROM commits WHERE set_id = $1
			UNION SELECT p.source FROM commit_provenance p JOIN above ON above.id = p.made) SELECT id FROM above)`, id)
}

// CommitsWith are the commits with a global id.
func CommitsWith(ctx context.Context, tx *db.Tx, id string) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `WHERE c.set_id = $1`, id)
}

// CountAbove is how many commits one comes from, directly or not.
func CountAbove(ctx context.Context, tx *db.Tx, key int64) (n int64, err error) {
	err = tx.Row(ctx, []any{&n}, `SELECT COUNT(*) FROM commits WHERE id IN (
		WITH RECURSIVE above(id) AS (SELECT source FROM commit_provenance WHERE made = $1
			UNION SELECT p.source FROM commit_provenance p JOIN above ON above.id = p.made) SELECT id FROM above)`, key)
	return n, err
}

// At is a place in the list of commit sets: when its last commit was started.
type At struct {
	Started int64 // in microseconds
	Key     int64
}

// LatestSet comes before every commit set, of which the newest is the first.
var LatestSet = At{Started: math.MaxInt64, Key: math.MaxInt64}

// SetsPage are the ids of the commit sets after one, with a commit in a project or "",
// newest first; and where the next page begins. A set is where its first commit is.
func SetsPage(ctx context.Context, tx *db.Tx, inProject string, before At) (ids []string, next At, err error) {
	next = before
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var id string
		err := scan(&id, &next.Started, &next.Key)
		ids = append(ids, id)
		return err
	}, `SELECT c.set_id, c.started, c.id`+fromCommits+`WHERE (c.started < $1 OR c.started = $1 AND c.id < $2) AND ($3 = '' OR r.project = $3)
		AND NOT EXISTS (SELECT 1 FROM commits o JOIN repos p ON p.id = o.repo WHERE o.set_id = c.set_id AND o.id > c.id
			AND ($3 = '' OR p.project = $3))
		ORDER BY c.started DESC, c.id DESC LIMIT $4`, before.Started, before.Key, inProject, PageSize)
	return ids, next, err
}

// PageSize is how many commits are read at a time.
const PageSize = 100

// CommitsPage are the commits of a repository after one, by seq, forwards or backwards.
func CommitsPage(ctx context.Context, tx *db.Tx, repo, from, after int64, forwards bool) ([]CommitInfo, error) {
	if forwards {
		return commitRows(ctx, tx, `WHERE c.repo = $1 AND c.seq > $2 ORDER BY c.seq LIMIT $3`, repo, max(from, after), PageSize)
	}
	return commitRows(ctx, tx, `WHERE c.repo = $1 AND c.seq > $2 AND ($3 = 0 OR c.seq < $3) ORDER BY c.seq DESC LIMIT $4`, repo, from,
		after, PageSize)
}

func keyArg(key int64) any { return key }

// CommitsByKey are commits in the order of their keys here.
func CommitsByKey(ctx context.Context, tx *db.Tx, keys []int64) (all []CommitInfo, err error) {
	found := map[int64]CommitInfo{}
	err = inlist.Each(keys, 1, keyArg, func(places string, args []any) error {
		some, err := commitRows(ctx, tx, `WHERE c.id IN (`+places+`)`, args...)
		for _, c := range some {
			found[c.Key] = c
		}
		return err
	})
	for _, k := range keys {
		if c, ok := found[k]; ok {
			all = append(all, c)
		}
	}
	return all, err
}

// Ancestors are the keys of a commit and of those before it, up to one that is left out,
// and so many at most.
func Ancestors(ctx context.Context, tx *db.Tx, from, until int64, most int) ([]int64, error) {
	return db.Column[int64](ctx, tx, `SELECT id FROM (WITH RECURSIVE line(id, parent, n) AS (SELECT id, parent, 1 FROM commits WHERE id = $1
		AND id <> $2
		UNION ALL SELECT c.id, c.parent, line.n + 1 FROM commits c JOIN line ON c.id = line.parent WHERE c.id <> $2 AND line.n < $3)
		SELECT id, n FROM line) AS found ORDER BY n`, from, until, most)
}

// FillCommits adds parents, children and provenance, by as many statements for a page as
// for one commit.
func FillCommits(ctx context.Context, tx *db.Tx, all []CommitInfo) error {
	at, keys, parents := map[int64]*CommitInfo{}, make([]int64, len(all)), []int64(nil)
	for i := range all {
		c := &all[i]
		at[c.Key], keys[i] = c, c.Key
		c.Children, c.Provenance, c.Subvenance = nil, nil, nil
		if c.ParentKey != 0 {
			parents = append(parents, c.ParentKey)
		}
	}
	ids := map[int64]string{}
	err := relatives(ctx, tx, parents, `SELECT id, set_id FROM commits WHERE id IN (`, `)`, func(key int64, id string) { ids[key] = id })
	for i := range all {
		all[i].Parent = ids[all[i].ParentKey]
	}
	if err == nil {
		err = relatives(ctx, tx, keys, `SELECT parent, set_id FROM commits WHERE parent IN (`, `) ORDER BY seq`,
			func(parent int64, id string) { at[parent].Children = append(at[parent].Children, id) })
	}
	if err == nil {
		err = made(ctx, tx, keys, `SELECT p.made, c.set_id, c.branch, r.project, r.name, r.type`+fromCommits+
			`JOIN commit_provenance p ON p.source = c.id WHERE p.made IN (`, func(key int64) *[]Made { return &at[key].Provenance })
	}
	if err == nil {
		err = made(ctx, tx, keys, `SELECT p.source, c.set_id, c.branch, r.project, r.name, r.type`+fromCommits+
			`JOIN commit_provenance p ON p.made = c.id WHERE p.source IN (`, func(key int64) *[]Made { return &at[key].Subvenance })
	}
	return err
}

// relatives gives pairs of a key and an id.
func relatives(ctx context.Context, tx *db.Tx, keys []int64, before, after string, give func(int64, string)) error {
	return inlist.Each(keys, 1, keyArg, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var key int64
			var id string
			err := scan(&key, &id)
			if err == nil {
				give(key, id)
			}
			return err
		}, before+places+after, args...)
	})
}

// made adds to the lists of keys, each in the order of repositories.
func made(ctx context.Context, tx *db.Tx, keys []int64, statement string, list func(int64) *[]Made) error {
	err := inlist.Each(keys, 1, keyArg, func(places string, args []any) error {
		return tx.Rows(ctx, func(scan func(...any) error) error {
			var key int64
			var m Made
			err := scan(&key, &m.ID, &m.Branch, &m.Repo.Project, &m.Repo.Name, &m.Repo.Type)
			if err == nil {
				*list(key) = append(*list(key), m)
			}
			return err
		}, statement+places+`)`, args...)
	})
	for _, key := range keys {
		slices.SortFunc(*list(key), func(a, b Made) int { return strings.Compare(a.Repo.String()+a.ID, b.Repo.String()+b.ID) })
	}
	return err
}

// CommitsMade are the commits that were made from one, directly or not.
func CommitsMade(ctx context.Context, tx *db.Tx, key int64) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `WHERE c.id IN (WITH RECURSIVE below(id) AS (SELECT made FROM commit_provenance WHERE source = $1
		UNION SELECT p.made FROM commit_provenance p JOIN below ON below.id = p.source) SELECT id FROM below)`, key)
}

// Children are the commits whose parent is one.
func Children(ctx context.Context, tx *db.Tx, key int64) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `WHERE c.parent = $1 ORDER BY c.seq`, key)
}

// MoveChildren gives the children of a commit another parent.
func MoveChildren(ctx context.Context, tx *db.Tx, from, to int64) error {
	_, err := tx.Exec(ctx, `UPDATE commits SET parent = $2 WHERE parent = $1`, from, to)
	return err
}

// DeleteCommit deletes a commit that is nobody's parent and no head.
func DeleteCommit(ctx context.Context, tx *db.Tx, key int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM commit_provenance WHERE made = $1 OR source = $1`, key); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM commits WHERE id = $1`, key)
	return err
}

func InsertProvenance(ctx context.Context, tx *db.Tx, made, source int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO commit_provenance (made, source) VALUES ($1, $2) ON CONFLICT DO NOTHING`, made, source)
	return err
}

const branchColumns = `b.id, b.repo, b.name, b.head, b.created_at, b.updated_at, b.created_by, b.trigger_branch, b.trigger_all,
	b.trigger_rate, b.trigger_cron,
	b.trigger_size, b.trigger_commits, b.metadata, r.project, r.name, r.type`

const fromBranches = ` FROM branches b JOIN repos r ON r.id = b.repo `

func (b *BranchInfo) scan(scan func(...any) error, more ...any) error {
	var created, updated int64
	t := &b.Trigger
	err := scan(append([]any{
		&b.Key, &b.RepoKey, &b.Name, &b.HeadKey, &created, &updated, &b.CreatedBy, &t.Branch, &t.All, &t.Rate, &t.Cron, &t.Size, &t.Commits,
		&b.Metadata, &b.Repo.Project, &b.Repo.Name, &b.Repo.Type,
	}, more...)...)
	b.Created, b.Updated = db.Time(created), db.Time(updated)
	return err
}

func InsertBranch(ctx context.Context, tx *db.Tx, b BranchInfo, now time.Time) error {
	t := b.Trigger
	_, err := tx.Exec(ctx, `INSERT INTO branches (id, repo, name, head, created_at, updated_at, created_by,
		trigger_branch, trigger_all, trigger_rate, trigger_cron, trigger_size, trigger_commits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9,
			$10, $11, $12, $13)`,
		b.Key, b.RepoKey, b.Name, b.HeadKey, db.Micros(b.Created), db.Micros(now), b.CreatedBy, t.Branch, t.All, t.Rate, t.Cron, t.Size,
		t.Commits)
	return err
}

func UpdateBranch(ctx context.Context, tx *db.Tx, b BranchInfo, now time.Time) error {
	t := b.Trigger
	_, err := tx.Exec(ctx, `UPDATE branches SET head = $2, updated_at = $3, trigger_branch = $4, trigger_all = $5, trigger_rate = $6,
		trigger_cron = $7,
		trigger_size = $8, trigger_commits = $9 WHERE id = $1`,
		b.Key, b.HeadKey, db.Micros(now), t.Branch, t.All, t.Rate, t.Cron, t.Size, t.Commits)
	return err
}

func FindBranch(ctx context.Context, tx *db.Tx, r RepoInfo, name string) (b BranchInfo, err error) {
	err = b.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+branchColumns+fromBranches+`WHERE b.repo = $1 AND b.name = $2`, r.Key, name)
	})
	return b, NotFoundAs(err, ErrNoBranch(Branch{r.Repo, name}), false)
}

func BranchByKey(ctx context.Context, tx *db.Tx, key int64) (b BranchInfo, err error) {
	err = b.scan(func(dest ...any) error {
		return tx.Row(ctx, dest, `SELECT `+branchColumns+fromBranches+`WHERE b.id = $1`, key)
	})
	return b, err
}

func branchRows(ctx context.Context, tx *db.Tx, where string, args ...any) (all []BranchInfo, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var b BranchInfo
		err := b.scan(scan)
		all = append(all, b)
		return err
	}, `SELECT `+branchColumns+fromBranches+where, args...)
	return all, err
}

// BranchesOf are those of a repository, oldest first.
func BranchesOf(ctx context.Context, tx *db.Tx, r RepoInfo) ([]BranchInfo, error) {
	return oldestFirst(branchRows(ctx, tx, `WHERE b.repo = $1`, r.Key))
}

// Followers are the branches of a repository that have a trigger, oldest first.
func Followers(ctx context.Context, tx *db.Tx, repo int64) ([]BranchInfo, error) {
	return oldestFirst(branchRows(ctx, tx, `WHERE b.repo = $1 AND b.trigger_branch <> ''`, repo))
}

func oldestFirst(all []BranchInfo, err error) ([]BranchInfo, error) {
	slices.SortFunc(all, func(a, b BranchInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.Name, b.Name))
	})
	return all, err
}

// BranchesBehind are those that follow another at set times and have not its head.
func BranchesBehind(ctx context.Context, tx *db.Tx) ([]BranchInfo, error) {
	return branchRows(ctx, tx, `WHERE b.trigger_cron <> '' AND EXISTS (SELECT 1 FROM branches source
		WHERE source.repo = b.repo AND source.name = b.trigger_branch AND source.head <> b.head)`)
}

// BranchesAt are those whose head is a commit.
func BranchesAt(ctx context.Context, tx *db.Tx, commit int64) ([]BranchInfo, error) {
	return branchRows(ctx, tx, `WHERE b.head = $1`, commit)
}

func DeleteBranch(ctx context.Context, tx *db.Tx, key int64) error {
	if _, err := tx.Exec(ctx, `DELETE FROM branch_provenance WHERE made = $1 OR source = $1`, key); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM branches WHERE id = $1`, key)
	return err
}

func InsertSource(ctx context.Context, tx *db.Tx, made, source int64, never bool) error {
	_, err := tx.Exec(ctx, `INSERT INTO branch_provenance (made, source, never) VALUES ($1, $2, $3)`, made, source, never)
	return err
}

func DeleteSources(ctx context.Context, tx *db.Tx, made int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM branch_provenance WHERE made = $1`, made)
	return err
}

// SourcesOf are the branches that one was said to be made from, by name.
func SourcesOf(ctx context.Context, tx *db.Tx, made int64) (all []Source, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var b BranchInfo
		var never bool
		err := b.scan(scan, &never)
		all = append(all, Source{b.Branch, never})
		return err
	}, `SELECT `+branchColumns+`, p.never`+fromBranches+`JOIN branch_provenance p ON p.source = b.id WHERE p.made = $1`, made)
	slices.SortFunc(all, func(a, b Source) int { return strings.Compare(a.Branch.String(), b.Branch.String()) })
	return all, err
}

// MadeBranch is a branch that is made from another.
type MadeBranch struct {
	BranchInfo
	Never bool
}

// MadeDirectly are the branches that were said to be made from one.
func MadeDirectly(ctx context.Context, tx *db.Tx, source int64) (all []MadeBranch, err error) {
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var m MadeBranch
		err := m.scan(scan, &m.Never)
		all = append(all, m)
		return err
	}, `SELECT `+branchColumns+`, p.never`+fromBranches+`JOIN branch_provenance p ON p.made = b.id WHERE p.source = $1`, source)
	return all, err
}

// Closure are the branches that one is made from, directly or not, or, if not above,
// those that are made from it.
func Closure(ctx context.Context, tx *db.Tx, key int64, above bool) ([]BranchInfo, error) {
	if above {
		return branchRows(ctx, tx, `WHERE b.id IN (WITH RECURSIVE found(id) AS (SELECT source FROM branch_provenance WHERE made = $1
			UNION SELECT p.source FROM branch_provenance p JOIN found ON found.id = p.made) SELECT id FROM found)`, key)
	}
	return branchRows(ctx, tx, `WHERE b.id IN (WITH RECURSIVE found(id) AS (SELECT made FROM branch_provenance WHERE source = $1
		UNION SELECT p.made FROM branch_provenance p JOIN found ON found.id = p.source) SELECT id FROM found)`, key)
}

// Heads are the heads of the branches that one was said to be made from.
func Heads(ctx context.Context, tx *db.Tx, made int64) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `WHERE c.id IN (SELECT b.head FROM branches b JOIN branch_provenance p ON p.source = b.id WHERE p.made =
		$1)`, made)
}

// LostParents are commits whose parent is not there, is of another repository or is not older.
func LostParents(ctx context.Context, tx *db.Tx) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `LEFT JOIN commits p ON p.id = c.parent AND p.repo = c.repo AND p.seq < c.seq
		WHERE c.parent <> 0 AND p.id IS NULL`)
}

// OpenParents are commits that somebody began after one that somebody has not ended.
func OpenParents(ctx context.Context, tx *db.Tx) ([]CommitInfo, error) {
	return commitRows(ctx, tx, `JOIN commits p ON p.id = c.parent WHERE c.origin = $1 AND p.origin = $1 AND p.finished = 0`, ByUser)
}

// LostHeads are branches whose head is not there or is of another repository.
func LostHeads(ctx context.Context, tx *db.Tx) ([]BranchInfo, error) {
	return branchRows(ctx, tx, `LEFT JOIN commits c ON c.id = b.head AND c.repo = b.repo WHERE c.id IS NULL`)
}

// Edges pair what was made with what it was made from, by keys: all that there are of
// commits, or of branches.
func Edges(ctx context.Context, tx *db.Tx, ofBranches bool) (all [][2]int64, err error) {
	statement := `SELECT made, source FROM commit_provenance`
	if ofBranches {
		statement = `SELECT made, source FROM branch_provenance`
	}
	err = tx.Rows(ctx, func(scan func(...any) error) error {
		var e [2]int64
		err := scan(&e[0], &e[1])
		all = append(all, e)
		return err
	}, statement)
	return all, err
}

// Labeled is what metadata can be attached to.
type Labeled int

// The rows that carry metadata.
const (
	LabeledProject Labeled = iota // by name
	LabeledRepo                   // these by key
	LabeledBranch
	LabeledCommit
)

// SetMetadata attaches metadata to a row, in place of what it had.
func SetMetadata(ctx context.Context, tx *db.Tx, of Labeled, key any, m Metadata) error {
	text, err := m.text()
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, map[Labeled]string{
		LabeledProject: `UPDATE projects SET metadata = $2 WHERE name = $1`,
		LabeledRepo:    `UPDATE repos SET metadata = $2 WHERE id = $1`,
		LabeledBranch:  `UPDATE branches SET metadata = $2 WHERE id = $1`,
		LabeledCommit:  `UPDATE commits SET metadata = $2 WHERE id = $1`,
	}[of], key, text)
	return err
}

// Forget takes the files of a commit away and leaves the commit.
func Forget(ctx context.Context, tx *db.Tx, key int64) error {
	_, err := tx.Exec(ctx, `UPDATE commits SET forgotten = TRUE, root = $2, size = 0 WHERE id = $1`, key, []byte{})
	return err
}
