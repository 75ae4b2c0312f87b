package pachd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/db"
	"pachyderm/internal/issuer/device"
	"pachyderm/internal/issuer/registry"
	"pachyderm/internal/limit"
	"pachyderm/internal/pachd/pachdtest"
	"pachyderm/internal/people/login"
)

// behindProxy has the tests say who sends a request.
func behindProxy(c *config.Config) {
	c.TrustedProxies = append(c.TrustedProxies, netip.MustParsePrefix("127.0.0.1/32"))
}

// few is the least of everything.
func few(c *config.Config) {
	behindProxy(c)
	c.Limits.SignInsPerMinute, c.Limits.WrongPasswords, c.Limits.PendingSignIns = 2, 3, 20
}

// outsider sends requests from a network.
type outsider struct {
	*optest.Browser
	t       *testing.T
	s       *pachdtest.Server
	network string
}

type fromNetwork string

func (f fromNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", string(f))
	return http.DefaultTransport.RoundTrip(r)
}

func from(t *testing.T, s *pachdtest.Server, network string) outsider {
	b := optest.NewBrowser(t, func(u *url.URL) bool { return u.Host == "127.0.0.1:7" })
	b.Client.Transport = fromNetwork(network)
	return outsider{b, t, s, network}
}

func authorization() url.Values {
	return url.Values{
		"client_id": {"pachctl"}, "redirect_uri": {"http://127.0.0.1:7/answer"}, "response_type": {"code"}, "scope": {"openid email"}, "state": {"s"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
}

// withPassword connects a provider whose form is ours.
func withPassword(t *testing.T, s *pachdtest.Server) {
	t.Helper()
	err := s.Issuer.Registry.CreateConnector(t.Context(), registry.Operator(), registry.Connector{
		ID: "password", Name: "Password", Type: "mockPassword", Config: map[string]any{"username": "carol@example.com", "password": "the-right-one"},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// form is the page of a sign-in that has begun.
func (o outsider) form() optest.Page {
	o.t.Helper()
	return o.Get(o.s.HTTP + "/auth/password?" + authorization().Encode())
}

func (o outsider) password(p optest.Page, name, password string) optest.Page {
	o.t.Helper()
	return o.Submit(p, map[string]string{"login": name, "password": password})
}

// untilRefused sends requests until one is answered 429.
func untilRefused(t *testing.T, request func() *http.Request) (retryAfter, body string) {
	t.Helper()
	for range 100 {
		res, err := http.DefaultTransport.RoundTrip(request())
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusTooManyRequests {
			return res.Header.Get("Retry-After"), string(data)
		}
	}
	t.Fatal("nothing was refused")
	return "", ""
}

func TestLimits_AnswersSayWhenToTryAgain(t *testing.T) {
	s := pachdtest.Start(t, few)
	withPassword(t, s)
	send := func(method, path string, header map[string]string, body string) func() *http.Request {
		return func() *http.Request {
			r, err := http.NewRequestWithContext(t.Context(), method, s.HTTP+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range header {
				r.Header.Set(name, value)
			}
			return r
		}
	}
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	another := maps.Clone(form)
	another["X-Forwarded-For"] = "198.51.100.7"
	chunked := func() *http.Request {
		r := send(http.MethodPost, "/callback", another, "RelayState=x&SAMLResponse=x")()
		r.ContentLength = -1
		return r
	}
	for name, c := range map[string]struct {
		send func() *http.Request
		want string
	}{
		"a sign-in": {send(http.MethodGet, "/auth?"+authorization().Encode(), nil, ""), "Please wait a moment"},
		"a code":    {send(http.MethodPost, "/token", form, "grant_type=authorization_code&client_id=pachctl&code=x"), `"error":"temporarily_unavailable"`},
		"a device that polls": {
			send(http.MethodPost, "/token", form, "grant_type=urn:ietf:params:oauth:grant-type:device_code&client_id=pachctl-device&device_code=x"), `"error":"slow_down"`,
		},
		"a revocation":     {send(http.MethodPost, "/revoke", form, "client_id=pachctl&token=x"), `"error":"temporarily_unavailable"`},
		"an introspection": {send(http.MethodPost, "/introspect", form, "client_id=pachctl&token=x"), `"error":"temporarily_unavailable"`},
		"a sign-out":       {send(http.MethodGet, "/logout?id_token_hint=x", nil, ""), "Please wait a moment"},
		"a device code":    {send(http.MethodPost, "/device/code", form, "client_id=pachctl-device&scope=openid"), `"error":"temporarily_unavailable"`},
		"a user code":      {send(http.MethodPost, "/device/auth/verify_code", form, "user_code=BCDF-GHJK"), "Please wait a moment"},
		"over REST":        {send(http.MethodPost, "/api/auth_v2.API/Authenticate", nil, `{"idToken":"x"}`), `"code":8`},
		"long forms": {
			send(http.MethodPost, "/callback", form, "RelayState=x&SAMLResponse="+strings.Repeat("x", 400<<10)), "Please wait a moment",
		},
		"forms that do not say how long they are": {chunked, "Please wait a moment"},
	} {
		retryAfter, body := untilRefused(t, c.send)
		if retryAfter == "" || !strings.Contains(body, c.want) {
			t.Errorf("%s: Retry-After %q: %s", name, retryAfter, body)
		}
		if strings.HasPrefix(body, "{") && !json.Valid([]byte(body)) {
			t.Errorf("%s: %s", name, body)
		}
	}
	for name, call := range map[string]func() error{
		"GetOIDCLogin": func() error {
			_, err := s.API.Auth.GetOIDCLogin(t.Context(), &authpb.GetOIDCLoginRequest{})
			return err
		},
		"Authenticate": func() error {
			_, err := s.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: "x"})
			return err
		},
	} {
		var err error
		for range 100 {
			if err = call(); status.Code(err) == codes.ResourceExhausted {
				break
			}
		}
		var retry *errdetails.RetryInfo
		for _, d := range status.Convert(err).Details() {
			if r, ok := d.(*errdetails.RetryInfo); ok {
				retry = r
			}
		}
		if status.Code(err) != codes.ResourceExhausted || retry.GetRetryDelay().AsDuration() <= 0 {
			t.Errorf("%s: %v, again in %v", name, err, retry)
		}
	}
}

// One client of a network leaves half of its token requests to the others,
// however it says who it is (RFC 6749, 2.3.1).
func TestLimits_OfOneClient(t *testing.T) {
	for name, identify := range map[string]func(r *http.Request, form url.Values, client string){
		"in the form":             func(_ *http.Request, form url.Values, client string) { form.Set("client_id", client) },
		"by basic authentication": func(r *http.Request, _ url.Values, client string) { r.SetBasicAuth(client, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			s := pachdtest.Start(t, few)
			request := func(client string) *http.Request {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/token", nil)
				if err != nil {
					t.Fatal(err)
				}
				form := url.Values{"grant_type": {"authorization_code"}, "code": {"x"}}
				identify(r, form, client)
				body := form.Encode()
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				return r
			}
			untilRefused(t, func() *http.Request { return request("one") })
			res, err := http.DefaultTransport.RoundTrip(request("another"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = res.Body.Close() }()
			if res.StatusCode == http.StatusTooManyRequests {
				t.Error("another client of the network is refused")
			}
		})
	}
}

// Applications read JSON also where the form is not read to its end.
func TestLimits_OversizedTokenRequest(t *testing.T) {
	s := pachdtest.Start(t)
	for _, path := range []string{"/token", "/device/code", "/revoke", "/introspect"} {
		body := "client_id=pachctl&scope=" + strings.Repeat("x", 1<<20)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var said struct{ Error string }
		err = json.NewDecoder(res.Body).Decode(&said)
		_ = res.Body.Close()
		if err != nil || said.Error != "invalid_request" || res.StatusCode != http.StatusRequestEntityTooLarge || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %q, %v", path, res.StatusCode, said.Error, err)
		}
	}
}

func TestLimits_OversizedHeader(t *testing.T) {
	s := pachdtest.Start(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Long", strings.Repeat("x", 100<<10))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("100 KiB: %d", res.StatusCode)
	}
}

// A limit is one network's: what the proxies in front of pachd say of it counts.
func TestLimits_OfOneNetwork(t *testing.T) {
	s := pachdtest.Start(t, few)
	withPassword(t, s)
	for n, o := 0, from(t, s, "198.51.100.1"); o.form().Status != http.StatusTooManyRequests; n++ {
		if n > 100 {
			t.Fatal("nothing was refused")
		}
	}
	if p := from(t, s, "203.0.113.9, 198.51.100.1").form(); p.Status != http.StatusTooManyRequests {
		t.Errorf("with a claim in front of it: %d", p.Status)
	}
	if p := from(t, s, "198.51.100.2").form(); p.Status != http.StatusOK {
		t.Errorf("another network: %d: %s", p.Status, p.Text())
	}
	call := func(network string) codes.Code {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", network)
		_, err := s.API.Auth.Authenticate(ctx, &authpb.AuthenticateRequest{IdToken: "x"})
		return status.Code(err)
	}
	for n := 0; call("198.51.100.1") != codes.ResourceExhausted; n++ {
		if n > 100 {
			t.Fatal("nothing was refused over gRPC")
		}
	}
	if got := call("198.51.100.2"); got != codes.Unauthenticated {
		t.Errorf("another network over gRPC: %s", got)
	}
	rest := func(network string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/api/auth_v2.API/Authenticate", strings.NewReader(`{"idToken":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		res, err := fromNetwork(network).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if got := rest("198.51.100.1"); got != http.StatusTooManyRequests {
		t.Errorf("over REST after gRPC: %d", got)
	}
	if got := rest("198.51.100.2"); got != http.StatusUnauthorized {
		t.Errorf("another network over REST: %d", got)
	}
	strangers := pachdtest.Start(t, few, func(c *config.Config) { c.TrustedProxies = nil })
	withPassword(t, strangers)
	for n := 0; ; n++ {
		if p := from(t, strangers, fmt.Sprint("198.51.100.", n)).form(); p.Status == http.StatusTooManyRequests {
			break
		}
		if n > 100 {
			t.Fatal("whoever is no trusted proxy says who it is")
		}
	}
}

func TestLimits_Passwords(t *testing.T) {
	s := pachdtest.Start(t, behindProxy, func(c *config.Config) { c.Limits.WrongPasswords = 3 })
	withPassword(t, s)
	told := map[string]string{}
	for n, name := range []string{"carol@example.com", "nobody@example.com"} {
		o := from(t, s, fmt.Sprint("198.51.100.", n))
		p := o.form()
		for range 3 {
			if got := o.password(p, name, "wrong"); got.Status != http.StatusUnauthorized && got.Status != http.StatusOK {
				t.Fatalf("%s: %d: %s", name, got.Status, got.Text())
			}
		}
		got := o.password(p, name, "the-right-one")
		if got.Status != http.StatusTooManyRequests {
			t.Errorf("%s: %d: %s", name, got.Status, got.Text())
		}
		told[name], _, _ = strings.Cut(got.Text(), "ry again in")
	}
	if texts := slices.Compact(slices.Sorted(maps.Values(told))); len(texts) != 1 {
		t.Errorf("it tells who has an account: %q", texts)
	}
	// Carol's account is being guessed at, so that strangers wait; she does not.
	s.Limits.Delay.Total = 0
	stranger := from(t, s, "203.0.113.1")
	if got := stranger.password(stranger.form(), "carol@example.com", "the-right-one"); got.Status != http.StatusTooManyRequests {
		t.Errorf("where nobody may be delayed: %d", got.Status)
	}
	s.Limits.Delay.Total = 10
	carol := from(t, s, "203.0.113.2")
	if got := carol.password(carol.form(), "carol@example.com", "the-right-one"); got.URL.Query().Get("code") == "" {
		t.Errorf("after a delay: %s: %s", got.URL, got.Text())
	}
	s.Limits.Delay.Total = 0
	if got := carol.password(carol.form(), "Carol@example.com", "the-right-one"); got.Status == http.StatusTooManyRequests {
		t.Errorf("a browser that has signed in before is delayed: %d", got.Status)
	}
}

func TestLimits_UserCodes(t *testing.T) {
	s := pachdtest.Start(t, behindProxy, func(c *config.Config) { c.Limits.WrongPasswords = 1 })
	enter := func(network, code string) optest.Page {
		return from(t, s, network).Post(s.HTTP+"/device/auth/verify_code", url.Values{"user_code": {code}})
	}
	answer := map[string]any{}
	p := from(t, s, "203.0.113.1").Post(s.HTTP+"/device/code", url.Values{"client_id": {"pachctl-device"}, "scope": {"openid"}})
	if err := json.Unmarshal([]byte(p.Body), &answer); err != nil {
		t.Fatal(err)
	}
	code, _ := answer["user_code"].(string)
	for range 20 {
		if got := enter("198.51.100.1", code); got.Status != http.StatusOK {
			t.Fatalf("the right one: %d: %s", got.Status, got.Text())
		}
	}
	for range 5 {
		if got := enter("198.51.100.1", "BCDF-GHJK"); got.Status == http.StatusTooManyRequests {
			t.Fatalf("refused early: %s", got.Text())
		}
	}
	if got := enter("198.51.100.1", code); got.Status != http.StatusTooManyRequests {
		t.Errorf("one too many: %d", got.Status)
	}
	if got := enter("198.51.100.2", code); got.Status != http.StatusOK {
		t.Errorf("another network: %d", got.Status)
	}
}

// pending is how much each network has under way, of what it has most.
func pending(t *testing.T, s *pachdtest.Server) map[string]int {
	t.Helper()
	most := map[string]int{}
	for _, p := range []limit.Pending{s.Issuer.Pending(), device.Pending(), login.Pending()} {
		err := s.DB.View(t.Context(), func(tx *db.Tx) error {
			counts, err := p.Count(t.Context(), tx)
			for network, n := range counts {
				most[network] = max(most[network], n)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return most
}

// formAt is where a page's form leads.
func formAt(p optest.Page) (action string) {
	action, _ = p.Form()
	return action
}

func TestLimits_PendingOldestOfTheSameNetworkGoFirst(t *testing.T) {
	pachdtest.Each(t, func(t *testing.T, s *pachdtest.Server) {
		withPassword(t, s)
		victim, attacker := from(t, s, "203.0.113.1"), from(t, s, "198.51.100.1")
		begun := victim.form()
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", "203.0.113.1")
		start, err := s.API.Auth.GetOIDCLogin(ctx, &authpb.GetOIDCLoginRequest{})
		if err != nil {
			t.Fatal(err)
		}
		first := attacker.form()
		ctx = metadata.AppendToOutgoingContext(t.Context(), "x-forwarded-for", "198.51.100.1")
		for range 70 {
			attacker.form()
			attacker.Post(s.HTTP+"/device/code", url.Values{"client_id": {"pachctl-device"}, "scope": {"openid"}})
			if _, err := s.API.Auth.GetOIDCLogin(ctx, &authpb.GetOIDCLoginRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		for range 128 { // with which it is sure to be looked at once more
			s.Limits.Began(1)
		}
		for n := 0; pending(t, s)["198.51.100.1"] > 2; n++ { // until the sweeper has been there
			if n > 10000 {
				t.Fatalf("pending are %v", pending(t, s))
			}
		}
		last := attacker.form()
		if got := attacker.Get(s.HTTP + formAt(first)); got.Status != http.StatusBadRequest {
			t.Errorf("the first sign-in of the attacker: %d", got.Status)
		}
		if got := attacker.Get(s.HTTP + formAt(last)); got.Status != http.StatusOK {
			t.Errorf("the last sign-in of the attacker: %d: %s", got.Status, got.Text())
		}
		if got := victim.password(begun, "carol@example.com", "the-right-one"); got.URL.Query().Get("code") == "" {
			t.Errorf("a sign-in of another network was pushed out: %s", got.Text())
		}
		waiting, err := url.Parse(start.GetLoginUrl())
		if err != nil {
			t.Fatal(err)
		}
		back := s.HTTP + "/authorization-code/callback?error=access_denied&state=" + url.QueryEscape(waiting.Query().Get("state"))
		if got := victim.Get(back); got.Status != http.StatusForbidden { // known, and ended by this
			t.Errorf("a client of another network that waits was pushed out: %d: %s", got.Status, got.Text())
		}
	}, few, func(c *config.Config) { c.Limits.SignInsPerMinute = 600 })
}

// Dex would keep the request, and then refuse its method.
func TestLimits_SignInsBeginWithGET(t *testing.T) {
	s := pachdtest.Start(t)
	withPassword(t, s)
	o := from(t, s, "")
	if got := o.Post(s.HTTP+"/auth/password", authorization()); got.Status != http.StatusMethodNotAllowed {
		t.Errorf("%d: %s", got.Status, got.Text())
	}
	if got := pending(t, s); len(got) != 0 {
		t.Errorf("it is kept: %v", got)
	}
	if got := o.form(); got.Status != http.StatusOK || pending(t, s)["127.0.0.1"] != 1 {
		t.Errorf("GET: %d, pending %v", got.Status, pending(t, s))
	}
}
