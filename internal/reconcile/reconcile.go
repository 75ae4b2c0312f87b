package reconcile

import (
	"context"
	"crypto/rand"
	"log/slog"
	"strings"
	"sync"
	"time"

	"pachyderm/internal/access"
	"pachyderm/internal/config/declared"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/managed"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/session"
	"pachyderm/internal/secret"
)

const (
	// lookEvery is how often the configuration is read again. Kubernetes changes
	// mounted files by moving links, which no watch of a file tells of.
	lookEvery = 2 * time.Second
	// seenEvery is how often a replica says that it is there; after three times as much
	// others take it for gone.
	seenEvery = 10 * time.Second
	// keyName names the key of digests in the database, where it is sealed.
	keyName = "declared-key"
	// maxAttempts is how often a change is tried that another replica gets into.
	maxAttempts = 8
)

// Config is what a Reconciler is made from.
type Config struct {
	DB         *db.DB
	Sealer     *secret.Sealer
	Issuer     *issuer.Issuer
	Login      *login.Service
	Sessions   *session.Service
	References *secret.References // for secrets of clients
	Log        *slog.Logger
	Now        func() time.Time
	// Replica is the name of this process among those of one database.
	Replica string
	// Read reads the configuration as it is now.
	Read func() (declared.State, error)
}

// Reconciler makes it so. It is safe for concurrent use.
type Reconciler struct {
	with Config
	key  []byte

	mu     sync.Mutex // held while one step is taken
	done   string     // what the last step that ended well was for
	older  *string    // the declaration of this process that another has replaced
	there  bool       // whether other replicas know of this one
	said   string     // the last complaint, which is not repeated
	seenAt time.Time
}

// New finds or makes the key of digests.
func New(ctx context.Context, c Config) (*Reconciler, error) {
	sealed, err := c.Sealer.Seal([]byte(rand.Text()+rand.Text()), keyName)
	if err != nil {
		return nil, err
	}
	if sealed, err = c.DB.EnsureMeta(ctx, keyName, sealed); err != nil {
		return nil, err
	}
	key, err := c.Sealer.Open(sealed, keyName)
	return &Reconciler{with: c, key: key}, err
}

// Start makes it so for the first time. Faults: Invalid, with the place; those of
// the database.
func (r *Reconciler) Start(ctx context.Context, s declared.State) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.step(ctx, s)
}

// Run looks at the configuration until ctx ends. What is wrong with it is logged,
// and what there was stays.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return r.leave(ctx)
		case <-tick.C:
			r.Look(ctx)
		}
	}
}

// Look is one look at the configuration.
func (r *Reconciler) Look(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, err := r.with.Read()
	if err == nil {
		err = r.step(ctx, s)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	switch isNew := r.isNew(sentence(err)); {
	case !isNew:
	case !fault.Is(err, fault.Invalid) && !fault.Is(err, fault.Precondition):
		r.with.Log.WarnContext(ctx, "cannot compare the declared state with what there is", "error", sentence(err))
	default:
		r.with.Log.ErrorContext(ctx, "the configuration was changed to what cannot be had; what there was stays", "error", sentence(err))
	}
}

// isNew reports whether a complaint is another one than the last: each is logged
// once, until something else happens.
func (r *Reconciler) isNew(complaint string) bool {
	last := r.said
	r.said = complaint
	return last != complaint
}

func sentence(err error) string {
	if fault.KindOf(err) == fault.Internal {
		return err.Error()
	}
	return fault.Message(err)
}

// leave says to other replicas that this one stops.
func (r *Reconciler) leave(ctx context.Context) error {
	if !r.there {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	err := r.with.DB.Update(ctx, func(tx *db.Tx) error { return managed.Left(ctx, tx, r.with.Replica) })
	if err != nil {
		r.with.Log.WarnContext(ctx, "other replicas do not know yet that this one stops", "error", err)
	}
	return nil
}

// step makes it so, if that is this replica's to do.
func (r *Reconciler) step(ctx context.Context, s declared.State) error {
	w, err := r.check(ctx, s)
	if err != nil {
		return err
	}
	active, err := r.isActive(ctx)
	if err != nil {
		return err
	}
	state := w.digest
	if active {
		state += " active"
	}
	mine, err := r.claim(ctx, w.digest, state == r.done)
	if err != nil || !mine {
		return err
	}
	if state == r.done {
		r.said = ""
		return nil
	}
	if !active && (len(s.Roles) > 0 || len(s.Groups) > 0) {
		r.with.Log.ErrorContext(ctx, "roles and groups are declared, but authentication is not active: they wait until it is")
	}
	for attempt := range maxAttempts {
		if err = r.apply(ctx, w, active); !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Exists) {
			break
		}
		// Another replica does the same just now.
		if err := db.Pause(ctx, attempt); err != nil {
			return err
		}
	}
	if err == nil {
		r.done, r.said = state, ""
	}
	return err
}

func (r *Reconciler) isActive(ctx context.Context) (active bool, err error) {
	err = r.with.DB.View(ctx, func(tx *db.Tx) error {
		active, err = access.IsActive(ctx, tx)
		return err
	})
	return active, err
}

// claim reports whether this replica's declaration holds, and says so if another's
// does.
func (r *Reconciler) claim(ctx context.Context, digest string, settled bool) (bool, error) {
	now := r.with.Now()
	if settled && now.Sub(r.seenAt) < seenEvery {
		return true, nil
	}
	c := managed.Claimant{Replica: r.with.Replica, Digest: digest, Now: now, Older: r.older != nil && *r.older == digest}
	var got managed.Claim
	err := r.with.DB.Update(ctx, func(tx *db.Tx) (err error) {
		got, err = c.Claim(ctx, tx)
		return err
	})
	if err != nil {
		return false, err
	}
	r.seenAt, r.there = now, r.there || got.Noted
	if got.Mine {
		return true, nil
	}
	if settled {
		r.older = &digest
	}
	r.done = ""
	if r.isNew(got.Last.Digest) {
		r.with.Log.ErrorContext(ctx, "another replica declares something else, and later: this one's configuration is older and changes nothing",
			"declared_by", got.Last.AppliedBy, "at", got.Last.AppliedAt.Format(time.RFC3339), "replicas_with_it", strings.Join(got.Others, ","))
	}
	return false, nil
}

func (r *Reconciler) apply(ctx context.Context, w wanted, active bool) error {
	all, err := r.changes(ctx, w, active)
	if err != nil {
		return err
	}
	for _, c := range all {
		err := c.make(ctx)
		switch {
		case fault.Is(err, fault.Unavailable) && c.Object == string(managed.AuthConfig):
			// Where people sign in does not answer; everything else should work.
			r.with.Log.ErrorContext(ctx, "the declared auth configuration cannot be used yet", "error", sentence(err))
			return nil
		case err != nil:
			return c.At.Explain(err)
		}
		r.with.Log.InfoContext(ctx, "declared state", "done", past(c.Verb), "object", c.Object, "detail", c.Detail, "declared_in", c.At.String())
	}
	return nil
}

func past(v Verb) string {
	return map[Verb]string{Add: "added", Modify: "changed", Remove: "removed"}[v]
}
