package guess

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
)

const (
	// window is in how long a counter that is full is back at nothing.
	window = 15 * time.Minute
	// perNetwork is how many times as much as one account of it a network may
	// guess passwords wrong, and codesPerNetwork user codes.
	perNetwork, codesPerNetwork = 20, 5
	// delayStep is what each wrong password for an account, beyond those that are
	// free, adds to the delay of the next, and maxDelay the longest.
	delayStep, maxDelay = 500 * time.Millisecond, 5 * time.Second
	// maxCounters is how many counters the table may hold, some 100 bytes each.
	maxCounters = 20000
	// keyName names the key in the database, where it is sealed.
	keyName = "guess-key"
)

// Config is what Guesses are made from.
type Config struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Log    *slog.Logger
	Now    func() time.Time
	Limits *limit.Limits
	// WrongPasswords is how many are taken for one account from one network
	// within 15 minutes; the other limits follow.
	WrongPasswords int
}

// Guesses are the counters. They are safe for concurrent use.
type Guesses struct {
	with Config
	// key makes of accounts what the table and cookies have: who types a password
	// where the name belongs does not leave it in the database.
	key []byte
	// counters are where they stand.
	counters counters
}

// New finds or makes the key of the counters.
func New(ctx context.Context, c Config) (*Guesses, error) {
	sealed, err := c.Sealer.Seal([]byte(rand.Text()+rand.Text()), keyName)
	if err != nil {
		return nil, err
	}
	if sealed, err = c.DB.EnsureMeta(ctx, keyName, sealed); err != nil {
		return nil, err
	}
	key, err := c.Sealer.Open(sealed, keyName)
	if err != nil {
		return nil, err
	}
	g := &Guesses{with: c, key: key, counters: table{c.DB}}
	if c.DB.Alone() {
		g.counters, err = load(ctx, c.DB, c.Now())
	}
	return g, err
}

// DeleteExpired deletes the counters that are back at nothing and, of more than there
// may be, those that will be first.
func (g *Guesses) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	g.counters.trim(now)
	return deleteExpired(ctx, tx, now)
}

func (g *Guesses) mac(what string) string {
	h := hmac.New(sha256.New, g.key)
	_, _ = h.Write([]byte(what))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// canonical is what counts as one account, however it is written.
func canonical(account string) string {
	return norm.NFKC.String(strings.ToLower(strings.Join(strings.Fields(account), " ")))
}

// counter is one of those that a guess counts in.
type counter struct {
	key string
	// most is how many guesses it takes within the window.
	most int
	// delays says that beyond these it only delays.
	delays bool
}

func (c counter) step() time.Duration { return window / time.Duration(c.most) }

// Guess is one guess under way. It counts as wrong from the beginning, or many
// at the same time would all be the first.
type Guess struct {
	// Delay is how long to wait before it is looked at.
	Delay time.Duration

	of       *Guesses
	kind     limit.Kind
	account  string
	counters []counter
	judged   bool
	right    bool
}

// Password begins a guess of the password of an account. Fault: Exhausted.
func (g *Guesses) Password(ctx context.Context, network, account string) (*Guess, error) {
	n, account := g.with.WrongPasswords, canonical(account)
	return g.begin(ctx, network, &Guess{of: g, kind: limit.Passwords, account: account, counters: []counter{
		{key: g.mac("both\x00" + network + "\x00" + account), most: n},
		{key: g.mac("network\x00" + network), most: perNetwork * n},
		{key: g.mac("account\x00" + account), most: n, delays: true},
	}})
}

// UserCode begins a guess of a user code. Fault: Exhausted.
func (g *Guesses) UserCode(ctx context.Context, network string) (*Guess, error) {
	return g.begin(ctx, network, &Guess{of: g, kind: limit.UserCodes, counters: []counter{
		{key: g.mac("codes\x00" + network), most: codesPerNetwork * g.with.WrongPasswords},
	}})
}

func (g *Guesses) begin(ctx context.Context, network string, one *Guess) (*Guess, error) {
	now := g.with.Now()
	untils, err := g.counters.count(ctx, one.counters, now)
	if err != nil {
		return nil, err
	}
	counted := len(untils) > 0
	if !counted {
		if untils, err = g.next(ctx, one.counters, now); err != nil {
			return nil, err
		}
	}
	var wait time.Duration
	for _, c := range one.counters {
		over := untils[c.key].Sub(now) - window
		switch {
		case over <= 0:
		case c.delays:
			one.Delay = min(maxDelay, (over/c.step()+1)*delayStep)
		default:
			wait = max(wait, over)
		}
	}
	if counted && wait == 0 {
		g.with.Limits.Began(1)
		return one, nil
	}
	if counted {
		if err := g.counters.takeBack(ctx, one.refusing(), false, now); err != nil {
			return nil, err
		}
	}
	return nil, g.with.Limits.Refuse(one.kind, network, max(wait, time.Second), "too many wrong %s from this network", one.kind)
}

// next is when counters would be back at nothing after one more guess.
func (g *Guesses) next(ctx context.Context, counters []counter, now time.Time) (untils map[string]time.Time, err error) {
	untils, err = g.counters.read(ctx, counters, now)
	for _, c := range counters {
		untils[c.key] = untils[c.key].Add(c.step())
	}
	return untils, err
}

// refusing are the counters that refuse. One that only delays keeps what was refused by
// them in the same moment: it may be as long as it gets, and would be less than it was.
func (g *Guess) refusing() (some []counter) {
	for _, c := range g.counters {
		if !c.delays {
			some = append(some, c)
		}
	}
	return some
}

type guessKey struct{}

// NewContext gives the context of the request that a guess came with.
func NewContext(ctx context.Context, g *Guess) context.Context {
	return context.WithValue(ctx, guessKey{}, g)
}

// Judge says whether the guess that a request came with was right. An error
// that means that nobody could tell leaves it as if it had not been made.
func Judge(ctx context.Context, right bool, err error) {
	g, ok := ctx.Value(guessKey{}).(*Guess)
	if !ok || err != nil && fault.Is(err, fault.Unavailable) {
		return
	}
	g.judged, g.right = true, right
}

// Right reports whether the guess was judged to be right.
func (g *Guess) Right() bool { return g.right }

// End is called once the request is over. What nobody judged was not looked at.
func (g *Guess) End(ctx context.Context) {
	ctx, now := context.WithoutCancel(ctx), g.of.with.Now()
	if g.judged && !g.right {
		if err := g.of.counters.keep(ctx, g.counters, now); err != nil {
			g.of.with.Log.ErrorContext(ctx, "cannot store a wrong guess", "of", g.kind, "error", err)
		}
		return
	}
	err := g.of.counters.takeBack(ctx, g.counters, g.right && len(g.counters) > 1, now) // it is they
	if err != nil {
		g.of.with.Log.ErrorContext(ctx, "cannot take a guess back", "of", g.kind, "error", err)
	}
}
