package login

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"

	"pachyderm/internal/fault"
	"pachyderm/internal/identity"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
)

// Paths of the callback, which upstream fixes, and of the answer to the
// question there.
const (
	CallbackPath = "/authorization-code/callback"
	ConfirmPath  = "/authorization-code/confirm"
)

// Handler serves the pages at CallbackPath and ConfirmPath.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+CallbackPath, s.serveCallback)
	mux.HandleFunc("POST "+ConfirmPath, s.serveConfirm)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.with.Issuer.StayOnHTTPS(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// serveCallback takes the issuer's answer and asks the person whether it is
// they who wait for it.
func (s *Service) serveCallback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("state") == "" || q.Get("code") == "" && q.Get("error") == "" {
		s.problem(w, r, http.StatusBadRequest, "invalid OIDC callback request: missing OIDC state token or authorization code")
		return
	}
	a, err := s.find(r.Context(), q.Get("state"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if reason := q.Get("error"); reason != "" {
		if description := q.Get("error_description"); description != "" {
			reason = description
		}
		s.ended(w, r, a, waiting, device.CleanReason(reason))
		return
	}
	cookie := s.cookie(w, r)
	user, err := s.identify(r, a, q.Get("code"), cookie)
	if fault.Is(err, fault.Denied) { // the person is known, and may not sign in
		s.ended(w, r, a, waiting, fault.Message(err))
		return
	}
	if err != nil {
		// A bad code is no reason to end what somebody else may be waiting for.
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, web.ConfirmLogin{
		Action: ConfirmPath, CSRF: csrf(cookie, a), State: q.Get("state"),
		User: user, Requester: a.requester, Address: a.address, When: a.created,
	})
}

// identify redeems the code and remembers whose it was, and which browser is
// asked: whoever waits knows the state, and so could answer for the person.
func (s *Service) identify(r *http.Request, a attempt, code, cookie string) (user string, err error) {
	ctx := r.Context()
	c, err := s.configuration(ctx)
	if err != nil {
		return "", err
	}
	var who identity.Identity
	if a.Issuer != "" {
		who, err = s.finishRemote(r, c, a)
	} else {
		who, err = s.finishOwn(ctx, c, a, code)
	}
	if err != nil {
		return "", err
	}
	moved, err := s.ask(ctx, a, who.ID, secret.Hash(cookie))
	if err == nil && !moved {
		err = errUnknownState()
	}
	return who.User.Local(), err
}

func (s *Service) finishOwn(ctx context.Context, c Config, a attempt, code string) (who identity.Identity, err error) {
	raw, err := s.with.Issuer.RedeemFor(ctx, a.Client, a.Redirect, code, a.Verifier)
	if err != nil {
		return who, err
	}
	claims, err := s.with.Issuer.Verify(ctx, raw)
	if err != nil {
		return who, err
	}
	if !secret.Same(claims.Nonce, a.Nonce) {
		return who, fault.New(fault.Unauthenticated, "the sign-in could not be completed: its nonce is another's").
			Next("log in again with: pachctl auth login")
	}
	if err := c.checkVerified(claims.EmailVerified); err != nil {
		return who, err
	}
	return s.byTokenSub(ctx, claims.Subject)
}

// serveConfirm takes the person's answer.
func (s *Service) serveConfirm(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	a, err := s.find(r.Context(), r.PostFormValue("state"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	cookie := s.cookie(w, r)
	if !secret.Same(secret.Hash(cookie), a.browser) || !secret.Same(r.PostFormValue("csrf"), csrf(cookie, a)) {
		s.problem(w, r, http.StatusBadRequest, "this answer does not come from the page that asked: go back and try again, with cookies allowed")
		return
	}
	if r.PostFormValue("answer") != "yes" {
		s.ended(w, r, a, asking, "the person who was asked in the browser said that it was not they")
		return
	}
	moved, err := s.advance(r.Context(), a, asking, confirmed, a.identityID, "")
	if err == nil && !moved {
		err = errUnknownState()
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	who, err := s.with.People.ByID(r.Context(), a.identityID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, http.StatusOK, web.SignedIn{User: who.User.Local()})
}

// cookie is the value of this browser's cookie, which it is given if it has
// none.
func (s *Service) cookie(w http.ResponseWriter, r *http.Request) string {
	secure := s.isHTTPS()
	name := "pach-confirm"
	if secure {
		name = "__Host-pach-confirm"
	}
	if c, err := r.Cookie(name); err == nil && len(c.Value) >= 26 {
		return c.Value
	}
	value := rand.Text()
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever the issuer is https
		Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	})
	return value
}

func (s *Service) isHTTPS() bool { return strings.HasPrefix(s.with.Issuer.URL(), "https:") }

// csrf is the token that a browser's form for the attempt carries.
func csrf(cookie string, a attempt) string { return secret.Hash(cookie + a.stateHash) }

// ended tells the person, and whoever waits at the given stage, why there will
// be no session.
func (s *Service) ended(w http.ResponseWriter, r *http.Request, a attempt, stage, reason string) {
	if _, err := s.advance(r.Context(), a, stage, failed, "", reason); err != nil {
		s.fail(w, r, err)
		return
	}
	s.problem(w, r, http.StatusForbidden, reason)
}

// fail tells the person; what is not meant for them is in the log under the
// code that they are shown.
func (s *Service) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, p := http.StatusInternalServerError, trouble(fault.Message(err))
	switch fault.KindOf(err) {
	case fault.Unauthenticated, fault.Denied:
		status = http.StatusUnauthorized
	case fault.Unavailable:
		status = http.StatusServiceUnavailable
	case fault.Internal:
		p.What = "Something went wrong on our side."
		p.Next = "Start again in your terminal with: pachctl auth login, or give an administrator the code below: it finds the entry in pachd's log."
		p.Code, p.When = rand.Text()[:8], s.with.Now()
	}
	s.with.Log.WarnContext(r.Context(), "sign-in refused", "code", p.Code, "error", err)
	s.render(w, r, status, p)
}

func (s *Service) problem(w http.ResponseWriter, r *http.Request, status int, what string) {
	s.render(w, r, status, trouble(what))
}

func trouble(what string) web.Problem {
	return web.Problem{Title: "You are not signed in", What: what, Next: "Start again in your terminal with: pachctl auth login"}
}

func (s *Service) render(w http.ResponseWriter, r *http.Request, status int, page any) {
	if err := web.Render(w, status, page); err != nil {
		s.with.Log.ErrorContext(r.Context(), "cannot render a page", "error", err)
	}
}
