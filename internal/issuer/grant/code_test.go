package grant_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/dexidp/dex/storage"
	"github.com/google/go-cmp/cmp"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/grant"
	"pachyderm/internal/people/identity"
)

// RFC 6749, 4.1.2: whoever has the code a second time, the client or a thief,
// ends what it gave, and nothing else.
func TestCode_SecondUseEndsAllThatTheFirstGave(t *testing.T) {
	each(t, func(h *env) {
		beside := h.redeem(h.code())
		held := h.session(beside.ID)
		code := h.code()
		first := h.redeem(code)
		sessions := h.session(first.ID)
		h.over("before", first, sessions, false)

		h.later(24 * time.Hour) // far longer than the code and the tokens lived
		again := codeForm(code)
		again.Del("code_verifier") // whoever has stolen the code need not have it
		h.refused("the second use", h.post("app", again))
		if !h.isOver(sessions) {
			h.Error("the session goes on")
		}
		h.refused("its refresh token", h.post("app", refreshForm(first.Refresh)))
		h.refused("a third use", h.post("app", codeForm(code)))

		if h.isOver(held) {
			h.Error("a session of another sign-in was ended")
		}
		h.good("a refresh token of another sign-in", h.post("app", refreshForm(beside.Refresh)))
		want := []string{
			"user:alice@example.com grant.end client/app the code was used again",
			"user:alice@example.com grant.redeem client/app connector/okta", "user:alice@example.com grant.redeem client/app connector/okta",
		}
		if diff := cmp.Diff(want, h.events()); diff != "" {
			h.Errorf("audit (-want +got):\n%s", diff)
		}
	})
}

// An ID token that nobody has used yet, and an access token, end as well.
func TestCode_SecondUseEndsTokensThatWereNotUsed(t *testing.T) {
	each(t, func(h *env) {
		code := h.code(func(c *storage.AuthCode) { c.Scopes = []string{"openid"} }) // no refresh token
		first := h.redeem(code)
		if first.Refresh != "" {
			h.Error("a refresh token that was not asked for")
		}
		held := h.session(first.ID)
		h.over("before", first, held, false)
		h.refused("the second use", h.post("app", codeForm(code)))
		h.over("afterwards", first, held, true)
	})
}

// A token that names no grant, as Dex's did, or one that is not redeemed begins
// nothing.
func TestContinue_OfNoGrant(t *testing.T) {
	each(t, func(h *env) {
		sid := func(raw string) string {
			_, claims := claimsOf(h.T, raw)
			return claims["sid"].(string)
		}
		expired := sid(h.redeem(h.code(func(c *storage.AuthCode) { c.Scopes = []string{"openid"} })).ID)
		h.later(time.Hour)
		live, until, early := sid(h.redeem(h.code()).ID), h.clock.Add(time.Hour), ""
		h.code()
		h.must(h.db.View(h.Context(), func(tx *db.Tx) error {
			err := tx.Row(h.Context(), []any{&early}, `SELECT id FROM grants WHERE stage = 'issued'`)
			if h.db.Alone() && fault.Is(err, fault.NotFound) { // it is in memory, under an id that nobody knows
				early, err = "nosuch", nil
			}
			return err
		}))
		for id, want := range map[string]bool{"": false, "nosuch": false, expired: false, early: false, live: true} {
			err := h.db.Update(h.Context(), func(tx *db.Tx) error { return grant.Continue(h.Context(), tx, id, until, h.clock) })
			if want && err != nil || !want && !fault.Is(err, fault.Unauthenticated) {
				h.Errorf("%q: %v", id, err)
			}
		}
	})
}

func TestCode_ConcurrentUse(t *testing.T) {
	each(t, func(h *env) {
		code := h.code()
		const clients = 8
		ended := make(chan tokens, clients)
		for range clients {
			go func() { ended <- h.post("app", codeForm(code)) }()
		}
		var good []tokens
		for range clients {
			if got := <-ended; got.Status == http.StatusOK {
				good = append(good, got)
			}
		}
		if len(good) != 1 {
			h.Fatalf("%d of %d were answered", len(good), clients)
		}
		if h.userInfo(good[0].Access) == http.StatusOK {
			h.Error("what it gave goes on")
		}
	})
}

// A code is good at one client, for one redirect URI and with one verifier. A
// wrong one of these does not spend it.
func TestCode_Bound(t *testing.T) {
	for name, c := range map[string]struct {
		client string
		form   url.Values // instead of what is right
		code   func(*storage.AuthCode)
	}{
		"another client":               {client: "other"},
		"another redirect URI":         {form: url.Values{"redirect_uri": {redirect + "/"}}},
		"no redirect URI":              {form: url.Values{"redirect_uri": {""}}},
		"another verifier":             {form: url.Values{"code_verifier": {verifier + "x"}}},
		"the challenge as verifier":    {form: url.Values{"code_verifier": {challenge()}}},
		"no verifier":                  {form: url.Values{"code_verifier": {""}}},
		"made up":                      {form: url.Values{"code": {"made-up"}}},
		"a verifier without challenge": {code: func(c *storage.AuthCode) { c.PKCE = storage.PKCE{} }},
		"a public client without PKCE": {
			client: "terminal", form: url.Values{"code_verifier": {""}},
			code: func(c *storage.AuthCode) { c.ClientID, c.PKCE = "terminal", storage.PKCE{} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(h *env) {
				if c.client == "" {
					c.client = "app"
				}
				change := c.code
				if change == nil {
					change = func(*storage.AuthCode) {}
				}
				code := h.code(change)
				form := codeForm(code)
				for k, v := range c.form {
					form[k] = v
				}
				h.refused(name, h.post(c.client, form))
				if c.code == nil {
					h.redeem(code)
				}
			})
		})
	}
}

func TestCode_LivesAMinute(t *testing.T) {
	each(t, func(h *env) {
		for after, good := range map[time.Duration]bool{59 * time.Second: true, 60 * time.Second: false, 61 * time.Second: false} {
			code := h.code()
			h.later(after)
			got := h.post("app", codeForm(code))
			if good {
				h.good("after "+after.String(), got)
			} else {
				h.refused("after "+after.String(), got)
			}
		}
	})
}

// What may not sign in gets nothing, by whichever grant.
func TestGrants_BehindTheGate(t *testing.T) {
	for name, end := range map[string]func(h *env){
		"a disabled person": func(h *env) {
			h.update(func(tx *db.Tx) error {
				return identity.SetEnabled(h.Context(), tx, h.as("pach:root"), h.alice.User, false, "")
			})
		},
		"a connector that is gone": func(h *env) {
			h.update(func(tx *db.Tx) error {
				_, err := identity.EndInstance(h.Context(), tx, "instance")
				return err
			})
		},
		"a connector that is not the client's": func(h *env) {
			for id, c := range h.clients {
				c.AllowedConnectors = []string{"github"}
				h.clients[id] = c
			}
		},
		"a client that is gone": func(h *env) {
			h.update(func(tx *db.Tx) error { return h.EndOfClient(h.Context(), tx, "app", h.clock) })
		},
		"everything revoked": func(h *env) {
			h.update(func(tx *db.Tx) error {
				_, err := h.EndOfIdentity(h.Context(), tx, h.alice.ID, h.clock)
				return err
			})
		},
		"a connector whose grants were ended": func(h *env) {
			h.update(func(tx *db.Tx) error { return h.EndOfConnector(h.Context(), tx, "okta", h.clock) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(h *env) {
				code, before := h.code(), h.redeem(h.code())
				d := h.startDevice("app", nil)
				h.approve(d, "app")
				end(h)
				h.refused("the code", h.post("app", codeForm(code)))
				h.refused("the refresh token", h.post("app", refreshForm(before.Refresh)))
				h.refused("the device code", h.poll("app", d, nil))
				if name != "a connector that is not the client's" && h.userInfo(before.Access) != http.StatusUnauthorized {
					h.Error("the access token is taken")
				}
			})
		})
	}
	t.Run("nobody", func(t *testing.T) {
		each(t, func(h *env) {
			h.refused("the code", h.post("app", codeForm(h.code(func(c *storage.AuthCode) { c.Claims.UserID = "" }))))
			h.refused("of a stranger", h.post("app", codeForm(h.code(func(c *storage.AuthCode) { c.Claims.UserID = "nosuch" }))))
		})
	})
}

func TestEndOfIdentity_CountsRefreshTokens(t *testing.T) {
	each(t, func(h *env) {
		bob := h.signedIn("bob")
		h.redeem(h.code())
		h.redeem(h.code())
		h.code()
		h.redeem(h.code(func(c *storage.AuthCode) { c.Scopes = []string{"openid"} }))
		his := h.redeem(h.code(func(c *storage.AuthCode) { c.Claims.UserID = bob.ID }))
		var n int64
		h.update(func(tx *db.Tx) (err error) {
			n, err = h.EndOfIdentity(h.Context(), tx, h.alice.ID, h.clock)
			return err
		})
		if n != 2 || h.rows() != 1 {
			h.Errorf("%d refresh tokens ended, %d grants left", n, h.rows())
		}
		h.good("of somebody else", h.post("app", refreshForm(his.Refresh)))
	})
}

// A spent code stays as long as anything that it gave; then its row goes.
func TestDeleteExpired_WhenNothingOfAGrantWorks(t *testing.T) {
	each(t, func(h *env) {
		sweep := func() int64 {
			h.Helper()
			h.update(func(tx *db.Tx) error { return h.DeleteExpired(h.Context(), tx, h.clock) })
			return h.rows()
		}
		online := func(c *storage.AuthCode) { c.Scopes = []string{"openid"} }
		h.code()
		h.later(59 * time.Second)
		if n := sweep(); n != 1 {
			h.Errorf("a code after 59 s: %d", n)
		}
		h.later(time.Second)
		if n := sweep(); n != 0 {
			h.Errorf("a code after a minute: %d", n)
		}
		h.redeem(h.code(online))
		h.later(time.Hour - time.Second)
		if n := sweep(); n != 1 {
			h.Errorf("tokens that work: %d", n)
		}
		h.later(time.Second)
		if n := sweep(); n != 0 {
			h.Errorf("tokens that have expired: %d", n)
		}
		h.session(h.redeem(h.code(online)).ID)
		h.later(30*24*time.Hour - time.Second)
		if n := sweep(); n != 1 {
			h.Errorf("a session that goes on: %d", n)
		}
		h.later(time.Second)
		if n := sweep(); n != 0 {
			h.Errorf("a session that has expired: %d", n)
		}
		h.redeem(h.code())
		h.later(90*24*time.Hour - time.Second)
		if n := sweep(); n != 1 {
			h.Errorf("a refresh token that works: %d", n)
		}
		h.later(time.Second)
		if n := sweep(); n != 0 {
			h.Errorf("a refresh token that nobody has used: %d", n)
		}
	})
}

// A confidential client that need not use PKCE is noted as one that does once it
// has, by its secret and the verifier; whoever only begins a sign-in is not it.
func TestPKCE_LearntWhenAClientHasUsedIt(t *testing.T) {
	each(t, func(h *env) {
		c := h.clients["app"]
		c.MayLearnPKCE = true
		h.clients["app"] = c
		without := codeForm(h.code(func(c *storage.AuthCode) { c.PKCE = storage.PKCE{} }))
		without.Del("code_verifier")
		h.good("without", h.post("app", without))
		wrong := codeForm(h.code())
		wrong.Set("code_verifier", "wrong")
		h.refused("a wrong verifier", h.post("app", wrong))
		if len(h.learnt) != 0 {
			h.Fatalf("learnt %q", h.learnt)
		}
		h.redeem(h.code())
		if !slices.Equal(h.learnt, []string{"app"}) {
			h.Errorf("learnt %q", h.learnt)
		}
		c.MayLearnPKCE, c.NeedsPKCE = false, true
		h.clients["app"] = c
		without.Set("code", h.code(func(c *storage.AuthCode) { c.PKCE = storage.PKCE{} }))
		h.refused("without, from then on", h.post("app", without))
	})
}
