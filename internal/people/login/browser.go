package login

import (
	"cmp"
	"net/http"

	"pachyderm/internal/fault"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/limit"
	"pachyderm/internal/secret"
	"pachyderm/internal/web"
)

// begun is told of a sign-in that a browser began for itself: it gives the browser
// the session, and sends it on to where it wanted to go.
type begun = func(w http.ResponseWriter, r *http.Request, session secret.Text, next string)

// SignedInBrowsers says who takes the sessions of browsers; call it before requests
// are served.
func (s *Service) SignedInBrowsers(f begun) { s.begun = f }

// StartInBrowser begins a sign-in that a browser wants for itself, and returns where
// to send it. Only the browser that holds the cookie it is given here can end it,
// which keeps others from signing it in as somebody else; and nobody can wait for
// the session, however they came by the state. With again the provider has to ask who
// it is, whatever it remembers. Fault: Precondition, as of Start.
func (s *Service) StartInBrowser(w http.ResponseWriter, r *http.Request, next string, again bool) (loginURL string, err error) {
	client, _ := limit.FromContext(r.Context())
	loginURL, _, err = s.start(r.Context(), attempt{
		address: client.Address, attemptSecrets: attemptSecrets{Browser: s.cookie().EnsureID(w, r), Next: next, Again: again},
	})
	return loginURL, err
}

// serveBrowser takes the issuer's answer to a browser's own sign-in.
func (s *Service) serveBrowser(pages web.Pages, w http.ResponseWriter, r *http.Request, a attempt) {
	q := r.URL.Query()
	pages.Next = "Sign in again from the first page."
	var err error
	if q.Get("error") != "" {
		reason := cmp.Or(q.Get("error_description"), q.Get("error"))
		err = web.Problem{
			Status: http.StatusForbidden, Title: pages.Title, What: device.CleanReason(reason), Next: pages.Next, When: s.with.Now(),
		}
	} else {
		err = s.finishInBrowser(w, r, a, q.Get("code"))
	}
	if err != nil {
		pages.Fail(w, r, err)
	}
}

// finishInBrowser redeems the code for the session of the browser that began.
func (s *Service) finishInBrowser(w http.ResponseWriter, r *http.Request, a attempt, code string) error {
	if !secret.Same(s.cookie().ID(r), a.Browser) {
		return web.Problem{
			Status: http.StatusForbidden, Title: "This sign-in did not begin in this browser",
			What: "Somebody may have sent you a link that would have signed you in as another person. Nothing was done.",
			Next: "Sign in again from the first page, with cookies allowed.",
		}
	}
	who, grantID, err := s.redeem(r, &a, code)
	if err != nil {
		return err
	}
	if a.Again && a.proved.Before(a.created.Add(-skew)) {
		return web.Problem{
			Status: http.StatusForbidden, Title: "Your identity provider did not ask who you are",
			What: "It remembers an earlier sign-in, or does not say when that was, so that it may be anybody who sits at this browser.",
			Next: "Sign out there, and sign in again.",
		}
	}
	a.identityID, a.grantID = who.ID, grantID
	held, err := s.take(r.Context(), a)
	if err != nil {
		return err
	}
	if s.begun == nil {
		return fault.New(fault.Precondition, "nobody takes the sessions of browsers here")
	}
	s.begun(w, r, held, a.Next)
	return nil
}
