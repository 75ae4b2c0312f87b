package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"pachyderm/api/auth"
	"pachyderm/internal/cli/kit"
	"pachyderm/internal/fault"
	"pachyderm/internal/web/theme"
)

// loopback takes the browser's answer on this machine (RFC 8252, 7.3): one
// request, at a path that nobody can guess.
type loopback struct {
	path, state, issuer string
	// redeem turns the code into a session.
	redeem func(code string) (*auth.WhoAmIResponse, error)
	taken  atomic.Bool
	done   chan outcome
}

type outcome struct {
	who *auth.WhoAmIResponse
	err error
}

// byLoopback is the sign-in with a browser on this machine.
func (s *signIn) byLoopback(ctx context.Context, o loginOptions) (*auth.WhoAmIResponse, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fault.New(fault.Unavailable, "cannot listen for the response of a browser: %v", err).
			Next("use a browser on another machine with: pachctl auth login --no-browser")
	}
	nonce, path, verifier := rand.Text(), "/"+rand.Text(), oauth2.GenerateVerifier()
	redirect := "http://" + listener.Addr().String() + path
	l := &loopback{path: path, state: rand.Text(), issuer: s.info.GetIssuer(), done: make(chan outcome, 1)}
	l.redeem = func(code string) (*auth.WhoAmIResponse, error) {
		return s.redeem(ctx, url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
			"client_id": {s.info.GetClientId()},
		}, s.info.GetClientId(), nonce)
	}
	server := &http.Server{Handler: l, ReadHeaderTimeout: httpLimit}
	go func() { _ = server.Serve(listener) }() // ends with Shutdown
	query := url.Values{
		"client_id": {s.info.GetClientId()}, "redirect_uri": {redirect}, "response_type": {"code"}, "scope": {loginScopes},
		"state": {l.state}, "nonce": {nonce}, "requester": {s.requester()},
		"code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for name, value := range map[string]string{"login_hint": o.hint, "connector_id": o.connector} {
		if value != "" {
			query.Set(name, value)
		}
	}
	address := s.info.GetAuthorizationEndpoint() + "?" + query.Encode()
	s.showURL(address)
	s.kit.OpenBrowser(ctx, address)
	end := outcome{}
	select {
	case end = <-l.done:
	case <-ctx.Done():
		end.err = ended(ctx)
	}
	// The page is still on its way to the browser.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = server.Shutdown(closing)
	return end.who, end.err
}

// requester is how this side names itself to the person who is asked.
func (s *signIn) requester() string {
	name := cmp.Or(s.kit.Getenv("USER"), s.kit.Getenv("USERNAME"))
	host, err := os.Hostname()
	if err != nil || name == "" {
		return name + host
	}
	return name + "@" + host
}

func (l *loopback) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != l.path {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	q := r.URL.Query()
	if !equal(q.Get("state"), l.state) {
		// Whoever sends this does not know of the sign-in, so it ends nothing.
		writePage(w, http.StatusBadRequest, page{What: "This response belongs to a different sign-in."})
		return
	}
	if !l.taken.CompareAndSwap(false, true) {
		writePage(w, http.StatusGone, page{What: "This sign-in is over: it was answered before."})
		return
	}
	end := l.end(q)
	if end.err == nil {
		writePage(w, http.StatusOK, page{User: end.who.GetUsername()})
	} else {
		message, _ := kit.Explain(end.err)
		writePage(w, http.StatusForbidden, page{What: message})
	}
	l.done <- end
}

func (l *loopback) end(q url.Values) outcome {
	switch {
	case q.Get("iss") != l.issuer:
		// RFC 9207: the answer of one issuer must not be taken to another.
		return outcome{err: notSignedIn("the response is not from issuer "+l.issuer, suspicious)}
	case q.Get("error") != "":
		return outcome{err: refused(&oauthError{q.Get("error"), q.Get("error_description"), q.Get("error_hint")})}
	case q.Get("code") == "":
		return outcome{err: notSignedIn("the browser came back without a code", tryAgain)}
	}
	who, err := l.redeem(q.Get("code"))
	return outcome{who, refused(err)}
}

// refused words a failed sign-in, whoever made it fail.
func refused(err error) error {
	var no *oauthError
	switch {
	case !errors.As(err, &no):
		return err
	case no.Hint != "": // which the description has too
		return notSignedIn(no.Error(), "")
	}
	return notSignedIn(no.Error(), tryAgain)
}

const (
	tryAgain   = "try again with: pachctl auth login"
	suspicious = "try again, and if it happens again, tell an administrator"
)

func notSignedIn(reason, next string) error {
	return fault.New(fault.Unauthenticated, "you are not signed in: %s", reason).Next("%s", next)
}

// page is what the browser shows at the end. Without User it says what went
// wrong.
type page struct {
	User string
	What string
}

const pageTemplate = `{{if .User}}{{template "top" "Signed in"}}
{{template "done"}}
<h1>You are signed in</h1>
<p>{{template "product"}} knows you as <strong><bdi>{{.User}}</bdi></strong>.</p>
<p>You can close this window and go back to the terminal.</p>
{{else}}{{template "top" "Not signed in"}}
{{template "problem"}}
<h1>That did not work</h1>
<p role="alert">{{.What}}</p>
<p>You can close this window. The terminal says the same.</p>
{{end}}{{template "bottom"}}`

func writePage(w http.ResponseWriter, status int, p page) {
	theme.SetHeaders(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	t := template.Must(template.New("page").Parse(theme.Layout() + pageTemplate))
	_ = t.Execute(w, p) // the browser may be gone
}
