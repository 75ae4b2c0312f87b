package issuer_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pachyderm/demo/op"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/db/dbtest"
	"pachyderm/internal/fault"
	"pachyderm/internal/issuer"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/issuer/settings"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/identity"
	"pachyderm/internal/principal"
	"pachyderm/internal/secret"
	"pachyderm/internal/web/browser"
	"pachyderm/test/idp"
)

const (
	loopback = "http://127.0.0.1:7/answer"
	verifier = "a-verifier-that-is-long-enough-for-rfc-7636-43"
)

// env is the issuer of a pachd, with the provider that it is connected to, if
// it is.
type env struct {
	*issuer.Issuer
	t        *testing.T
	server   *pachdtest.Server
	op       *op.Provider
	replicas []*pachdtest.Server // of openReplicas
}

// open starts a pachd whose issuer is below a path.
func open(t *testing.T, path string) *env {
	t.Helper()
	s := pachdtest.Start(t)
	h := &env{Issuer: s.Issuer, t: t, server: s}
	if path != "" {
		h.setIssuer(s.HTTP + path)
	}
	return h
}

func (h *env) setIssuer(url string) {
	h.t.Helper()
	if err := h.SetSettings(h.t.Context(), registry.Operator(), settings.Settings{Issuer: url}); err != nil {
		h.t.Fatal(err)
	}
}

// openReplicas has each request answered by another of so many pachds on one
// database, as a load balancer does.
func openReplicas(t *testing.T, path string, count int) *env {
	t.Helper()
	database, key := dbtest.ReadyPostgresURL(t), filepath.Join(t.TempDir(), "sealing-key")
	front := httptest.NewUnstartedServer(nil)
	replicas := make([]http.Handler, count)
	h := &env{t: t}
	for n := range replicas {
		s := pachdtest.Start(t, func(c *config.Config) {
			c.Database.URL, c.Sealing.KeyFile, c.Auth.RootToken = secret.Text(database), key, "the-root-token-of-all"
			c.PublicURL = "http://" + front.Listener.Addr().String() + path
		})
		behind, err := url.Parse(s.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		replicas[n] = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = behind.Scheme, behind.Host
		}}
		h.Issuer, h.server, h.replicas = s.Issuer, s, append(h.replicas, s)
	}
	var turn atomic.Int64
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		replicas[int(turn.Add(1))%count].ServeHTTP(w, r)
	})
	front.Start()
	t.Cleanup(front.Close)
	return h
}

// create makes a connector, and waits until every replica knows of it.
func (h *env) create(c registry.Connector) {
	h.t.Helper()
	var changed []<-chan struct{}
	for _, replica := range h.replicas {
		signal, stop := replica.DB.Signals(registry.Topic).On(c.ID)
		defer stop()
		changed = append(changed, signal)
	}
	if err := h.Registry.CreateConnector(h.t.Context(), registry.Operator(), c); err != nil {
		h.t.Fatal(err)
	}
	for n, replica := range h.replicas {
		for {
			if _, err := replica.Issuer.Registry.ReadRevision(h.t.Context(), c.ID, ""); err == nil {
				break
			}
			<-changed[n]
		}
	}
}

func (h *env) document(changes map[string]any) registry.Connector {
	config := map[string]any{
		"issuer": h.op.Issuer, "clientID": h.op.ClientID, "clientSecret": h.op.ClientSecret, "redirectURI": h.Callback(),
		"insecureEnableGroups": true,
	}
	for k, v := range changes {
		config[k] = v
	}
	return registry.Connector{ID: "demo", Name: "Demo", Type: "oidc", Version: 1, Config: config}
}

func (h *env) connect(changes map[string]any) {
	h.t.Helper()
	callback := h.Callback()
	if c, ok := changes["redirectURI"].(string); ok {
		callback = c
	}
	h.op = optest.Start(h.t, callback)
	h.create(h.document(changes))
}

func (h *env) browser() *optest.Browser {
	return optest.NewBrowser(h.t, func(u *url.URL) bool { return u.Host == "127.0.0.1:7" })
}

// authURL is what a client with PKCE sends the browser to.
func (h *env) authURL(changes map[string]string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {issuer.CLIClient}, "redirect_uri": {loopback}, "response_type": {"code"}, "scope": {"openid email profile groups"},
		"state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	for k, v := range changes {
		q.Set(k, v)
		if v == "" {
			q.Del(k)
		}
	}
	return h.Endpoint("/auth") + "?" + q.Encode()
}

func (h *env) post(path string, form url.Values) (int, map[string]any) {
	h.t.Helper()
	r, err := http.NewRequestWithContext(h.t.Context(), http.MethodPost, h.Endpoint(path), strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer := map[string]any{}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		h.t.Fatal(err)
	}
	return res.StatusCode, answer
}

// redeem exchanges the code that a login ended with and verifies the token.
func (h *env) redeem(end optest.Page) issuer.Claims {
	h.t.Helper()
	code := end.URL.Query().Get("code")
	if code == "" {
		h.t.Fatalf("the login did not end with a code but at %s: %s", end.URL, end.Text())
	}
	status, answer := h.post("/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {issuer.CLIClient}, "code": {code}, "redirect_uri": {loopback}, "code_verifier": {verifier},
	})
	raw, _ := answer["id_token"].(string)
	if status != http.StatusOK || raw == "" {
		h.t.Fatalf("token endpoint: %d %v", status, answer)
	}
	claims, err := h.Verify(h.t.Context(), raw)
	if err != nil {
		h.t.Fatal(err)
	}
	return claims
}

func wantEnd(t *testing.T, end optest.Page, want map[string]string) {
	t.Helper()
	q := end.URL.Query()
	for k, v := range want {
		if !strings.Contains(q.Get(k), v) {
			t.Errorf("%s = %q, want %q; at %s: %s", k, q.Get(k), v, end.URL, end.Text())
		}
	}
}

// The whole of what Dex does not do for us, at an issuer with and without a
// path.
func TestLogin(t *testing.T) {
	for name, path := range map[string]string{"at the root": "", "below a path": "/dex"} {
		t.Run(name, func(t *testing.T) {
			for name, test := range map[string]func(*testing.T, *env){
				"no connector":            noConnector,
				"by loopback":             byLoopback,
				"hint not forwarded":      hintNotForwarded,
				"callback on other host":  callbackOnOtherHost,
				"another browser":         anotherBrowser,
				"end in another browser":  endInAnotherBrowser,
				"update in mid-login":     updateInMidLogin,
				"cancelled by loopback":   cancelledByLoopback,
				"wrong password, retried": wrongPassword,
				"by device":               byDevice,
				"cancelled by device":     cancelledByDevice,
				"device refused":          deviceRefused,
				"device by link":          deviceByLink,
				"device with a bad scope": deviceBadScope,
				"device callback by link": deviceCallbackByLink,
				"dead provider":           deadProvider,
			} {
				t.Run(name, func(t *testing.T) { test(t, open(t, path)) })
			}
		})
	}
}

func noConnector(t *testing.T, h *env) {
	end := h.browser().Get(h.authURL(nil))
	wantEnd(t, end, map[string]string{"error": "temporarily_unavailable", "error_description": "pachctl idp create-connector", "state": "the-state", "iss": h.URL()})
}

func byLoopback(t *testing.T, h *env) {
	h.connect(map[string]any{"forwardedLoginParams": []any{"login_hint"}})
	b := h.browser()
	login := b.Get(h.authURL(map[string]string{"login_hint": optest.Alice.Email}))
	end := b.Submit(login, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
	wantEnd(t, end, map[string]string{"state": "the-state", "iss": h.URL()})
	claims := h.redeem(end)
	if claims.Nonce != "the-nonce" || len(claims.Audience) != 1 || claims.Audience[0] != issuer.CLIClient {
		t.Errorf("claims: %+v", claims)
	}
	var who identity.Identity
	err := h.server.DB.View(t.Context(), func(tx *db.Tx) (err error) {
		who, err = identity.ByTokenSub(t.Context(), tx, claims.Subject)
		return err
	})
	if err != nil || who.User != "user:alice@example.com" || who.Issuer != h.op.Issuer {
		t.Errorf("identity: %+v, %v", who, err)
	}
	var groups []principal.Name
	err = h.server.DB.View(t.Context(), func(tx *db.Tx) (err error) {
		groups, err = identity.Groups(t.Context(), tx, who.User)
		return err
	})
	if err != nil || len(groups) != 2 || groups[0] != "group:admins" || groups[1] != "group:engineers" {
		t.Errorf("groups: %v, %v", groups, err)
	}
	if hints := h.op.Hints(); len(hints) != 1 || hints[0] != optest.Alice.Email {
		t.Errorf("the provider got the hints %q", hints)
	}
	// A code is good once.
	status, answer := h.post("/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {issuer.CLIClient}, "code": {end.URL.Query().Get("code")}, "redirect_uri": {loopback}, "code_verifier": {verifier},
	})
	if status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("second use of the code: %d %v", status, answer)
	}
}

func hintNotForwarded(t *testing.T, h *env) {
	h.connect(nil)
	h.redeem(h.browser().SignIn(h.authURL(map[string]string{"login_hint": optest.Alice.Email, "acr_values": "x"}), optest.Alice))
	if hints := h.op.Hints(); len(hints) != 1 || hints[0] != "" {
		t.Errorf("the provider got the hints %q", hints)
	}
}

func callbackOnOtherHost(t *testing.T, h *env) {
	other := strings.Replace(h.Callback(), "127.0.0.1", "localhost", 1)
	h.op = optest.Start(t, other)
	err := h.Registry.CreateConnector(t.Context(), registry.Operator(), h.document(map[string]any{"redirectURI": other}))
	if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Message(err), other) || !strings.Contains(fault.Message(err), h.Callback()) {
		t.Errorf("a redirectURI on another host without the switch: %v", err)
	}
	if err := h.Registry.CreateConnector(t.Context(), registry.Operator(), h.document(map[string]any{"redirectURI": other, "insecureSkipIssuerCallbackDomainCheck": true})); err != nil {
		t.Fatal(err)
	}
	h.redeem(h.browser().SignIn(h.authURL(nil), optest.Alice))
}

func anotherBrowser(t *testing.T, h *env) {
	h.connect(nil)
	victim := h.browser()
	victim.Stop = func(u *url.URL) bool {
		return strings.HasPrefix(u.String(), h.Callback()) || u.Host == "127.0.0.1:7"
	}
	callback := victim.SignIn(h.authURL(nil), optest.Alice) // stopped before our callback
	thief := h.browser().Get(callback.URL.String())
	if thief.Status != http.StatusBadRequest || !strings.Contains(thief.Text(), "another browser") {
		t.Errorf("another browser got %d at %s: %s", thief.Status, thief.URL, thief.Text())
	}
	// and has not ended what is not its own
	victim.Stop = h.browser().Stop
	h.redeem(victim.Get(callback.URL.String()))
}

// Where an application asks for the person's consent, two steps are left after the
// provider's answer is taken: a link to one of them would sign whoever opens it in as
// somebody else.
func endInAnotherBrowser(t *testing.T, h *env) {
	h.connect(nil)
	own := optest.NewBrowser(t, func(u *url.URL) bool { return u.Query().Has("req") })
	step := own.SignIn(h.authURL(map[string]string{"prompt": "consent"}), optest.Alice)
	h.ofItsOwnBrowser(step.URL, "/approval")
	own.Stop = func(u *url.URL) bool { return strings.HasSuffix(u.Path, "/auth") }
	step = own.Submit(own.Get(step.URL.String()), map[string]string{"approval": "approve"})
	h.ofItsOwnBrowser(step.URL, "/auth")
	own.Stop = h.browser().Stop
	if code := own.Get(step.URL.String()).URL.Query().Get("code"); code == "" {
		t.Error("its own browser gets no code")
	}
}

// ofItsOwnBrowser holds the address of a login's step to the browser that the login is
// in.
func (h *env) ofItsOwnBrowser(step *url.URL, path string) {
	h.t.Helper()
	if !step.Query().Has("req") || !strings.HasSuffix(step.Path, path) {
		h.t.Fatalf("the login is at %s, not at %s", step, path)
	}
	without := *step
	q := without.Query()
	q.Set("bound", browser.CSRF("", q.Get("req"))) // which anybody can work out
	without.RawQuery = q.Encode()
	for name, u := range map[string]string{"the link": step.String(), "without a cookie": without.String()} {
		thief := h.browser().Get(u)
		if thief.Status != http.StatusBadRequest || !strings.Contains(thief.Text(), "another browser") {
			h.t.Errorf("%s %s: %d at %s: %s", path, name, thief.Status, thief.URL, thief.Text())
		}
	}
}

func updateInMidLogin(t *testing.T, h *env) {
	h.connect(nil)
	b := h.browser()
	login := b.Get(h.authURL(nil))
	change := registry.Connector{ID: "demo", Config: map[string]any{"clientSecret": "a wrong one"}}
	if err := h.Registry.UpdateConnector(t.Context(), registry.Operator(), change); err != nil {
		t.Fatal(err)
	}
	h.redeem(b.Submit(login, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password}))

	end := h.browser().SignIn(h.authURL(nil), optest.Alice)
	wantEnd(t, end, map[string]string{"error_description": "clientSecret"})
}

func cancelledByLoopback(t *testing.T, h *env) {
	h.connect(nil)
	b := h.browser()
	login := b.Get(h.authURL(nil))
	end := b.Submit(login, map[string]string{"cancel": "1"})
	wantEnd(t, end, map[string]string{"error": "access_denied", "error_description": "cancelled", "state": "the-state", "iss": h.URL()})
}

func wrongPassword(t *testing.T, h *env) {
	h.connect(nil)
	b := h.browser()
	login := b.Get(h.authURL(nil))
	again := b.Submit(login, map[string]string{"email": optest.Alice.Email, "password": "wrong"})
	if again.Status != http.StatusUnauthorized {
		t.Fatalf("wrong password: %d", again.Status)
	}
	h.redeem(b.Submit(again, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password}))
}

func (h *env) startDevice() (userCode string, poll func() (int, map[string]any)) {
	h.t.Helper()
	status, answer := h.post("/device/code", url.Values{"client_id": {issuer.DeviceClient}, "scope": {"openid email groups"}, "requester": {"alice@laptop"}})
	if status != http.StatusOK {
		h.t.Fatalf("device code: %d %v", status, answer)
	}
	return answer["user_code"].(string), func() (int, map[string]any) {
		return h.post("/token", url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {answer["device_code"].(string)}, "client_id": {issuer.DeviceClient},
		})
	}
}

func (h *env) confirmDevice(b *optest.Browser, userCode string) optest.Page {
	h.t.Helper()
	question := b.Submit(b.Get(h.Endpoint("/device")), map[string]string{"user_code": strings.ToLower(strings.ReplaceAll(userCode, "-", ""))})
	if text := question.Text(); !strings.Contains(text, "alice@laptop") || !strings.Contains(text, "127.0.0.1") {
		h.t.Errorf("the question does not say who asks: %s", text)
	}
	return b.Submit(question, map[string]string{"answer": "yes"})
}

func byDevice(t *testing.T, h *env) {
	h.connect(nil)
	userCode, poll := h.startDevice()
	if status, answer := poll(); status != http.StatusBadRequest || answer["error"] != "authorization_pending" {
		t.Errorf("before: %d %v", status, answer)
	}
	b := h.browser()
	login := h.confirmDevice(b, userCode)
	b.Submit(login, map[string]string{"email": optest.Alice.Email, "password": optest.Alice.Password})
	status, answer := poll()
	raw, _ := answer["id_token"].(string)
	claims, err := h.Verify(t.Context(), raw)
	if status != http.StatusOK || err != nil || claims.Audience[0] != issuer.DeviceClient {
		t.Errorf("after: %d %v %v", status, answer, err)
	}
	// A device code is good once.
	if status, answer := poll(); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
		t.Errorf("second use of the device code: %d %v", status, answer)
	}
}

// A page of Dex's own names what is wrong with the request, and the device hears it.
func deviceBadScope(t *testing.T, h *env) {
	h.connect(nil)
	_, answer := h.post("/device/code", url.Values{"client_id": {issuer.DeviceClient}, "scope": {"openid nonsense"}, "requester": {"alice@laptop"}})
	end := h.confirmDevice(h.browser(), answer["user_code"].(string))
	if end.Status != http.StatusBadRequest || !strings.Contains(end.Text(), "nonsense") {
		t.Errorf("%d at %s: %s", end.Status, end.URL, end.Text())
	}
	status, told := h.post("/token", url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:device_code"}, "device_code": {answer["device_code"].(string)}, "client_id": {issuer.DeviceClient},
	})
	if status != http.StatusBadRequest || told["error"] != "access_denied" {
		t.Errorf("the device hears %d %v", status, told)
	}
}

// Whoever lures a browser to the callback of devices ends nobody's sign-in.
func deviceCallbackByLink(t *testing.T, h *env) {
	h.connect(nil)
	userCode, poll := h.startDevice()
	h.confirmDevice(h.browser(), userCode)
	for _, query := range []string{"error=access_denied&state=", "code=made-up&state="} {
		if end := h.browser().Get(h.Endpoint("/device/callback") + "?" + query + userCode); end.Status == http.StatusOK {
			t.Errorf("%s: %d: %s", query, end.Status, end.Text())
		}
	}
	if status, answer := poll(); answer["error"] != "authorization_pending" {
		t.Errorf("the device hears %d %v", status, answer)
	}
}

func cancelledByDevice(t *testing.T, h *env) {
	h.connect(nil)
	userCode, poll := h.startDevice()
	b := h.browser()
	end := b.Submit(h.confirmDevice(b, userCode), map[string]string{"cancel": "1"})
	if !strings.Contains(end.Text(), "not signed in") {
		t.Errorf("the browser says: %s", end.Text())
	}
	status, answer := poll()
	if status != http.StatusBadRequest || answer["error"] != "access_denied" || !strings.Contains(answer["error_description"].(string), "cancelled") {
		t.Errorf("the device hears: %d %v", status, answer)
	}
}

func deviceRefused(t *testing.T, h *env) {
	h.connect(nil)
	userCode, poll := h.startDevice()
	b := h.browser()
	question := b.Submit(b.Get(h.Endpoint("/device")), map[string]string{"user_code": userCode})
	forged := question
	forged.Body = strings.Replace(question.Body, "csrf", "other", 1)
	for _, answer := range []string{"yes", "no"} {
		if after := b.Submit(forged, map[string]string{"answer": answer}); after.URL.Path != question.URL.Path || after.Status != http.StatusOK {
			t.Errorf("a %s without the token of the form was taken: %d at %s", answer, after.Status, after.URL)
		}
	}
	if status, answer := poll(); answer["error"] != "authorization_pending" {
		t.Errorf("the device hears %d %v", status, answer)
	}
	b.Submit(question, map[string]string{"answer": "no"})
	if status, answer := poll(); status != http.StatusBadRequest || answer["error"] != "access_denied" {
		t.Errorf("the device hears: %d %v", status, answer)
	}
}

// A link that goes round the question must not sign a stranger's device in.
func deviceByLink(t *testing.T, h *env) {
	h.connect(nil)
	userCode, _ := h.startDevice()
	link := h.authURL(map[string]string{
		"client_id": issuer.DeviceClient, "redirect_uri": mustPath(t, h.Endpoint("/device/callback")), "state": userCode,
		"code_challenge": "", "code_challenge_method": "",
	})
	if end := h.browser().Get(link); !strings.HasSuffix(end.URL.Path, "/device") {
		t.Errorf("the link led to %s", end.URL)
	}
}

func mustPath(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

func deadProvider(t *testing.T, h *env) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	h.op = optest.Start(t, h.Callback())
	err := h.Registry.CreateConnector(t.Context(), registry.Operator(), h.document(map[string]any{"issuer": server.URL}))
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), server.Listener.Addr().String()) {
		t.Errorf("a connector whose provider is dead: %v", err)
	}
}

func TestAuthorize_Refused(t *testing.T) {
	h := open(t, "/dex")
	h.connect(nil)
	for name, test := range map[string]struct {
		change map[string]string
		answer string // error that the client gets, or
		page   string // what the person reads
	}{
		"no PKCE":                 {change: map[string]string{"code_challenge": "", "code_challenge_method": ""}, answer: "invalid_request"},
		"plain PKCE":              {change: map[string]string{"code_challenge_method": "plain"}, answer: "invalid_request"},
		"implicit flow":           {change: map[string]string{"response_type": "token"}, answer: "unsupported_response_type"},
		"id_token flow":           {change: map[string]string{"response_type": "id_token"}, answer: "unsupported_response_type"},
		"unknown client":          {change: map[string]string{"client_id": "nobody"}, page: "not known here"},
		"redirect to another":     {change: map[string]string{"redirect_uri": "http://evil.example.com/"}, page: "This redirect URI is not registered"},
		"redirect out of band":    {change: map[string]string{"redirect_uri": "urn:ietf:wg:oauth:2.0:oob"}, page: "This redirect URI is not registered"},
		"redirect with user info": {change: map[string]string{"redirect_uri": "http://127.0.0.1:7@evil.example.com/"}, page: "This redirect URI is not registered"},
		"redirect with https":     {change: map[string]string{"redirect_uri": "https://127.0.0.1:7/"}, page: "This redirect URI is not registered"},
		"redirect with fragment":  {change: map[string]string{"redirect_uri": loopback + "#x"}, page: "This redirect URI is not registered"},
		"pachd without secret":    {change: map[string]string{"client_id": issuer.LegacyClient}, page: "This redirect URI is not registered"},
	} {
		t.Run(name, func(t *testing.T) {
			end := h.browser().Get(h.authURL(test.change))
			if test.answer != "" {
				wantEnd(t, end, map[string]string{"error": test.answer, "state": "the-state", "iss": h.URL()})
			}
			if test.page != "" && (end.Status != http.StatusBadRequest || !strings.Contains(end.Text(), test.page)) {
				t.Errorf("got %d at %s: %s", end.Status, end.URL, end.Text())
			}
		})
	}
	if end := h.browser().Get(h.authURL(nil) + "&client_id=x"); end.Status != http.StatusBadRequest {
		t.Errorf("a parameter given twice: %d at %s", end.Status, end.URL)
	}
}

// answerOf asks the issuer, or another handler beside it, without a listener.
func answerOf(t *testing.T, h http.Handler, u string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, u, nil))
	return w
}

func TestHSTS_WhereTheIssuerIsHTTPS(t *testing.T) {
	h := open(t, "")
	if got := answerOf(t, h, h.URL()+"/auth").Header().Get("Strict-Transport-Security"); got != "" {
		t.Errorf("http: %q", got)
	}
	if err := h.SetSettings(t.Context(), registry.Operator(), settings.Settings{Issuer: "https://pach.example.com/dex"}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/dex/auth", "/dex/.well-known/openid-configuration", "/dex/nothing", "/elsewhere"} {
		if got := answerOf(t, h, "https://pach.example.com"+path).Header().Get("Strict-Transport-Security"); got != "max-age=31536000" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// Where browsers come by https, no cookie of a login goes another way.
func TestCookies_SecureWhereTheIssuerIsHTTPS(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	check := func(secure bool) {
		t.Helper()
		cookies := answerOf(t, h, strings.Replace(h.authURL(nil), "/auth?", "/auth/demo?", 1)).Result().Cookies()
		if len(cookies) == 0 {
			t.Error("the browser gets no cookie")
		}
		for _, c := range cookies {
			if c.Secure != secure || strings.HasPrefix(c.Name, "__Host-") != secure {
				t.Errorf("%s: %v", h.URL(), c)
			}
		}
	}
	check(false)
	h.setIssuer("https://pach.example.com/dex")
	check(true)
}

func TestSAMLPages_OfAnotherConnector(t *testing.T) {
	h := open(t, "")
	h.connect(nil)
	for _, id := range []string{"demo", "nosuch"} {
		if w := answerOf(t, h, h.Endpoint("/saml/"+id+"/metadata")); w.Code != http.StatusNotFound {
			t.Errorf("%s: %d", id, w.Code)
		}
	}
}

// A browser posts what a provider of another site has it post without a cookie
// of ours (SameSite=Lax), and then comes for it with one.
func TestSAMLResponse_FromAnotherSite(t *testing.T) {
	h := open(t, "")
	provider := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(provider.Close)
	h.create(registry.Connector{ID: "saml", Name: "SAML", Type: "saml", Version: 1, Config: map[string]any{
		"ssoURL": provider.URL + "/sso", "ssoIssuer": provider.URL, "caData": string(idp.NewCA(t).PEM), "usernameAttr": "uid", "emailAttr": "email",
		"redirectURI": h.Callback(),
	}})
	person, posts := h.browser(), h.browser()
	posts.Stop = func(u *url.URL) bool { return u.Query().Has("state") }
	state := person.Get(strings.Replace(h.authURL(nil), "/auth?", "/auth/saml?", 1)).URL.Query().Get("state")
	kept := posts.Post(h.Callback(), url.Values{"RelayState": {state}, "SAMLResponse": {"PHg+"}})
	if got := kept.URL.Query().Get("state"); state == "" || got != state {
		t.Fatalf("the login %q is led on to %s: %d: %s", state, kept.URL, kept.Status, kept.Text())
	}
	begun := h.browser().Post(h.Callback(), url.Values{"SAMLResponse": {"PHg+"}})
	if text := begun.Text(); begun.Status != http.StatusBadRequest || !strings.Contains(text, "did not begin here") || !strings.Contains(text, "must return RelayState") {
		t.Errorf("one that began at the provider: %d: %s", begun.Status, text)
	}
	if got := h.browser().Get(kept.URL.String()); !strings.Contains(got.Text(), "another browser") {
		t.Errorf("another browser comes for it: %d: %s", got.Status, got.Text())
	}
	if got := person.Get(kept.URL.String()).URL.Query().Get("error_description"); !strings.Contains(got, "not well-formed") {
		t.Errorf("the same browser comes for it: %s", got)
	}
}

func TestProblem_CodeAndTime(t *testing.T) {
	h := open(t, "")
	before := time.Now().UTC().Format("2006")
	if err := h.server.DB.Close(); err != nil {
		t.Fatal(err)
	}
	// An application that only the database knows.
	w := answerOf(t, h, h.authURL(map[string]string{"client_id": "dashboard"}))
	page := optest.Page{Body: w.Body.String()}.Text()
	if w.Code != http.StatusInternalServerError || !strings.Contains(page, "Code") || !strings.Contains(page, "Time") || !strings.Contains(page, before) {
		t.Errorf("%d: %s", w.Code, page)
	}
	if strings.Contains(page, "sql:") {
		t.Errorf("the cause was told: %s", page)
	}
}
