package issuer

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dexidp/dex/server/connectors"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/oidc/clientauth"
	"pachyderm/internal/db"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/clientkey"
	"pachyderm/internal/issuer/connectortest"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/dexlog"
	"pachyderm/internal/issuer/dexstore"
	"pachyderm/internal/issuer/dexview"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/issuer/jws"
	"pachyderm/internal/issuer/logout"
	"pachyderm/internal/issuer/plan"
	"pachyderm/internal/issuer/refreshtoken"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/issuer/setuplink"
	"pachyderm/internal/issuer/signing"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/issuer/upstream"
	"pachyderm/internal/limit"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	// loginsLiveFor is how long a person may take to sign in.
	loginsLiveFor = 30 * time.Minute
	// undoEvery is how often pachd looks for changes that nobody has confirmed in time.
	undoEvery     = 2 * time.Second
	promoteWithin = 10 * time.Second
	// devicesLiveFor is how long a device waits for its person (RFC 8628).
	devicesLiveFor = 10 * time.Minute
)

// Config is what an Issuer is made from.
type Config struct {
	DB     *db.DB
	Sealer *secret.Sealer
	Log    *slog.Logger
	Now    func() time.Time
	// PublicURL is the issuer until settings name another.
	PublicURL string
	// Insecure allows plain http on hosts that are not this machine.
	Insecure bool
	// SigningAlgorithm is RS256 or ES256.
	SigningAlgorithm string
	// References finds the secrets of connectors that stand outside of their
	// documents, and TrustedProxies are where authproxy connectors believe
	// headers from.
	References     *secret.References
	TrustedProxies []netip.Prefix
	// Traces is how many traces of sign-ins are kept, and TracedRoles are what is
	// noted in them of the roles that a person has on the cluster.
	Traces      trace.Keep
	TracedRoles func(ctx context.Context, who principal.Name, groups []string) ([]string, error)
	// Exchange serves token exchange (RFC 8693) at the token endpoint.
	Exchange func(w http.ResponseWriter, r *http.Request, form url.Values) error
}

// Issuer serves the issuer's HTTP endpoints and manages its connectors and
// clients. It is safe for concurrent use.
type Issuer struct {
	// Registry has the connectors, clients and settings. What changes the
	// settings goes through the Issuer, which applies them.
	Registry *registry.Registry
	// Providers are the opened connectors; their metrics are registered by pachd.
	Providers *upstream.Upstream
	// Keys sign; their metrics are registered by pachd, too.
	Keys *signing.Keys
	// RefreshTokens are what applications sign people in with by themselves.
	RefreshTokens *refreshtoken.Tokens
	// Grants are what people have granted to applications.
	Grants *grant.Store
	// Planner says what a document would change.
	Planner *plan.Planner
	// Traces are those of sign-ins; their metrics, too.
	Traces *trace.Store
	// SetupLinks are those of administrators of providers.
	SetupLinks *setuplink.Service

	with    Config
	objects dexstore.Store
	store   *dexview.View
	cache   *connectors.Cache

	// legacySecret authenticates pachd to itself; both ends are this process.
	legacySecret string

	current atomic.Pointer[handler]
	mu      sync.Mutex    // held while the settings change
	changed chan struct{} // when they may have, perhaps on another replica

	tests      *connectortest.Service
	logouts    *logout.Sender
	reachedAt  func(context.Context) *url.URL
	clientKeys *clientkey.Keys // pachd's own, as a client of providers
}

// New makes an issuer with the stored settings. It makes no keys and opens no
// connector; Run does the first, a login the second.
func New(ctx context.Context, c Config) (*Issuer, error) {
	i := &Issuer{with: c, changed: make(chan struct{}, 1), legacySecret: rand.Text() + rand.Text()}
	i.objects = dexstore.New(c.DB, c.Sealer)
	i.clientKeys = &clientkey.Keys{DB: c.DB, Sealer: c.Sealer}
	i.Grants = grant.NewStore(c.DB, c.Sealer, c.Now)
	i.RefreshTokens = &refreshtoken.Tokens{DB: c.DB, Grants: i.Grants, Now: c.Now}
	i.Registry = registry.New(registry.Config{
		DB: c.DB, Sealer: c.Sealer, Objects: i.objects, Grants: i.Grants, Now: c.Now, Deps: i.deps, Reserved: []string{CLIClient, DeviceClient},
		Own: i.ownClient,
	})
	i.Traces = trace.New(trace.Config{DB: c.DB, Sealer: c.Sealer, Log: c.Log, Now: c.Now, Keep: c.Traces, Roles: c.TracedRoles})
	i.Planner = &plan.Planner{DB: c.DB, Registry: i.Registry, Traces: i.Traces, Deps: i.deps}
	i.Providers = upstream.New(c.DB, i.Registry, c.Now, i.deps, i.Traces, c.Sealer)
	i.store = dexview.New(dexview.Config{
		DB:      c.DB,
		Objects: i.objects, Registry: i.Registry, Providers: i.Providers, Grants: i.Grants, Now: c.Now, BuiltIn: i.builtInClient,
	})
	i.tests = connectortest.New(c.DB, c.Sealer, i.Registry, c.Now, i.deps, i.Traces)
	i.SetupLinks = setuplink.New(setuplink.Config{DB: c.DB, Sealer: c.Sealer, Registry: i.Registry, Tests: i.tests, Deps: i.deps, Now: c.Now})
	i.logouts = logout.NewSender(logout.Sender{
		DB: c.DB, Log: c.Log, Now: c.Now, Client: fetch.HTTPClient(logout.AnswerWithin),
		Issuer: func() jws.Issuer { return i.current.Load().grants.JWS },
	})
	i.cache = connectors.NewCache(i.store, i.Providers.Resolve)
	var err error
	if i.Keys, err = signing.New(ctx, i.objects, c.SigningAlgorithm, c.Now, i.dexLog()); err != nil {
		return nil, err
	}
	c.DB.Watch(func(change db.Change) {
		if change.Topic == registry.Topic || change.Topic == "" {
			i.Providers.Changed()
		}
		if change.Topic == registry.SettingsTopic || change.Topic == "" {
			select {
			case i.changed <- struct{}{}:
			default: // one is enough
			}
		}
	})
	s, err := i.Registry.Settings(ctx)
	if err != nil {
		return nil, err
	}
	h, err := i.build(s)
	i.current.Store(h)
	return i, err
}

// reload applies settings that another replica has stored.
func (i *Issuer) reload(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	s, err := i.Registry.Settings(ctx)
	if err != nil || s == i.current.Load().settings {
		return err
	}
	h, err := i.build(s)
	if err == nil {
		i.current.Store(h)
	}
	return err
}

// Run makes and rotates the signing keys and applies what other replicas
// change, until ctx ends.
func (i *Issuer) Run(ctx context.Context) error {
	i.Keys.Start(ctx)
	go i.Providers.Run(ctx)
	go i.logouts.Run(ctx)
	var traces sync.WaitGroup
	traces.Go(func() { i.Traces.Run(ctx) })
	defer traces.Wait()
	undo := time.NewTicker(undoEvery)
	defer undo.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-undo.C:
			if err := i.Registry.Undo(ctx); err != nil && ctx.Err() == nil {
				i.with.Log.ErrorContext(ctx, "a change of a connector that nobody has confirmed cannot be undone", "error", err)
			}
		case <-i.changed:
			if err := i.reload(ctx); err != nil && ctx.Err() == nil {
				i.with.Log.ErrorContext(ctx, "cannot apply the stored settings", "error", err)
			}
		}
	}
}

// DeleteExpired deletes logins, grants, device and test sign-ins that have
// expired, and the revisions of connectors that no login can be on any more.
// Dex's objects get a moment more than they live, so that a clock that is
// behind does not lose what another replica still accepts.
func (i *Issuer) DeleteExpired(ctx context.Context, tx *db.Tx, now time.Time) error {
	late := now.Add(-time.Minute)
	if _, err := i.objects.In(tx).GarbageCollect(ctx, late); err != nil {
		return err
	}
	return errors.Join(
		i.Grants.DeleteExpired(ctx, tx, late), device.DeleteExpired(ctx, tx, late), connectortest.DeleteExpired(ctx, tx, now),
		setuplink.DeleteExpired(ctx, tx, now), i.Traces.DeleteExpired(ctx, tx, now), registry.DeleteReplaced(ctx, tx, now.Add(-2*loginsLiveFor)),
	)
}

// Pending are the sign-ins under way, of each network.
func (i *Issuer) Pending() limit.Pending { return i.objects.Pending() }

// ServeHTTP serves everything below the issuer's path.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.current.Load().ServeHTTP(w, r)
}

// SetSettings stores and applies new settings; the next request sees them.
// Faults: Invalid for a value that could not work, Denied.
func (i *Issuer) SetSettings(ctx context.Context, by registry.Author, s settings.Settings) error {
	if _, err := i.CallbackWith(s); err != nil {
		return err
	}
	return errors.Join(i.Registry.StoreSettings(ctx, by, s), i.reload(ctx))
}

// CallbackWith is Callback with other settings. Fault: Invalid.
func (i *Issuer) CallbackWith(s settings.Settings) (string, error) {
	p, err := s.Parse(i.with.PublicURL, i.with.Insecure)
	return strings.TrimSuffix(p.Issuer.String(), "/") + "/callback", err
}

// WithdrawSettings takes back settings that are declared no more.
func (i *Issuer) WithdrawSettings(ctx context.Context) error {
	return errors.Join(i.Registry.WithdrawSettings(ctx), i.reload(ctx))
}

// DeleteAll removes what is not declared of connectors, clients and settings.
func (i *Issuer) DeleteAll(ctx context.Context, by principal.Name) error {
	forget := func(tx *db.Tx) error { return errors.Join(trace.DeleteAll(ctx, tx), setuplink.DeleteAll(ctx, tx)) }
	return errors.Join(i.Registry.DeleteAll(ctx, by), i.with.DB.UpdateBulk(ctx, forget), i.reload(ctx))
}

// URL is the issuer as tokens name it.
func (i *Issuer) URL() string { return i.current.Load().url.String() }

// Callback is where identity providers send people back to.
func (i *Issuer) Callback() string { return i.current.Load().url.AbsURL("/callback") }

// Endpoint is the absolute URL of a path below the issuer, such as "/auth".
func (i *Issuer) Endpoint(path string) string { return i.current.Load().url.AbsURL(path) }

func (i *Issuer) deps() connector.Deps {
	return connector.Deps{
		Now: i.with.Now, Log: i.dexLog(), Callback: i.Callback(), AllowHTTP: i.with.Insecure, LoginParams: i.Providers.LoginParams,
		MaxAge: i.Providers.MaxAge,
		FormURL: func(state string) string {
			return i.current.Load().url.AbsPath("/saml/request") + "?state=" + url.QueryEscape(state)
		},
		Outside: func() string { return i.Outside(context.Background(), i.Callback()) },
		ClientKeys: clientauth.Keys{
			Signing: i.clientKeys.Signing, URL: func() string { return i.Outside(context.Background(), i.Endpoint("/connector-keys")) },
		},
		References: i.with.References, TrustedProxies: i.with.TrustedProxies, Promote: i.promote,
	}
}

// promote is called by a sign-in, which does not wait for it.
func (i *Issuer) promote(id string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), promoteWithin)
		defer cancel()
		if err := i.Registry.PromoteSecret(ctx, id); err != nil {
			i.with.Log.WarnContext(ctx, "the provider takes nextClientSecret, and clientSecret no more", "connector", id, "error", err)
		}
	}()
}

func (i *Issuer) dexLog() *slog.Logger { return dexlog.New(i.with.Log) }
