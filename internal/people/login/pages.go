package login

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"

	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
	"pachyderm/internal/web/browser"
)

// Paths of the callback, which upstream fixes, and of the answer to the
// question there.
const (
	CallbackPath = "/authorization-code/callback"
	ConfirmPath  = "/authorization-code/confirm"
)

// Handler serves the pages at CallbackPath and ConfirmPath.
func (s *Service) Handler() http.Handler {
	pages := web.Pages{
		Log: s.with.Log, Now: s.with.Now, Title: "You are not signed in", Next: "Start again in your terminal with: pachctl auth login",
	}
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(web.Pages, http.ResponseWriter, *http.Request) error{
		"GET " + CallbackPath: s.serveCallback, "POST " + ConfirmPath: s.serveConfirm,
	} {
		mux.Handle(pattern, pages.Handler(func(w http.ResponseWriter, r *http.Request) error { return serve(pages, w, r) }))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.with.Issuer.StayOnHTTPS(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// serveCallback takes the issuer's answer and asks the person whether it is
// they who wait for it.
func (s *Service) serveCallback(pages web.Pages, w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	if q.Get("state") == "" || q.Get("code") == "" && q.Get("error") == "" {
		return fault.New(fault.Invalid, "invalid OIDC callback request: missing OIDC state token or authorization code")
	}
	a, err := s.find(r.Context(), q.Get("state"))
	if err != nil {
		return err
	}
	if a.Browser != "" {
		s.serveBrowser(pages, w, r, a)
		return nil
	}
	if q.Get("error") != "" {
		reason := cmp.Or(q.Get("error_description"), q.Get("error"))
		why := fault.New(fault.Denied, "%s", device.CleanReason(reason))
		if err := s.ended(r.Context(), a, waiting, why); !errors.Is(err, why) {
			return err
		}
		return refusedPage(r.Context(), pages, why)
	}
	id := s.cookie().EnsureID(w, r)
	user, err := s.identify(r, a, q.Get("code"), id)
	if fault.Is(err, fault.Denied) { // the person is known, and may not sign in
		return s.ended(r.Context(), a, waiting, err)
	}
	if err != nil {
		// A bad code is no reason to end what somebody else may be waiting for.
		return err
	}
	pages.Render(w, r, http.StatusOK, web.ConfirmLogin{
		Action: ConfirmPath, CSRF: browser.CSRF(id, a.stateHash), State: q.Get("state"),
		User: user, Requester: a.requester, Address: a.address, When: a.created,
	})
	return nil
}

// traced is the end of what the issuer says of a sign-in that left a trace.
var traced = regexp.MustCompile(`^(.*) \(code ([A-Z2-7]{8})\)$`)

// refusedPage shows the code of the sign-in in place of that of this request, which
// has done nothing but hear of it.
func refusedPage(ctx context.Context, pages web.Pages, why error) error {
	page := pages.Explain(ctx, why)
	if found := traced.FindStringSubmatch(page.What); found != nil {
		page.What, page.Code = found[1], found[2]
	}
	return page
}

// identify redeems the code and remembers whose it was, and which browser is
// asked: whoever waits knows the state, and so could answer for the person.
func (s *Service) identify(r *http.Request, a attempt, code, browserID string) (user string, err error) {
	who, grantID, err := s.redeem(r, &a, code)
	if err != nil {
		return "", err
	}
	moved, err := s.ask(r.Context(), a, who.ID, grantID, browserID)
	if err == nil && !moved {
		err = errUnknownState()
	}
	return who.User.Local(), err
}

// redeem finds out whose the code is, and which grant of our own issuer came of it.
func (s *Service) redeem(r *http.Request, a *attempt, code string) (who identity.Identity, grantID string, err error) {
	c, err := s.configuration(r.Context())
	if err != nil {
		return who, "", err
	}
	if a.Issuer != "" {
		who, err = s.finishRemote(r, c, a)
		return who, "", err
	}
	return s.finishOwn(r.Context(), c, a, code)
}

func (s *Service) finishOwn(ctx context.Context, c Config, a *attempt, code string) (who identity.Identity, grantID string, err error) {
	raw, err := s.with.Issuer.Redeem(ctx, a.Client, a.Redirect, code, a.Verifier)
	if err != nil {
		return who, "", err
	}
	claims, err := s.with.Issuer.Verify(ctx, raw)
	if err != nil {
		return who, "", err
	}
	if !secret.Same(claims.Nonce, a.Nonce) {
		return who, "", fault.New(fault.Unauthenticated, "the sign-in could not be completed: nonce mismatch").
			Next("log in again with: pachctl auth login")
	}
	if err := c.checkVerified(claims.EmailVerified); err != nil {
		return who, "", s.refused(ctx, claims.Subject, claims.Audience, err)
	}
	a.proved = claims.Proved
	who, err = s.byTokenSub(ctx, claims.Subject)
	return who, claims.GrantID, err
}

// serveConfirm takes the person's answer.
func (s *Service) serveConfirm(pages web.Pages, w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	a, err := s.find(r.Context(), r.PostFormValue("state"))
	if err != nil {
		return err
	}
	id := s.cookie().ID(r)
	if !secret.Same(id, a.browser) || !browser.CheckCSRF(r, id, a.stateHash) {
		return fault.New(fault.Invalid, "this answer does not come from the page that asked").
			Next("go back and try again, with cookies allowed")
	}
	if r.PostFormValue("answer") != "yes" {
		return s.ended(r.Context(), a, asking, fault.New(fault.Denied, "the person in the browser refused this sign-in"))
	}
	moved, err := s.advance(r.Context(), a, asking, confirmed, a.identityID, "")
	if err == nil && !moved {
		err = errUnknownState()
	}
	if err != nil {
		return err
	}
	var who identity.Identity
	err = s.with.DB.View(r.Context(), func(tx *db.Tx) error {
		who, err = identity.ByID(r.Context(), tx, a.identityID)
		return err
	})
	if err == nil {
		pages.Render(w, r, http.StatusOK, web.SignedIn{User: who.User.Local()})
	}
	return err
}

// cookie tells the browser that was asked from others.
func (s *Service) cookie() browser.Cookie {
	return browser.Cookie{Name: "pach-confirm", Secure: strings.HasPrefix(s.with.Issuer.URL(), "https:")}
}

// ended tells whoever waits at the given stage why there will be no session, and
// returns it for the person.
func (s *Service) ended(ctx context.Context, a attempt, stage string, why error) error {
	if _, err := s.advance(ctx, a, stage, failed, "", fault.Message(why)); err != nil {
		return err
	}
	return why
}
