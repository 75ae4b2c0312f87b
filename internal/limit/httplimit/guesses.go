package httplimit

import (
	"context"
	"net/http"
	"strings"
	"time"

	"pachyderm/internal/limit/guess"
	"pachyderm/internal/web/browser"
)

// guessed is a request that guesses a password or a user code.
type guessed struct {
	*guess.Guess
	account string // empty for a user code
	known   bool   // the browser has signed in to the account before
}

// guess finds out whether a request is a guess, and counts it; nil for others.
func (l limited) guess(w http.ResponseWriter, r *http.Request, network string) (*guessed, error) {
	path := Path(l.Issuer, r)
	isCode := path == "/device/auth/verify_code"
	isPassword := strings.HasPrefix(path, "/auth/") && strings.HasSuffix(path, "/login") || strings.HasPrefix(path, "/connector-test/")
	if r.Method != http.MethodPost || !isCode && !isPassword {
		return nil, nil
	}
	if err := browser.ParseForm(w, r); err != nil {
		return nil, err
	}
	if isCode {
		g, err := l.Guesses.UserCode(r.Context(), network)
		return &guessed{Guess: g}, err
	}
	account := r.PostForm.Get("login")
	g, err := l.Guesses.Password(r.Context(), network, account)
	return &guessed{g, account, l.Guesses.Known(account, l.knownCookie().Value(r))}, err
}

// knownCookie says to which accounts a browser has signed in by password.
func (l limited) knownCookie() browser.Cookie {
	return browser.Cookie{Name: "pach-known", Secure: strings.HasPrefix(l.Issuer.URL(), "https:"), MaxAge: guess.KnownFor}
}

// serveGuess has a guess looked at, after its delay.
func (l limited) serveGuess(w http.ResponseWriter, r *http.Request, network string, g *guessed) error {
	defer g.End(r.Context())
	if g.Delay > 0 && !g.known {
		leave, err := l.Limits.Delay.Take("", network)
		if err != nil {
			return err
		}
		err = pause(r.Context(), g.Delay)
		leave()
		if err != nil {
			return nil // nobody is there to tell
		}
	}
	if g.account != "" {
		w = &remembering{ResponseWriter: w, remember: func() {
			if g.Right() {
				c := l.knownCookie()
				c.Set(w, l.Guesses.Remember(g.account, c.Value(r)))
			}
		}}
	}
	l.next.ServeHTTP(w, r.WithContext(guess.NewContext(r.Context(), g.Guess)))
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// remembering does something before a response begins.
type remembering struct {
	http.ResponseWriter
	remember func()
}

func (r *remembering) begin() {
	if r.remember != nil {
		r.remember()
		r.remember = nil
	}
}

// WriteHeader begins the response.
func (r *remembering) WriteHeader(status int) {
	r.begin()
	r.ResponseWriter.WriteHeader(status)
}

// Write begins the response, if nothing has.
func (r *remembering) Write(b []byte) (int, error) {
	r.begin()
	return r.ResponseWriter.Write(b)
}
