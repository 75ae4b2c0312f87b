package grant_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
)

// RFC 9700, 4.14.2: whoever has a refresh token that was replaced, the client or
// a thief, ends the family and the sessions that began from it.
func TestRefresh_ReuseEndsTheFamily(t *testing.T) {
	each(t, func(h *env) {
		beside := h.redeem(h.code()) // the same person, client and connector: another device
		held := h.session(beside.ID)
		first := h.redeem(h.code())
		sessions := h.session(first.ID)
		second := h.good("the first", h.post("app", refreshForm(first.Refresh)))
		h.later(3 * time.Second)
		third := h.good("the second", h.post("app", refreshForm(second.Refresh)))
		fromThird := h.session(third.ID)
		h.over("before", third, sessions, false)
		h.refused("the first again", h.post("app", refreshForm(first.Refresh)))
		h.over("afterwards", third, sessions, true)
		h.over("a session of the last ID token", third, fromThird, true)
		h.refused("the third", h.post("app", refreshForm(third.Refresh)))

		h.over("beside it", beside, held, false)
		h.good("another family", h.post("app", refreshForm(beside.Refresh)))
	})
}

// A client whose answer got lost may ask again for a moment, and gets the same
// refresh token; nothing else that was replaced is answered.
func TestRefresh_LostAnswer(t *testing.T) {
	each(t, func(h *env) {
		first := h.redeem(h.code())
		second := h.good("the first", h.post("app", refreshForm(first.Refresh)))
		h.later(3*time.Second - time.Millisecond)
		again := h.good("the first, a moment later", h.post("app", refreshForm(first.Refresh)))
		if again.Refresh != second.Refresh || second.Refresh == first.Refresh {
			h.Error("it got another refresh token")
		}
		if h.asked != 1 {
			h.Errorf("the connector was asked %d times", h.asked)
		}
		third := h.good("the second", h.post("app", refreshForm(again.Refresh)))
		h.refused("the one before the last", h.post("app", refreshForm(first.Refresh)))
		h.refused("the third", h.post("app", refreshForm(third.Refresh)))

		first = h.redeem(h.code())
		h.good("the first", h.post("app", refreshForm(first.Refresh)))
		h.later(3 * time.Second)
		h.refused("when the moment is over", h.post("app", refreshForm(first.Refresh)))
	})
}

// Two requests with one token, as of two tabs: both get the same, whoever the
// identity provider answers first.
func TestRefresh_TwoAtOnce(t *testing.T) {
	each(t, func(h *env) {
		for name, failed := range map[string]error{"both confirmed": nil, "one refused": fault.New(fault.Unauthenticated, "used before")} {
			first := h.redeem(h.code())
			var faster tokens
			h.answer = func(c storage.Claims) (storage.Claims, error) {
				h.answer = func(c storage.Claims) (storage.Claims, error) { return c, nil }
				faster = h.good(name, h.post("app", refreshForm(first.Refresh)))
				h.later(20 * time.Second) // until this one was answered
				return c, failed
			}
			if slower := h.good(name, h.post("app", refreshForm(first.Refresh))); slower.Refresh != faster.Refresh {
				h.Errorf("%s: two refresh tokens of one", name)
			}
			h.good(name, h.post("app", refreshForm(faster.Refresh)))
		}
	})
}

// Whoever makes one up, or sends another's, ends nothing.
func TestRefresh_OfNobody(t *testing.T) {
	each(t, func(h *env) {
		mine := h.redeem(h.code()).Refresh
		_, claims := claimsOf(h.T, h.redeem(h.code()).ID)
		h.refused("another client", h.post("other", refreshForm(mine)))
		for _, made := range []string{"x", "pach_refresh_", "pach_refresh__", "pach_refresh_A_B", "pach_" + mine[13:], claims["sid"].(string)} {
			h.refused(made, h.post("app", refreshForm(made)))
		}
		h.bad("none", h.post("app", refreshForm("")), http.StatusBadRequest, "invalid_request")
		h.good("the true one", h.post("app", refreshForm(mine)))
	})
}

// An application hears in ten minutes that its person may not act any more; one
// without refresh token could not hear it.
func TestRefresh_TokensThatComeWithItLiveTenMinutes(t *testing.T) {
	h := open(t, dbtest.SQLite(t))
	lives := func(what string, got tokens, want time.Duration) {
		h.Helper()
		for name, raw := range map[string]string{"access": got.Access, "ID": got.ID} {
			_, claims := claimsOf(h.T, raw)
			if claims["exp"].(float64)-claims["iat"].(float64) != want.Seconds() || got.Expires != int64(want.Seconds()) {
				h.Errorf("%s: the %s token: %v, expires_in %d", what, name, claims, got.Expires)
			}
		}
	}
	first := h.redeem(h.code())
	lives("the first", first, 10*time.Minute)
	lives("refreshed", h.good("refresh", h.post("app", refreshForm(first.Refresh))), 10*time.Minute)
	lives("a lost answer", h.good("lost", h.post("app", refreshForm(first.Refresh))), 10*time.Minute)
	online := func(c *storage.AuthCode) { c.Scopes = []string{"openid"} }
	lives("no refresh token", h.redeem(h.code(online)), time.Hour)
	h.TokensLive = time.Minute
	lives("shorter settings", h.redeem(h.code()), time.Minute)
}

func TestRefresh_Lifetimes(t *testing.T) {
	each(t, func(h *env) {
		unused := h.redeem(h.code()).Refresh
		h.later(90*24*time.Hour - time.Second)
		used := h.good("before 90 days", h.post("app", refreshForm(unused))).Refresh
		h.later(90*24*time.Hour - time.Second)
		used = h.good("90 days after it was used", h.post("app", refreshForm(used))).Refresh
		h.later(90 * 24 * time.Hour)
		h.refused("90 days unused", h.post("app", refreshForm(used)))

		h.RefreshLives = week
		fresh := h.redeem(h.code())
		h.later(week - time.Second)
		used = h.good("in its week", h.post("app", refreshForm(fresh.Refresh))).Refresh
		h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
			all, _, err := h.Refreshable(h.Context(), tx, db.Page{}, h.clock)
			if len(all) != 1 || !all[0].RefreshUntil.Equal(h.clock.Add(time.Second)) {
				h.Errorf("its end is shown as %+v", all)
			}
			return err
		}))
		h.later(time.Second)
		h.refused("after its week", h.post("app", refreshForm(used)))

		h.RefreshLives = 0
		old := h.redeem(h.code()).Refresh
		h.later(week)
		h.RefreshLives = week // set since
		h.refused("after a week that was set since", h.post("app", refreshForm(old)))
	})
}

// What a provider says of a person stays fresh, and one that does not confirm the
// person ends the access, but not the grant: it may be mistaken.
func TestRefresh_AsksTheConnector(t *testing.T) {
	each(t, func(h *env) {
		raw := h.redeem(h.code()).Refresh
		h.answer = func(c storage.Claims) (storage.Claims, error) {
			c.Groups = append(slices.Clone(c.Groups), "admins")
			return c, nil
		}
		next := h.good("refreshed", h.post("app", refreshForm(raw)))
		if _, claims := claimsOf(h.T, next.ID); len(claims["groups"].([]any)) != 2 {
			h.Errorf("groups %v", claims["groups"])
		}
		h.answer = func(c storage.Claims) (storage.Claims, error) { return c, fault.New(fault.Unavailable, "down") }
		h.bad("a provider that is down", h.post("app", refreshForm(next.Refresh)), http.StatusServiceUnavailable, "temporarily_unavailable")
		form := refreshForm(next.Refresh)
		form.Set("client_id", "app")
		form.Set("client_secret", h.clients["app"].Secret)
		if after := h.send(h.ServeToken, h.request(http.MethodPost, "/token", form)).Header().Get("Retry-After"); after != "5" {
			h.Errorf("Retry-After of an outage is %q", after)
		}
		for _, kind := range []fault.Kind{fault.Denied, fault.Unauthenticated, fault.NotFound, fault.Precondition} {
			h.answer = func(c storage.Claims) (storage.Claims, error) { return c, fault.New(kind, "no") }
			h.refused(string(kind), h.post("app", refreshForm(next.Refresh)))
		}
		h.answer = func(c storage.Claims) (storage.Claims, error) { return c, nil }
		next = h.good("confirmed again", h.post("app", refreshForm(next.Refresh)))
		if _, claims := claimsOf(h.T, next.ID); len(claims["groups"].([]any)) != 2 {
			h.Errorf("what was said before is lost: %v", claims["groups"])
		}
		bob := h.signedIn("bob")
		h.answer = func(c storage.Claims) (storage.Claims, error) {
			c.UserID = bob.ID
			return c, nil
		}
		h.refused("somebody else", h.post("app", refreshForm(next.Refresh)))
		if h.rows() != 0 {
			h.Error("the grant goes on")
		}
	})
}

func TestRefresh_Scopes(t *testing.T) {
	each(t, func(h *env) {
		raw := h.redeem(h.code()).Refresh
		form := func(scope string) url.Values {
			f := refreshForm(raw)
			f.Set("scope", scope)
			return f
		}
		h.bad("more", h.post("app", form("openid profile")), http.StatusBadRequest, "invalid_scope")
		less := h.good("less", h.post("app", form("openid")))
		if _, claims := claimsOf(h.T, less.ID); claims["email"] != nil || less.Scope != "openid" {
			h.Errorf("scope %q: %v", less.Scope, claims)
		}
		if !slices.Contains(h.scopes, "offline_access") { // or the provider's own refresh token would be lost
			h.Errorf("the connector was asked for %q", h.scopes)
		}
		raw = less.Refresh
		if all := h.good("all", h.post("app", refreshForm(raw))); all.Scope != "openid email groups offline_access" {
			h.Errorf("scope %q", all.Scope)
		}
	})
}

func TestRefreshable_OfEverybodyAndOfOne(t *testing.T) {
	each(t, func(h *env) {
		bob := h.signedIn("bob")
		h.redeem(h.code())
		h.redeem(h.code())
		h.code()
		h.redeem(h.code(func(c *storage.AuthCode) { c.Claims.UserID = bob.ID }))
		list := func(id string, limit int) (n int) {
			h.Helper()
			h.must(db.EachPage(func(p db.Page) (next string, err error) {
				p.Limit = limit
				h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
					all, after, err := h.Refreshable(h.Context(), tx, p, h.clock)
					if id != "" {
						all, after, err = h.RefreshableOf(h.Context(), tx, []string{id, "nosuch"}, p, h.clock)
					}
					n, next = n+len(all), after
					for _, g := range all {
						if g.ClientID != "app" || g.RefreshUntil != h.clock.Add(90*24*time.Hour).UTC() || id != "" && g.IdentityID != id {
							h.Errorf("got %+v", g)
						}
					}
					return err
				}))
				return next, nil
			}))
			return n
		}
		if all, hers, his := list("", 1), list(h.alice.ID, 1), list(bob.ID, 0); all != 3 || hers != 2 || his != 1 {
			h.Errorf("%d of all, %d of alice, %d of bob", all, hers, his)
		}
		h.later(90 * 24 * time.Hour)
		if n := list("", 0); n != 0 {
			h.Errorf("%d that have expired", n)
		}
	})
}
