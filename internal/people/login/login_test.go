package login_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/db"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/oidcclient"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/login"
	"pachyderm/internal/people/token"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
)

const (
	loopback   = "http://127.0.0.1:7/answer"
	verifier   = "a-verifier-that-is-long-enough-for-rfc-7636-43"
	sessionTTL = 30 * 24 * time.Hour
)

// env is a pachd and what the tests of this package ask of it.
type env struct {
	*pachdtest.Server
	t *testing.T
}

func open(t *testing.T) *env { return &env{pachdtest.Start(t), t} }

func (h *env) connected() *env {
	h.Connect()
	return h
}

func each(t *testing.T, f func(t *testing.T, h *env)) {
	t.Helper()
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		f(t, (&env{s, t}).connected())
	})
}

func (h *env) browser() *optest.Browser {
	return optest.NewBrowser(h.t, func(u *url.URL) bool { return u.Host == "127.0.0.1:7" })
}

func (h *env) start() (loginURL, state string) {
	h.t.Helper()
	u, state, err := h.Login.Start(h.t.Context(), "alice@laptop", "192.0.2.7")
	if err != nil {
		h.t.Fatal(err)
	}
	return u, state
}

type end struct {
	session secret.Text
	err     error
}

// wait begins to wait as a client does before it opens the browser.
func (h *env) wait(state string) <-chan end {
	ended := make(chan end, 1)
	ctx := h.t.Context()
	go func() {
		session, err := h.Login.Wait(ctx, state)
		ended <- end{session, err}
	}()
	return ended
}

func (h *env) tokenInfo(session secret.Text) token.Info {
	h.t.Helper()
	var info token.Info
	err := h.DB.View(h.t.Context(), func(tx *db.Tx) (err error) {
		info, err = token.Verify(h.t.Context(), tx, session, h.Now())
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return info
}

// wantSession checks the session to the second: the database keeps
// microseconds, and the clock of these tests runs.
func (h *env) wantSession(session secret.Text, user principal.Name, from, to time.Time, ttl time.Duration) {
	h.t.Helper()
	info := h.tokenInfo(session)
	if info.Subject != user || info.IdentityID == "" {
		h.t.Errorf("a session of %+v", info)
	}
	if ends := info.Expires; ends.Before(from.Add(ttl).Truncate(time.Microsecond)) || ends.After(to.Add(ttl)) {
		h.t.Errorf("it ends at %v, want %v after %v to %v", ends, ttl, from, to)
	}
}

func wantRefused(t *testing.T, err error, texts ...string) {
	t.Helper()
	if !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("got %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(fault.Message(err), text) {
			t.Errorf("got %q, want %q", fault.Message(err), text)
		}
	}
}

func TestWait_SessionOnceConfirmed(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		if len(state) < 30 || !strings.Contains(loginURL, "state="+state) || !strings.Contains(loginURL, "nonce=") {
			t.Errorf("login URL %s, state %s", loginURL, state)
		}
		waiting := h.wait(state)
		b := h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		for _, text := range []string{"alice@example.com", "alice@laptop", "192.0.2.7"} {
			if !strings.Contains(question.Text(), text) {
				t.Errorf("the question does not name %s: %s", text, question.Text())
			}
		}
		select {
		case got := <-waiting:
			t.Fatalf("the wait ended before anybody confirmed: %v", got.err)
		default:
		}
		before := h.Now()
		done := b.Submit(question, map[string]string{"answer": "yes"})
		if done.Status != http.StatusOK || !strings.Contains(done.Text(), "alice@example.com") {
			t.Errorf("the browser says %d: %s", done.Status, done.Text())
		}
		got := <-waiting
		if got.err != nil {
			t.Fatal(got.err)
		}
		h.wantSession(got.session, "user:alice@example.com", before, h.Now(), sessionTTL)

		// The state is used up.
		_, err := h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "OIDC state token expired", "log in again")
		if again := b.Submit(question, map[string]string{"answer": "yes"}); again.Status != http.StatusUnauthorized {
			t.Errorf("a second yes: %d: %s", again.Status, again.Text())
		}
	})
}

func TestWait_SeveralWaiters(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		const waiters = 8
		var waits [waiters]<-chan end
		for n := range waits {
			waits[n] = h.wait(state)
		}
		b := h.browser()
		b.Submit(b.SignIn(loginURL, optest.Alice), map[string]string{"answer": "yes"})
		sessions := 0
		for _, w := range waits {
			if got := <-w; got.err == nil {
				sessions++
			} else {
				wantRefused(t, got.err)
			}
		}
		if sessions != 1 {
			t.Errorf("%d sessions for one sign-in", sessions)
		}
	})
}

func TestWait_PersonSaysNo(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		waiting := h.wait(state)
		b := h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		if page := b.Submit(question, map[string]string{"answer": "no"}); page.Status != http.StatusForbidden {
			t.Errorf("the browser says %d: %s", page.Status, page.Text())
		}
		wantRefused(t, (<-waiting).err, "authorization failed", "refused this sign-in")
		if page := b.Submit(question, map[string]string{"answer": "yes"}); page.Status == http.StatusOK {
			t.Errorf("a yes after the no: %s", page.Text())
		}
		_, err := h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "authorization failed")
	})
}

func TestWait_CancelledLogin(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		waiting := h.wait(state)
		b := h.browser()
		page := b.Submit(b.Get(loginURL), map[string]string{"cancel": "1"})
		if page.Status != http.StatusForbidden || !strings.Contains(page.Text(), "cancelled") {
			t.Errorf("the browser says %d: %s", page.Status, page.Text())
		}
		wantRefused(t, (<-waiting).err, "authorization failed", "cancelled")
	})
}

func TestWait_ProviderDown(t *testing.T) {
	h := open(t)
	var dead atomic.Bool
	server := httptest.NewUnstartedServer(nil)
	p, err := op.New(op.Config{
		Issuer: "http://" + server.Listener.Addr().String(), ClientID: "pachyderm", ClientSecret: "demo-secret-value", RedirectURIs: []string{h.Issuer.Callback()},
	})
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if dead.Load() {
			panic(http.ErrAbortHandler)
		}
		p.ServeHTTP(w, r)
	})
	server.Start()
	t.Cleanup(server.Close)
	err = h.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), registry.Connector{ID: "demo", Name: "Demo", Type: "oidc", Config: map[string]any{
		"issuer": p.Issuer, "clientID": p.ClientID, "clientSecret": p.ClientSecret, "redirectURI": h.Issuer.Callback(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	// What is known of the provider outlives it; that it lives must be asked.
	if page := h.browser().Get(first(h.start())); !strings.HasPrefix(page.URL.String(), p.Issuer) {
		t.Fatalf("the first login led to %s", page.URL)
	}
	dead.Store(true)
	h.Ahead(time.Minute)
	loginURL, state := h.start()
	waiting := h.wait(state)
	page := h.browser().Get(loginURL)
	if strings.HasPrefix(page.URL.String(), p.Issuer) || !strings.Contains(page.Text(), "cannot be reached") {
		t.Errorf("the browser is at %s: %s", page.URL, page.Text())
	}
	wantRefused(t, (<-waiting).err, "authorization failed", "cannot be reached")
}

func first(a, _ string) string { return a }

func TestWait_BadCodeEndsNothing(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		waiting := h.wait(state)
		callback := h.Issuer.LegacyRedirect() + "?state=" + state
		for _, bad := range []string{callback + "&code=made-up", callback, h.Issuer.LegacyRedirect() + "?code=c"} {
			if page := h.browser().Get(bad); page.Status < 400 {
				t.Errorf("%s: %d: %s", bad, page.Status, page.Text())
			}
		}
		// nor does a code that is good, but of another sign-in
		otherURL, otherState := h.start()
		other := h.browser()
		other.Stop = func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.Issuer.LegacyRedirect()) }
		stopped := other.SignIn(otherURL, optest.Bob)
		if page := h.browser().Get(strings.Replace(stopped.URL.String(), otherState, state, 1)); page.Status < 400 {
			t.Errorf("another's code: %d: %s", page.Status, page.Text())
		}
		b := h.browser()
		b.Submit(b.SignIn(loginURL, optest.Alice), map[string]string{"answer": "yes"})
		got := <-waiting
		if got.err != nil {
			t.Fatal(got.err)
		}
		if info := h.tokenInfo(got.session); info.Subject != "user:alice@example.com" {
			t.Errorf("a session of %s", info.Subject)
		}
	})
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// Whoever waits knows the state, and with it could make up the form: that must
// not let them say yes in the person's place.
func TestConfirm_OnlyTheSameBrowser(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		waiting := h.wait(state)
		victim := h.browser()
		question := victim.SignIn(loginURL, optest.Alice)

		confirm, err := url.Parse(strings.Replace(h.Issuer.LegacyRedirect(), login.CallbackPath, login.ConfirmPath, 1))
		if err != nil {
			t.Fatal(err)
		}
		cookie := strings.Repeat("a", 26)
		for name, form := range map[string]url.Values{
			"no token":        {"state": {state}, "answer": {"yes"}},
			"no token, no":    {"state": {state}, "answer": {"no"}},
			"a made-up token": {"state": {state}, "answer": {"yes"}, "csrf": {hash(cookie)}},
			"a computed one":  {"state": {state}, "answer": {"yes"}, "csrf": {hash(cookie + hash(state))}},
			"a computed no":   {"state": {state}, "answer": {"no"}, "csrf": {hash(cookie + hash(state))}},
		} {
			thief := h.browser()
			thief.Client.Jar.SetCookies(confirm, []*http.Cookie{{Name: "pach-confirm", Value: cookie, Path: "/"}})
			if page := thief.Post(confirm.String(), form); page.Status != http.StatusBadRequest {
				t.Errorf("%s: %d: %s", name, page.Status, page.Text())
			}
		}
		// The person's own form, sent from elsewhere and with another token.
		if page := h.browser().Submit(question, map[string]string{"answer": "yes"}); page.Status != http.StatusBadRequest {
			t.Errorf("the form from another browser: %d: %s", page.Status, page.Text())
		}
		if page := victim.Submit(question, map[string]string{"answer": "yes", "csrf": hash(state)}); page.Status != http.StatusBadRequest {
			t.Errorf("another token: %d: %s", page.Status, page.Text())
		}
		select {
		case got := <-waiting:
			t.Fatalf("the wait ended: %v", got.err)
		default:
		}
		if page := victim.Submit(question, map[string]string{"answer": "yes"}); page.Status != http.StatusOK {
			t.Errorf("the person's own yes: %d: %s", page.Status, page.Text())
		}
		if got := <-waiting; got.err != nil {
			t.Error(got.err)
		}
	})
}

func TestWait_UnknownState(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, err := h.Login.Wait(t.Context(), "made-up")
		wantRefused(t, err, "OIDC state token expired")
		if page := h.browser().Get(h.Issuer.LegacyRedirect() + "?code=c&state=made-up"); page.Status != http.StatusUnauthorized {
			t.Errorf("in the browser: %d: %s", page.Status, page.Text())
		}
		_, state := h.start()
		h.Ahead(11 * time.Minute) // a wait that began before would go on by the real clock
		_, err = h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "OIDC state token expired")
	})
}

// Nobody comes back from the browser: whoever waits is told in the end.
func TestWait_EndsWithTheSignIn(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, state := h.start()
		h.Ahead(10*time.Minute - time.Second)
		_, err := h.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{OidcState: state})
		pachdtest.Want(t, err, codes.Unauthenticated, "OIDC state token expired")
	})
}

func TestWait_EndsWithItsClient(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, state := h.start()
		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := h.Login.Wait(ctx, state)
			ended <- err
		}()
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestStart_WithoutProvider(t *testing.T) {
	h := open(t)
	_, _, err := h.Login.Start(t.Context(), "", "")
	if !fault.Is(err, fault.Precondition) || !strings.Contains(fault.Message(err), "pachctl idp create-connector") {
		t.Errorf("got %v", err)
	}
}

func TestSession_GateBeforeItBegins(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		b := h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		access := h.accessToken()
		raw := h.idToken(issuer.CLIClient, "openid email", optest.Alice)
		if got := h.userInfo(access); got != http.StatusOK {
			t.Errorf("userinfo of somebody in order: %d", got)
		}
		if err := h.SetEnabled("user:alice@example.com", false); err != nil {
			t.Fatal(err)
		}
		if got := h.userInfo(access); got != http.StatusUnauthorized {
			t.Errorf("userinfo of somebody disabled: %d", got)
		}
		b.Submit(question, map[string]string{"answer": "yes"})
		_, err := h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "disabled")
		_, err = h.Login.WithIDToken(t.Context(), raw)
		wantRefused(t, err, "disabled")

		if err := h.SetEnabled("user:alice@example.com", true); err != nil {
			t.Fatal(err)
		}
		if err := h.Issuer.Registry.DeleteConnector(t.Context(), principal.Root, "demo"); err != nil {
			t.Fatal(err)
		}
		if got := h.userInfo(access); got != http.StatusUnauthorized {
			t.Errorf("userinfo by a connector that is gone: %d", got)
		}
		var left int64
		h.Update(func(tx *db.Tx) error {
			return tx.Row(t.Context(), []any{&left}, `SELECT COUNT(*) FROM grants WHERE connector_id = 'demo'`)
		})
		if left != 0 {
			t.Errorf("%d of its grants are left", left)
		}
		_, err = h.Login.WithIDToken(t.Context(), raw)
		wantRefused(t, err, "no longer connected")
		_, err = h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "no longer connected")
	})
}

// userInfo returns the status with which /userinfo answers to a token.
func (h *env) userInfo(raw string) int {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, h.Issuer.Endpoint("/userinfo"), nil)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// code signs a person in for a client and returns the authorization code.
func (h *env) code(client, scope string, who op.Person) string {
	h.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {client}, "redirect_uri": {loopback}, "response_type": {"code"}, "scope": {scope}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	page := h.browser().SignIn(h.Issuer.Endpoint("/auth")+"?"+q.Encode(), who)
	code := page.URL.Query().Get("code")
	if code == "" {
		h.t.Fatalf("the login ended at %s: %s", page.URL, page.Text())
	}
	return code
}

// idToken signs a person in for a client and returns the ID token.
func (h *env) idToken(client, scope string, who op.Person) string {
	h.t.Helper()
	raw, err := h.Issuer.Redeem(h.t.Context(), client, loopback, h.code(client, scope, who), verifier)
	if err != nil {
		h.t.Fatal(err)
	}
	return raw
}

// token asks the token endpoint as pachctl does.
func (h *env) token(code string) (tokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
	Error  string `json:"error"`
},
) {
	h.t.Helper()
	res, err := http.PostForm(h.Issuer.Endpoint("/token"), url.Values{
		"grant_type": {"authorization_code"}, "client_id": {issuer.CLIClient}, "code": {code}, "redirect_uri": {loopback}, "code_verifier": {verifier},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil {
		h.t.Fatal(err)
	}
	return tokens
}

// accessToken signs alice in and returns the access token.
func (h *env) accessToken() string {
	h.t.Helper()
	return h.token(h.code(issuer.CLIClient, "openid email", optest.Alice)).Access
}

// RFC 6749, 4.1.2, to the end: the session that began with the first use.
func TestIDToken_SessionEndsWithItsGrant(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		code := h.code(issuer.CLIClient, "openid email", optest.Alice)
		first := h.token(code)
		beside := h.token(h.code(issuer.CLIClient, "openid email", optest.Alice))
		var sessions []secret.Text
		for _, raw := range []string{first.ID, beside.ID} {
			held, err := h.Login.WithIDToken(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, held)
			if _, err := h.WhoAmI(pachdtest.As(t.Context(), held.Reveal())); err != nil {
				t.Fatal(err) // and it is remembered
			}
		}
		if again := h.token(code); again.Error != "invalid_grant" {
			t.Errorf("the second use: %+v", again)
		}
		_, err := h.WhoAmI(pachdtest.As(t.Context(), sessions[0].Reveal()))
		pachdtest.Want(t, err, codes.Unauthenticated)
		if _, err := h.WhoAmI(pachdtest.As(t.Context(), sessions[1].Reveal())); err != nil {
			t.Errorf("another session: %v", err)
		}

		code = h.code(issuer.CLIClient, "openid email", optest.Alice)
		unused := h.token(code)
		h.token(code)
		_, err = h.Login.WithIDToken(t.Context(), unused.ID)
		wantRefused(t, err, "has been ended")
	})
}

func TestIDToken_AccessTokenIsNone(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		_, err := h.Login.WithIDToken(t.Context(), h.accessToken())
		wantRefused(t, err, "could not verify token")
	})
}

// A person may take longer to say yes than ID tokens live.
func TestWait_LongerThanIDTokensLive(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		if err := h.Issuer.SetSettings(t.Context(), registry.Operator(), settings.Settings{Issuer: h.HTTP, IDTokenExpiry: "1m"}); err != nil {
			t.Fatal(err)
		}
		loginURL, state := h.start()
		b := h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		h.Ahead(5 * time.Minute)
		b.Submit(question, map[string]string{"answer": "yes"})
		if _, err := h.Login.Wait(t.Context(), state); err != nil {
			t.Error(err)
		}
	})
}

// A session that somebody waited for ends with its grant, too.
func TestWait_SessionEndsWithItsGrant(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		loginURL, state := h.start()
		waiting := h.wait(state)
		b := h.browser()
		b.Submit(b.SignIn(loginURL, optest.Alice), map[string]string{"answer": "yes"})
		got := <-waiting
		if got.err != nil {
			t.Fatal(got.err)
		}
		began := h.tokenInfo(got.session)
		if err := h.Issuer.RefreshTokens.End(t.Context(), principal.Root, began.GrantID, func(principal.Name) error { return nil }); err != nil {
			t.Fatal(err)
		}
		_, err := h.WhoAmI(pachdtest.As(t.Context(), got.session.Reveal()))
		pachdtest.Want(t, err, codes.Unauthenticated)

		loginURL, state = h.start()
		b = h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		h.Update(func(tx *db.Tx) error {
			_, err := h.Issuer.Grants.EndOfIdentity(t.Context(), tx, began.IdentityID, h.Now())
			return err
		})
		b.Submit(question, map[string]string{"answer": "yes"})
		_, err = h.Login.Wait(t.Context(), state)
		wantRefused(t, err, "has been ended")
	})
}

func TestIDToken_OfPachctlOnce(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		raw := h.idToken(issuer.CLIClient, "openid email", optest.Alice)
		h.Ahead(5*time.Minute - 10*time.Second)
		before := h.Now()
		session, err := h.Login.WithIDToken(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		h.wantSession(session, "user:alice@example.com", before, h.Now(), sessionTTL)
		// However it is written: base64 leaves bits open, and readers skip space.
		last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", raw[len(raw)-1])
		variant := raw[:len(raw)-1] + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1:last^1+1]
		for name, again := range map[string]string{"again": raw, "with a line break": raw + "\n", "with space inside": raw[:40] + " " + raw[40:], "with other bits": variant} {
			_, err := h.Login.WithIDToken(t.Context(), again)
			wantRefused(t, err, "could not verify token", "it was used before")
			if t.Failed() {
				t.Fatal(name)
			}
		}
	})
}

func TestIDToken_ConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		raw := h.idToken(issuer.CLIClient, "openid email", optest.Alice)
		const clients = 8
		ended := make(chan error, clients)
		for range clients {
			go func() {
				_, err := h.Login.WithIDToken(t.Context(), raw)
				ended <- err
			}()
		}
		sessions := 0
		for range clients {
			if err := <-ended; err == nil {
				sessions++
			} else {
				wantRefused(t, err, "used before")
			}
		}
		if sessions != 1 {
			t.Errorf("%d sessions for one token", sessions)
		}
	})
}

func TestIDToken_Refused(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		raw := h.idToken(issuer.CLIClient, "openid email", optest.Alice)
		parts := strings.Split(raw, ".")
		encode := base64.RawURLEncoding.EncodeToString
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		root := encode([]byte(strings.Replace(string(payload), "alice", "admin", 1)))
		stranger := open(t).connected()
		for name, bad := range map[string]string{
			"nothing":                  "",
			"no token":                 "made-up",
			"another payload":          parts[0] + "." + root + "." + parts[2],
			"no signature":             parts[0] + "." + parts[1] + ".",
			"the algorithm none":       encode([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
			"the key as HMAC secret":   encode([]byte(`{"alg":"HS256"}`)) + "." + parts[1] + "." + parts[2],
			"another issuer's":         stranger.idToken(issuer.CLIClient, "openid email", optest.Alice),
			"four parts":               raw + ".x",
			"a very long one":          raw + strings.Repeat("x", 1<<20),
			"its own with a bad space": parts[0] + "." + parts[1] + "x." + parts[2],
		} {
			_, err := h.Login.WithIDToken(t.Context(), bad)
			wantRefused(t, err, "could not verify token")
			if err != nil && strings.Contains(err.Error(), parts[1]) {
				t.Errorf("%s: the token was told: %v", name, err)
			}
			if t.Failed() {
				t.Fatal(name)
			}
		}
		h.Ahead(5*time.Minute + 2*time.Second)
		_, err = h.Login.WithIDToken(t.Context(), raw)
		wantRefused(t, err, "could not verify token", "older than 5m0s")
		h.Ahead(25 * time.Hour)
		_, err = h.Login.WithIDToken(t.Context(), raw)
		wantRefused(t, err, "could not verify token")
	})
}

func (h *env) client(c oidcclient.Client) oidcclient.Client {
	h.t.Helper()
	made, err := h.Issuer.Registry.CreateClient(h.t.Context(), principal.Root, c)
	if err != nil {
		h.t.Fatal(err)
	}
	return made
}

func TestIDToken_OfAnotherClient(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.client(oidcclient.Client{ID: "testapp", Name: "App", RedirectURIs: []string{loopback}})
		_, err := h.Login.WithIDToken(t.Context(), h.idToken("testapp", "openid email", optest.Alice))
		wantRefused(t, err, `expected audience "pachd" got ["testapp"]`, "audience:server:client_id:pachd")

		h.client(oidcclient.Client{ID: "pachd", Name: "Pachyderm", TrustedPeers: []string{"testapp"}})
		raw := h.idToken("testapp", "openid email audience:server:client_id:pachd", optest.Alice)
		claims, err := h.Issuer.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		h.Ahead(time.Hour) // as old as it may be
		for range 2 {      // and as often
			before := h.Now()
			session, err := h.Login.WithIDToken(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			info := h.tokenInfo(session)
			if info.Subject != "user:alice@example.com" || info.Expires.After(claims.Expiry.Add(h.Now().Sub(before))) || info.Expires.Before(before.Add(time.Hour)) {
				t.Errorf("a session of %s until %v by a token until %v", info.Subject, info.Expires, claims.Expiry)
			}
		}
		h.Ahead(25 * time.Hour)
		_, err = h.Login.WithIDToken(t.Context(), raw)
		wantRefused(t, err, "could not verify token")
	})
}

func TestIDToken_PachdRegisteredAsClient(t *testing.T) {
	each(t, func(t *testing.T, h *env) {
		h.client(oidcclient.Client{ID: "pachd", Name: "Pachyderm", RedirectURIs: []string{"http://localhost:30657/authorization-code/callback"}})
		loginURL, state := h.start()
		waiting := h.wait(state)
		b := h.browser()
		question := b.SignIn(loginURL, optest.Alice)
		if question.Status != http.StatusOK {
			t.Fatalf("%d at %s: %s", question.Status, question.URL, question.Text())
		}
		b.Submit(question, map[string]string{"answer": "yes"})
		if got := <-waiting; got.err != nil {
			t.Error(got.err)
		}
	})
}

func TestPages_HeadersAndProblems(t *testing.T) {
	h := open(t)
	answer := func(u string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.Login.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, u, nil))
		return w
	}
	if got := answer(h.Issuer.LegacyRedirect()).Header(); got.Get("Strict-Transport-Security") != "" || got.Get("Content-Security-Policy") == "" {
		t.Errorf("on http: %v", got)
	}
	if err := h.Issuer.SetSettings(t.Context(), registry.Operator(), settings.Settings{Issuer: "https://pach.example.com/dex"}); err != nil {
		t.Fatal(err)
	}
	if got := answer(h.Issuer.LegacyRedirect()).Header(); got.Get("Strict-Transport-Security") != "max-age=31536000" {
		t.Errorf("on https: %v", got)
	}
	// What is not for people to read stands in the log, under a code.
	if err := h.DB.Close(); err != nil {
		t.Fatal(err)
	}
	w := answer(h.Issuer.LegacyRedirect() + "?state=s&code=c")
	page := optest.Page{Body: w.Body.String()}.Text()
	if w.Code != http.StatusInternalServerError || !strings.Contains(page, "Code") || !strings.Contains(page, "Time") || strings.Contains(page, "sql:") {
		t.Errorf("%d: %s", w.Code, page)
	}
}
