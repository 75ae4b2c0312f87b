package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode"

	dexconn "github.com/dexidp/dex/connector"
	"github.com/dexidp/dex/server/tokens"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/oauth2"

	"pachyderm/internal/connector"
	"pachyderm/internal/connector/authtime"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/fetch"
	"pachyderm/internal/issuer/loginctx"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/trace"
	"pachyderm/internal/limit/guess"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/tracing"
)

// wrapped is a connector with our part: what it vouches for is recorded, and
// what it refuses is said to the person who waits.
type wrapped struct {
	upstream *Upstream
	id       string
	instance string
	provider *connector.Provider
	// fromBrowser is set where a browser brings an error instead of an answer:
	// anybody can write one, so that it says nothing of the provider.
	fromBrowser bool
}

// ask calls the connector, unless its provider has just failed several times.
func ask[T any](ctx context.Context, w wrapped, step string, do func(context.Context) (T, error)) (T, error) {
	if err := w.upstream.health.open(w.id); err != nil {
		var none T
		return none, err
	}
	// Dex's connectors that have no client of their own take this one.
	ctx = context.WithValue(ctx, oauth2.HTTPClient, w.upstream.client)
	ctx, outage := fetch.WatchOutage(ctx)
	took := prometheus.NewTimer(w.upstream.metrics.asked.WithLabelValues(w.id, step))
	ctx, traced := tracing.Step(ctx, "connector "+step, "connector", w.id)
	v, err := Within(ctx, do)
	traced(err)
	took.ObserveDuration()
	if err != nil && fault.KindOf(err) == fault.Internal && outage() {
		err = fault.New(fault.Unavailable, "the identity provider does not answer as it should").
			Next("try again shortly").Because(err)
	}
	if !w.fromBrowser && (err == nil || fault.Is(err, fault.Unavailable)) {
		w.upstream.health.record(w.id, "", err)
	}
	switch {
	case err == nil:
	case errors.As(err, new(*dexconn.UserNotInRequiredGroupsError)) && fault.KindOf(err) == fault.Internal:
		err = fault.New(fault.Denied, "only members of certain groups may sign in here, and this account is in none of them").
			Next("ask an administrator").Because(err)
	case fault.KindOf(err) == fault.Internal: // of Dex's, which speaks to the log
		err = fault.New(fault.Unauthenticated, "the identity provider did not complete the sign-in").
			Next("try again, and if that fails, an administrator finds the reason in pachd's log").Because(err)
	}
	return v, err
}

// CheckAccount holds what any connector says of a person to the same rules.
func CheckAccount(c dexconn.Identity) error {
	switch {
	case c.UserID == "" || len(c.UserID) > 255 || strings.ContainsFunc(c.UserID, unicode.IsControl):
		return fault.New(fault.Unauthenticated,
			"the identity provider does not say who this is: its user id is missing, too long or has control characters")
	case c.Email == "":
		return fault.New(fault.Denied, "the identity provider sent no e-mail address of this person").
			Next("add one to the account there, or let the connector read it")
	case strings.Contains(c.Email, "@") && !principal.IsEmail(c.Email): // some providers have names only
		return fault.New(fault.Denied, "the identity provider sent %q, which is not exactly one e-mail address", fetch.Clean(c.Email))
	}
	return nil
}

// trace begins the trace of a request of a login, which its end writes.
func (w wrapped) trace(ctx context.Context, l *loginctx.Login) (context.Context, *trace.Draft) {
	revision, client := "", ""
	if l != nil {
		revision = l.Revision
		if l.Request != nil {
			client = l.Request.ClientID
		}
	}
	return trace.Begin(ctx, w.upstream.now, w.id, revision, client)
}

// Account is what of an identity is shown in traces.
func Account(c dexconn.Identity) trace.Account {
	return trace.Account{UserID: c.UserID, Email: c.Email, Name: c.Username, Username: c.PreferredUsername, Groups: c.Groups}
}

// came is the end of a sign-in for which the connector made who of the provider's
// response: our identity, or why there is none.
func (w wrapped) came(ctx context.Context, d *trace.Draft, who dexconn.Identity, err error) (dexconn.Identity, error) {
	var c dexconn.Identity
	if err == nil {
		c, err = w.signedIn(ctx, d, who)
	}
	w.upstream.metrics.count(w.id, err)
	w.upstream.traces.Add(d.End(w.upstream.now(), Account(who), err))
	return c, err
}

// signedIn turns the account at the provider into our identity, which is what
// tokens then speak of.
func (w wrapped) signedIn(ctx context.Context, d *trace.Draft, c dexconn.Identity) (dexconn.Identity, error) {
	if err := CheckAccount(c); err != nil {
		return dexconn.Identity{}, err
	}
	d.Person, _ = principal.OfUser(c.Email)
	groups, err := w.upstream.registry.GroupNames(ctx, w.id, w.instance, c.Groups)
	if err != nil {
		return dexconn.Identity{}, err
	}
	d.Asserted, d.Groups = c.Groups, groups
	data, err := w.groupData(c)
	if err != nil {
		return dexconn.Identity{}, err
	}
	who, err := identity.SignedIn(ctx, w.upstream.db, identity.SignIn{
		ConnectorID: w.id, Instance: w.instance, Issuer: w.provider.Issuer(), Subject: c.UserID, Email: c.Email, Groups: groups, GroupData: data,
		TokenSub: func(id string) (string, error) { return tokens.GenSubject(id, w.id) },
		Connected: func(ctx context.Context, tx *db.Tx) (bool, error) {
			return registry.CheckConnected(ctx, tx, w.id, w.instance)
		},
	}, w.upstream.now())
	if err != nil {
		return dexconn.Identity{}, err
	}
	if !who.Approved { // other applications believe what our ID tokens say
		c.EmailVerified, groups = false, nil
	}
	d.Person = who.User
	c.UserID, c.Email, c.Groups = who.ID, who.User.Local(), groups
	return c, nil
}

// callback is for providers that the browser is sent to.
type callback struct{ wrapped }

// begun is what a connector returns from LoginURL.
type begun struct {
	url   string
	inner []byte
}

func (w callback) LoginURL(s dexconn.Scopes, _, state string) (string, []byte, error) {
	f := w.upstream.login(state)
	if f == nil {
		return "", nil, fault.New(fault.Internal, "no login is known by this state")
	}
	ctx, d := w.trace(context.Background(), f)
	b, err := ask(ctx, w.wrapped, stepStart, func(ctx context.Context) (begun, error) {
		if err := w.confirm(ctx); err != nil {
			return begun{}, err
		}
		u, inner, err := w.provider.Connector.(dexconn.CallbackConnector).LoginURL(s, w.provider.Callback(), state)
		return begun{u, inner}, err
	})
	if err != nil {
		f.Err, d.Code = err, f.Code
		w.upstream.traces.Add(d.End(w.upstream.now(), trace.Account{}, err))
		return "", nil, err
	}
	w.upstream.traces.Sent(w.id, w.provider.Callback(), f.Host)
	f.Inner = b.inner
	data, err := f.Data()
	return b.url, data, err
}

// confirm keeps a browser from being sent to a provider that does not answer:
// it would see nothing of ours again, and whoever waits for it would hear
// nothing. A Pinger asks in its LoginURL.
func (w callback) confirm(ctx context.Context) error {
	if _, asksFirst := w.provider.Connector.(connector.Pinger); asksFirst || w.upstream.health.recent(w.id, fetch.ConfirmedFor) {
		return nil
	}
	_, err := within(ctx, fetch.ConfirmWithin, func(ctx context.Context) (struct{}, error) { return struct{}{}, w.provider.Ping(ctx) })
	return err
}

func (w callback) HandleCallback(s dexconn.Scopes, data []byte, r *http.Request) (dexconn.Identity, error) {
	return note(r.Context(), func() (dexconn.Identity, error) {
		l, err := loginctx.Open(data)
		if err != nil {
			return dexconn.Identity{}, err
		}
		w.fromBrowser = r.URL.Query().Has("error")
		w.upstream.traces.Returned(w.id, w.provider.Callback(), l.Host)
		ctx, d := w.trace(r.Context(), loginctx.FromContext(r.Context()))
		d.CameWith(r.Form)
		ctx, proved := authtime.Watch(ctx)
		c, err := ask(ctx, w.wrapped, stepCallback, func(ctx context.Context) (dexconn.Identity, error) {
			return w.provider.Connector.(dexconn.CallbackConnector).HandleCallback(s, l.Inner, r.WithContext(ctx))
		})
		w.proved(ctx, l.MaxAge, proved())
		return w.came(ctx, d, c, err)
	})
}

// proved notes for the login when the person proved who they are. A provider that does
// not say was told how old that may be, or has no way to be told.
func (w wrapped) proved(ctx context.Context, maxAge *int64, at time.Time) {
	l := loginctx.FromContext(ctx)
	if l == nil {
		return
	}
	if at.IsZero() && maxAge != nil {
		at = w.upstream.now().Add(-time.Duration(min(*maxAge, longestAge)) * time.Second)
	}
	l.Proved = at
}

// longestAge is the longest max_age that is told from others, in seconds.
const longestAge = 10 * 365 * 24 * 3600

// password is for providers that Dex asks for name and password itself.
type password struct{ wrapped }

func (w password) Prompt() string {
	return w.provider.Connector.(dexconn.PasswordConnector).Prompt()
}

func (w password) Login(ctx context.Context, s dexconn.Scopes, username, pass string) (c dexconn.Identity, valid bool, err error) {
	type answer struct {
		who   dexconn.Identity
		valid bool
	}
	s.OfflineAccess = s.OfflineAccess || w.readsGroups()
	c, err = note(ctx, func() (dexconn.Identity, error) {
		ctx, d := w.trace(ctx, loginctx.FromContext(ctx))
		a, err := ask(ctx, w.wrapped, stepPassword, func(ctx context.Context) (answer, error) {
			who, valid, err := w.provider.Connector.(dexconn.PasswordConnector).Login(ctx, s, username, pass)
			return answer{who, valid}, err
		})
		guess.Judge(ctx, a.valid, err)
		valid = a.valid
		w.proved(ctx, nil, w.upstream.now())
		if err == nil && !valid {
			w.upstream.metrics.count(w.id, errWrongPassword)
			w.upstream.traces.Add(d.End(w.upstream.now(), trace.Account{}, errWrongPassword))
			return a.who, nil
		}
		return w.came(ctx, d, a.who, err)
	})
	return c, valid, err
}

// refresh renews what a provider says of a person without asking the person.
type refresh struct{ wrapped }

func (w refresh) Refresh(ctx context.Context, s dexconn.Scopes, c dexconn.Identity) (dexconn.Identity, error) {
	err := w.upstream.db.View(ctx, func(tx *db.Tx) error {
		who, err := identity.ByID(ctx, tx, c.UserID)
		c.UserID = who.Subject
		return err
	})
	if err != nil {
		return dexconn.Identity{}, err
	}
	c, err = ask(ctx, w.wrapped, stepRefresh, func(ctx context.Context) (dexconn.Identity, error) {
		return w.provider.Connector.(dexconn.RefreshConnector).Refresh(ctx, s, c)
	})
	if err != nil {
		return dexconn.Identity{}, err
	}
	_, d := w.trace(ctx, nil) // which is no sign-in, and is not kept
	return w.signedIn(ctx, d, c)
}

// note keeps the error of a connector for our handler: Dex would only log it.
func note(ctx context.Context, f func() (dexconn.Identity, error)) (dexconn.Identity, error) {
	c, err := f()
	if err != nil {
		if f := loginctx.FromContext(ctx); f != nil {
			f.Err = err
		}
	}
	return c, err
}

// broken stands for a connector that cannot be opened.
type broken struct {
	upstream *Upstream
	id       string
	err      error
}

func (b broken) LoginURL(_ dexconn.Scopes, _, state string) (string, []byte, error) {
	if f := b.upstream.login(state); f != nil {
		f.Err = fault.New(fault.Precondition, "this identity provider is not set up correctly").
			Next("an administrator can see why with: pachctl idp list-connector").At(fault.FieldOf(b.err)).Because(b.err)
		_, d := wrapped{upstream: b.upstream, id: b.id}.trace(context.Background(), f)
		d.Code = f.Code
		b.upstream.traces.Add(d.End(b.upstream.now(), trace.Account{}, f.Err))
	}
	return "", nil, b.err
}

func (b broken) HandleCallback(_ dexconn.Scopes, _ []byte, r *http.Request) (dexconn.Identity, error) {
	return note(r.Context(), func() (dexconn.Identity, error) { return dexconn.Identity{}, b.err })
}
