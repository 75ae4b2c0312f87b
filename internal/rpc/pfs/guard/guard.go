package guard

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"pachyderm/api"
	"pachyderm/internal/access"
	"pachyderm/internal/audit"
	"pachyderm/internal/data/graph"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

// Sees reports whether the caller may know that there is a repository.
func Sees(c session.Caller, r graph.Repo) bool {
	if !c.Guarded() {
		return true
	}
	if c.Decide(access.Resource{Type: access.Project, Name: r.Project}, access.SetOf(access.ProjectListRepo)).Allowed {
		return true
	}
	_, has := c.Effective(r.Resource())
	return has != access.PermissionSet{}
}

// Allow asks for permissions on a repository. Faults: Denied, and NotFound for one
// that the caller may not see.
func Allow(ctx context.Context, r graph.Repo, need ...access.Permission) error {
	c := session.FromContext(ctx)
	if !c.Guarded() {
		return nil
	}
	if err := r.Check(); err != nil {
		return err
	}
	if all, ok := ctx.Value(madeKey{}).(made); ok && all[r] {
		return nil // its maker owns it
	}
	for _, p := range need {
		if err := c.Authorize(r.Resource(), p); err != nil {
			if !Sees(c, r) {
				return graph.ErrNoRepo(r)
			}
			return err
		}
	}
	if len(need) == 0 && !Sees(c, r) {
		return graph.ErrNoRepo(r)
	}
	return nil
}

// AllowProject asks for a permission on a project, which those only see who have a
// role there.
func AllowProject(ctx context.Context, name string, need access.Permission) error {
	c := session.FromContext(ctx)
	if !c.Guarded() {
		return nil
	}
	return c.Authorize(access.Resource{Type: access.Project, Name: name}, need)
}

// SeesProject reports whether the caller may know that there is a project.
func SeesProject(c session.Caller, name string) bool {
	if !c.Guarded() {
		return true
	}
	roles, _ := c.Effective(access.Resource{Type: access.Project, Name: name})
	return len(roles) > 0
}

// By is who makes a change: nobody while authentication is off.
func By(ctx context.Context, now time.Time) audit.By {
	return audit.By{Actor: session.FromContext(ctx).Name, At: now.Truncate(time.Microsecond)}
}

// Change makes one change of the graph, by the caller.
func Change(ctx context.Context, d *db.DB, now time.Time, f func(*graph.Change) error) error {
	return graph.Update(ctx, d, By(ctx, now), seen(ctx, f))
}

// ChangeIn is Change within a transaction, with the global id that its commits get.
func ChangeIn(ctx context.Context, tx *db.Tx, now time.Time, id string, f func(*graph.Change) error) error {
	return graph.In(ctx, tx, By(ctx, now), id, seen(ctx, f))
}

// seen has a change name no repository that the caller may not see.
func seen(ctx context.Context, f func(*graph.Change) error) func(*graph.Change) error {
	return func(c *graph.Change) error {
		c.Sees = func(r graph.Repo) bool { return Allow(ctx, r) == nil }
		return f(c)
	}
}

// errTried ends what was only tried.
var errTried = errors.New("it was only tried")

// Try does something in a transaction, and then as if it had never been done.
func Try(ctx context.Context, d *db.DB, f func(*db.Tx) error) error {
	err := d.Update(ctx, func(tx *db.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errTried
	})
	if errors.Is(err, errTried) {
		return nil
	}
	return err
}

// Required is the fault of a request without something.
func Required(what string) error {
	return fault.New(fault.Invalid, "validate request: %s is required", what)
}

// Again asks again, by what roles and tokens are now.
type Again struct{ Sessions *session.Service }

// Still asks again for a permission in the middle of a call, by what roles and
// token are now: a stream may last for hours.
func (a Again) Still(ctx context.Context, r graph.Repo, need access.Permission) error {
	if !session.FromContext(ctx).Guarded() {
		return nil
	}
	now, err := a.caller(ctx)
	if err != nil {
		return err
	}
	return Allow(session.NewContext(ctx, now), r, need)
}

// StillCaller asks again whether the caller may call at all.
func (a Again) StillCaller(ctx context.Context) error {
	if !session.FromContext(ctx).Guarded() {
		return nil
	}
	_, err := a.caller(ctx)
	return err
}

// caller is who makes the call, as far as they are known now.
func (a Again) caller(ctx context.Context) (session.Caller, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	roles, err := a.Sessions.Roles(ctx)
	if err != nil {
		return session.Caller{}, err
	}
	return a.Sessions.Verify(ctx, roles, secret.Text(strings.Join(md.Get(api.TokenKey), "")))
}

// made are the repositories that the caller has made in the transaction under way: the
// roles on them count only once it is over.
type made map[graph.Repo]bool

type madeKey struct{}

// InTransaction gives the context of changes that are made together.
func InTransaction(ctx context.Context) context.Context {
	return context.WithValue(ctx, madeKey{}, made{})
}

// Made notes that the caller has made a repository, which counts as theirs from now on
// if ctx is of changes that are made together.
func Made(ctx context.Context, r graph.Repo) {
	if all, ok := ctx.Value(madeKey{}).(made); ok {
		all[r] = true
	}
}
