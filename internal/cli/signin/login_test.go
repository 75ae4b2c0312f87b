package signin

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"pachyderm/api/admin"
	"pachyderm/api/auth"
	"pachyderm/api/pach"
	"pachyderm/internal/cli/kit"
)

// world is what the commands work with, with a configuration file of its own.
type world struct {
	*kit.Kit
	config         string
	stdout, stderr bytes.Buffer
}

func newWorld(t *testing.T, vars map[string]string) *world {
	t.Helper()
	w := &world{config: filepath.Join(t.TempDir(), "config.json")}
	getenv := func(name string) string {
		if name == "PACH_CONFIG" {
			return w.config
		}
		return vars[name]
	}
	w.Kit = &kit.Kit{Stdin: strings.NewReader(""), Stdout: &w.stdout, Stderr: &w.stderr, Getenv: getenv, Now: time.Now}
	return w
}

// run runs pachctl auth with the arguments behind it, and returns the exit code.
func (w *world) run(t *testing.T, args ...string) int {
	t.Helper()
	c := kit.Group("auth", "", "", "", Commands(w.Kit)...)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	if err := c.ExecuteContext(t.Context()); err != nil {
		return w.Report(err)
	}
	return 0
}

func (w *world) said() string { return w.stdout.String() + w.stderr.String() }

func (w *world) configText(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func aliceIs() *auth.WhoAmIResponse {
	return &auth.WhoAmIResponse{Username: "user:alice@example.com"}
}

// newLoopback waits for state "s" of issuer "i", and redeems the code "good".
func newLoopback() *loopback {
	return &loopback{path: "/p", state: "s", issuer: "i", done: make(chan outcome, 1), redeem: func(code string) (*auth.WhoAmIResponse, error) {
		if code != "good" {
			return nil, &oauthError{Code: "invalid_grant", Description: "the code is not valid"}
		}
		return aliceIs(), nil
	}}
}

func ask(t *testing.T, h http.Handler, method, target string) (int, http.Header, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Header(), string(body)
}

func TestLoopbackTakesOneAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		query  string
		status int
		page   string
		err    string
	}{
		"signed in":      {"state=s&iss=i&code=good", 200, "<bdi>user:alice@example.com</bdi>", ""},
		"bad code":       {"state=s&iss=i&code=bad", 403, "the code is not valid", "the code is not valid: try again with: pachctl auth login"},
		"refused":        {"state=s&iss=i&error=access_denied&error_description=" + url.QueryEscape("<script>no</script>\x1b[2J"), 403, "&lt;script&gt;no&lt;/script&gt;", "you are not signed in: <script>no</script> [2J"},
		"without words":  {"state=s&iss=i&error=server_error", 403, "server_error", "server_error"},
		"another issuer": {"state=s&iss=j&code=good", 403, "not from issuer i", "not from issuer i"},
		"no issuer":      {"state=s&code=good", 403, "not from issuer i", "not from issuer i"},
		"no code":        {"state=s&iss=i", 403, "without a code", "without a code"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoopback()
			code, header, body := ask(t, l, "GET", "/p?"+test.query)
			if code != test.status || !strings.Contains(body, test.page) {
				t.Errorf("got %d: %s", code, body)
			}
			if csp := header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(body, "<script") {
				t.Errorf("the page may run scripts: %s", csp)
			}
			end := <-l.done
			if (end.err == nil) != (test.err == "") || end.err != nil && !strings.Contains(end.err.Error(), test.err) {
				t.Errorf("ended with %v, want %q", end.err, test.err)
			}
			if code, _, body := ask(t, l, "GET", "/p?"+test.query); code != http.StatusGone || !strings.Contains(body, "over") {
				t.Errorf("a second answer got %d: %s", code, body)
			}
		})
	}
}

func TestLoopbackIgnoresWhatIsNotItsAnswer(t *testing.T) {
	l := newLoopback()
	for target, want := range map[string]int{
		"/": 404, "/favicon.ico": 404, "/p/": 404, "/q?state=s&iss=i&code=good": 404,
		"/p?state=x&iss=i&code=good": 400, "/p?iss=i&error=access_denied": 400,
	} {
		if code, _, _ := ask(t, l, "GET", target); code != want {
			t.Errorf("%s got %d, want %d", target, code, want)
		}
	}
	for _, method := range []string{"HEAD", "POST"} {
		if code, _, _ := ask(t, l, method, "/p?state=s&iss=i&code=good"); code != http.StatusMethodNotAllowed {
			t.Errorf("%s got %d", method, code)
		}
	}
	if code, _, _ := ask(t, l, "GET", "/p?state=s&iss=i&code=good"); code != 200 {
		t.Errorf("the answer itself got %d", code)
	}
}

func idToken(t *testing.T, claims map[string]any) string {
	t.Helper()
	data, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "e30." + base64.RawURLEncoding.EncodeToString(data) + ".x"
}

func TestCheckIDToken(t *testing.T) {
	good := map[string]any{"iss": "i", "aud": "c", "nonce": "n"}
	for name, test := range map[string]struct {
		change map[string]any
		ok     bool
	}{
		"good":             {nil, true},
		"audience in list": {map[string]any{"aud": []string{"c"}}, true},
		"another nonce":    {map[string]any{"nonce": "m"}, false},
		"no nonce":         {map[string]any{"nonce": ""}, false},
		"another issuer":   {map[string]any{"iss": "j"}, false},
		"another audience": {map[string]any{"aud": "d"}, false},
		"two audiences":    {map[string]any{"aud": []string{"c", "d"}}, false},
		"no audience":      {map[string]any{"aud": nil}, false},
	} {
		claims := map[string]any{}
		for _, m := range []map[string]any{good, test.change} {
			for k, v := range m {
				claims[k] = v
			}
		}
		if err := checkIDToken(idToken(t, claims), "i", "c", "n"); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{"", "a.b", "a.%.c", "a.e30K.c.d"} {
		if checkIDToken(raw, "i", "c", "n") == nil {
			t.Errorf("%q was taken", raw)
		}
	}
}

func TestPollHoldsToRFC8628(t *testing.T) {
	var waited []time.Duration
	wait := func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}
	script := func(answers ...error) func() error {
		return func() error {
			next := answers[0]
			answers = answers[1:]
			return next
		}
	}
	pending, slow := &oauthError{Code: "authorization_pending"}, &oauthError{Code: "slow_down"}
	if err := poll(t.Context(), time.Second, wait, script(pending, slow, pending, nil)); err != nil {
		t.Error(err)
	}
	if len(waited) != 4 || waited[1] != time.Second || waited[2] != 6*time.Second || waited[3] != 6*time.Second {
		t.Errorf("waited %v", waited)
	}
	waited = nil
	if err := poll(t.Context(), 0, wait, script(nil)); err != nil || waited[0] != 5*time.Second {
		t.Errorf("without an interval: %v, %v", waited, err)
	}
	for code, want := range map[string]string{"expired_token": "has expired", "access_denied": "Alice said no", "invalid_grant": "Alice said no"} {
		err := poll(t.Context(), 1, wait, script(&oauthError{Code: code, Description: "Alice said no"}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", code, err)
		}
	}
	broken := errors.New("broken")
	if err := poll(t.Context(), 1, wait, script(broken)); !errors.Is(err, broken) {
		t.Errorf("another error: %v", err)
	}
	if err := poll(t.Context(), 1, func(context.Context, time.Duration) error { return broken }, nil); !errors.Is(err, broken) {
		t.Errorf("an interrupted wait: %v", err)
	}
}

func TestWaitingEndsWithItsReason(t *testing.T) {
	late, cancel := context.WithDeadlineCause(t.Context(), time.Unix(0, 0), errTooLate())
	defer cancel()
	if err := ended(late); !strings.Contains(err.Error(), "nobody signed in within 10 minutes") {
		t.Errorf("too late: %v", err)
	}
	stopped, stop := context.WithCancelCause(t.Context())
	stop(errors.New("interrupt signal received"))
	if err := ended(stopped); !strings.Contains(err.Error(), "interrupted: nobody was signed in") {
		t.Errorf("interrupted: %v", err)
	}
}

// A job that has an ID token and no session gets one by itself.
func TestDexToken(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		auth.RegisterAPIServer(s, tokenTaker{})
		admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
	})
	w := newWorld(t, map[string]string{"PACHD_ADDRESS": address, "DEX_TOKEN": "an-id-token"})
	if code := w.run(t, "whoami"); code != 0 || !strings.Contains(w.stdout.String(), "alice") || !strings.Contains(w.configText(t), "a-session") {
		t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
	}
	w = newWorld(t, map[string]string{"PACHD_ADDRESS": address, "DEX_TOKEN": "an-old-one"})
	if code := w.run(t, "whoami"); code != 0 || !strings.Contains(w.stderr.String(), "DEX_TOKEN was not accepted: too old") || strings.Contains(w.stderr.String(), "an-old-one") {
		t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
	}
}

type tokenTaker struct{ upstream }

func (tokenTaker) Authenticate(_ context.Context, r *auth.AuthenticateRequest) (*auth.AuthenticateResponse, error) {
	if r.GetIdToken() != "an-id-token" {
		return nil, status.Error(codes.Unauthenticated, "too old")
	}
	return &auth.AuthenticateResponse{PachToken: "a-session"}, nil
}

func TestLoginWithAnIDToken(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		auth.RegisterAPIServer(s, tokenTaker{})
		admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
	})
	for given, want := range map[string]string{"an-id-token": `You are "user:alice@example.com"`, "x\n": "you are not signed in: too old", "\n": "no ID token was given"} {
		w := newWorld(t, map[string]string{"PACHD_ADDRESS": address})
		w.Stdin = strings.NewReader(given)
		w.run(t, "login", "-t")
		if got := w.said(); !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", given, got, want)
		}
	}
}

// upstream is a server without the services of ours.
type upstream struct {
	auth.UnimplementedAPIServer
	err error
}

func (upstream) GetOIDCLogin(context.Context, *auth.GetOIDCLoginRequest) (*auth.GetOIDCLoginResponse, error) {
	return &auth.GetOIDCLoginResponse{LoginUrl: "https://id.example.com/auth?x=1", State: "state"}, nil
}

func (u upstream) Authenticate(_ context.Context, r *auth.AuthenticateRequest) (*auth.AuthenticateResponse, error) {
	if r.GetOidcState() != "state" {
		return nil, status.Error(codes.Unauthenticated, "bad state")
	}
	return &auth.AuthenticateResponse{PachToken: "a-session"}, u.err
}

func (upstream) WhoAmI(context.Context, *auth.WhoAmIRequest) (*auth.WhoAmIResponse, error) {
	return aliceIs(), nil
}

type inspector struct {
	admin.UnimplementedAPIServer
	info *admin.ClusterInfo
}

func (i inspector) InspectCluster(_ context.Context, r *admin.InspectClusterRequest) (*admin.ClusterInfo, error) {
	if r.GetCurrentProject() != nil {
		return nil, status.Error(codes.Unauthenticated, "no authentication token")
	}
	return i.info, nil
}

type signInInfo struct {
	pach.UnimplementedAPIServer
	info *pach.GetSignInResponse
}

func (s signInInfo) GetSignIn(context.Context, *pach.GetSignInRequest) (*pach.GetSignInResponse, error) {
	return s.info, nil
}

func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func TestLoginAtAServerOfUpstreams(t *testing.T) {
	info := &admin.ClusterInfo{Id: "c", DeploymentId: "d", WarningsOk: true, Warnings: []string{"WARNING: old"}, Paused: true}
	for name, test := range map[string]struct {
		err  error
		code int
		want string
	}{
		"signed in": {nil, 0, `You are "user:alice@example.com"`},
		"refused":   {status.Error(codes.Unauthenticated, "wrong password"), 1, "pachctl: you are not signed in: wrong password: try again with: pachctl auth login"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, func(s *grpc.Server) {
				auth.RegisterAPIServer(s, upstream{err: test.err})
				admin.RegisterAPIServer(s, inspector{info: info})
			})
			w := newWorld(t, nil)
			text := []byte(`{"v2": {"active_context": "c", "contexts": {"c": {"pachd_address": "` + address + `"}}}}`)
			if err := os.WriteFile(w.config, text, 0o600); err != nil {
				t.Fatal(err)
			}
			code := w.run(t, "login", "--no-browser")
			if code != test.code || !strings.Contains(w.stdout.String()+w.stderr.String(), test.want) {
				t.Errorf("exit code %d: %s%s", code, &w.stdout, &w.stderr)
			}
			if !strings.Contains(w.stdout.String(), "\n\nhttps://id.example.com/auth?x=1\n\n") {
				t.Errorf("the address does not stand alone: %q", &w.stdout)
			}
			if !strings.Contains(w.stderr.String(), "pachctl: old\n") || !strings.Contains(w.stderr.String(), "paused") {
				t.Errorf("the warnings are not passed on: %s", &w.stderr)
			}
			if got := w.configText(t); strings.Contains(got, "a-session") != (test.err == nil) || !strings.Contains(got, `"cluster_deployment_id": "d"`) {
				t.Errorf("the configuration: %s", got)
			}
		})
	}
}

func TestLoginOpensNothingButWebAddresses(t *testing.T) {
	for _, bad := range []string{"file:///etc/passwd", "javascript:alert(1)", "-x", "", "https://", "https://alice:pw@x"} {
		address := serve(t, func(s *grpc.Server) {
			admin.RegisterAPIServer(s, inspector{info: &admin.ClusterInfo{}})
			pach.RegisterAPIServer(s, signInInfo{info: &pach.GetSignInResponse{
				Connected: true, AuthorizationEndpoint: bad, TokenEndpoint: "https://x/token", DeviceAuthorizationEndpoint: "https://x/device",
			}})
		})
		w := newWorld(t, map[string]string{"PACHD_ADDRESS": address, "BROWSER": "/bin/false"})
		if code := w.run(t, "login"); code != 1 || !strings.Contains(w.stderr.String(), "no web address") || w.stdout.Len() > 0 {
			t.Errorf("%q: exit code %d: %s%s", bad, code, &w.stdout, &w.stderr)
		}
	}
}

// The answer of the issuer is taken only from itself, in its own form.
func TestIssuerThatDoesNotAnswerAsOne(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { t.Error("a code was sent on") })
	mux.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	mux.HandleFunc("/no", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error": "invalid_grant", "error_description": "expired"}`)
	})
	issuer := httptest.NewServer(mux)
	defer issuer.Close()
	client, err := httpClient(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &signIn{info: &pach.GetSignInResponse{Issuer: issuer.URL}, http: client}
	for path, want := range map[string]string{"/moved": "307", "/page": "does not match the specification", "/no": "expired"} {
		var into struct{}
		if err := s.post(t.Context(), issuer.URL+path, url.Values{"code": {"c0de"}}, &into); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "c0de") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := s.post(t.Context(), "http://127.0.0.1:1/token", nil, nil); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}
