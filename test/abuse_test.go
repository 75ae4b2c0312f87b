package test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/test/idp"
)

// What an outsider may cost, in MiB.
const (
	mostMemory   = 64
	mostDatabase = 32
)

// times is how often each attack runs: make abuse says 1000.
func times(t *testing.T) int {
	t.Helper()
	text := os.Getenv("PACH_ABUSE_TIMES")
	if text == "" {
		return 200
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// siege is a pachd that strangers attack from one address of this machine,
// while people sign in from another.
type siege struct {
	*daemon
	t      *testing.T
	n      int
	client *http.Client // of the attackers, each request a browser of its own

	mu       sync.Mutex
	answers  map[string]int // by status, and refusals that did not say when to try again
	unclosed []net.Conn
}

// from is a dialer at an address of this machine, each of which is a network.
func from(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

func browserAt(tb testing.TB, address string) *http.Client {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &http.Client{
		Jar: jar, Transport: &http.Transport{DialContext: from(address).DialContext},
		CheckRedirect: func(r *http.Request, _ []*http.Request) error {
			if r.URL.Host == loopbackClient {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

const loopbackClient = "127.0.0.1:7" // where nobody listens: the browser stops before

const codeVerifier = "a-verifier-that-is-long-enough-for-rfc-7636-43"

// authorization is a valid authorization request of pachctl.
func authorization() url.Values {
	sum := sha256.Sum256([]byte(codeVerifier))
	return url.Values{
		"client_id": {"pachctl"}, "redirect_uri": {"http://" + loopbackClient + "/answer"}, "response_type": {"code"},
		"scope": {"openid email groups"}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
}

// newSiege starts pachd with the connectors demo, saml and password.
func newSiege(t *testing.T) *siege {
	t.Helper()
	// By Go's own rule for the heap: what pachd lets it grow to before it is collected
	// for the first time is not the outsider's doing (decision 39).
	d := newDaemon(t, "PACHD_ISSUER_SIGNING_ALGORITHM=ES256", "GOGC=100")
	d.start()
	s := &siege{daemon: d, t: t, n: times(t), answers: map[string]int{}}
	s.client = &http.Client{
		Transport:     &http.Transport{DialContext: from("127.0.0.1").DialContext, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	d.connect(optest.Start(t, d.callback()))
	h := &house{d, t, newTerminal(t, d)}
	h.root.run(d.rootToken(), "auth", "use-auth-token")
	for _, c := range []string{
		strings.Replace(document("saml", map[string]any{
			"ssoURL": "http://127.0.0.1:1/sso", "ssoIssuer": "http://127.0.0.1:1/", "caData": string(idp.NewCA(t).PEM), "emailAttr": "email", "usernameAttr": "uid",
		})(d), `"id":"idp"`, `"id":"saml"`, 1),
		`{"type": "mockPassword", "id": "password", "name": "Password", "version": 1, "config": {"username": "carol@example.com", "password": "the-right-one"}}`,
	} {
		if out, err := h.create(c); err != nil {
			t.Fatal(out)
		}
	}
	t.Cleanup(func() {
		for _, c := range s.unclosed {
			_ = c.Close()
		}
	})
	return s
}

// memory is what the process has resident, and had at most, in MiB.
func (s *siege) memory() (now, most float64) {
	s.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	of := func(name string) float64 {
		_, rest, _ := strings.Cut(string(data), name+":")
		kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
		if err != nil {
			s.t.Fatal(err)
		}
		return kib / 1024
	}
	return of("VmRSS"), of("VmHWM")
}

// database is how large its files are, in MiB.
func (s *siege) database() float64 {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "pachd.db*"))
	if err != nil {
		s.t.Fatal(err)
	}
	sum := int64(0)
	for _, f := range files {
		if info, err := os.Stat(f); err == nil {
			sum += info.Size()
		}
	}
	return float64(sum) / (1 << 20)
}

func (s *siege) count(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[answer]++
}

func (s *siege) tally() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for answer, n := range s.answers {
		all = append(all, fmt.Sprintf("%s: %d", answer, n))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// eight does something n times, eight at a time.
func eight(n int, do func(k int)) {
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for k := worker; k < n; k += 8 {
				do(k)
			}
		})
	}
	all.Wait()
}

// send makes a request as a browser that keeps nothing, and counts the answer.
func (s *siege) send(method, path string, query, form url.Values) answered {
	to := "http://" + s.http + path
	if query != nil {
		to += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, to, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Error(err)
		return answered{}
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return s.do(s.client, r)
}

// answered is where a request has led to, and where its answer leads on to.
type answered struct{ at, next *url.URL }

func (s *siege) do(client *http.Client, r *http.Request) answered {
	res, err := client.Do(r)
	if err != nil {
		s.count("no answer")
		return answered{}
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	status := strconv.Itoa(res.StatusCode)
	if res.StatusCode == http.StatusTooManyRequests && res.Header.Get("Retry-After") == "" {
		status += " without Retry-After"
		s.t.Error("an answer of 429 does not say when to try again")
	}
	s.count(status)
	next, err := res.Location()
	if err != nil {
		next = nil // it leads nowhere
	}
	return answered{res.Request.URL, next}
}

// dialFrom is a gRPC connection from an address.
func (s *siege) dialFrom(address string) *grpc.ClientConn {
	s.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+s.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
			return from(address).DialContext(ctx, "tcp", to)
		}))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// victim is somebody who has begun to sign in.
type victim struct {
	s       *siege
	browser *http.Client
	at      *url.URL
	page    string
	address string
}

// begin goes as far as the provider's page.
func (s *siege) begin(address string) *victim {
	s.t.Helper()
	v := &victim{s: s, browser: browserAt(s.t, address), address: address}
	q := authorization()
	q.Set("connector_id", "demo")
	var err error
	if v.at, v.page, err = open(s.t.Context(), v.browser, http.MethodGet, "http://"+s.http+"/auth?"+q.Encode(), nil); err != nil {
		s.t.Fatal(err)
	}
	return v
}

// finish signs in.
func (v *victim) finish() error {
	ctx := v.s.t.Context()
	id := loginID.FindStringSubmatch(v.page)
	if id == nil {
		return fmt.Errorf("no sign-in began: %s", v.page)
	}
	at, page, err := open(ctx, v.browser, http.MethodPost, v.at.ResolveReference(&url.URL{Path: "/login"}).String(),
		url.Values{"id": {id[1]}, "email": {optest.Alice.Email}, "password": {optest.Alice.Password}})
	if err != nil {
		return err
	}
	_, answer, err := open(ctx, v.browser, http.MethodPost, "http://"+v.s.http+"/token", url.Values{
		"grant_type": {"authorization_code"}, "client_id": {"pachctl"}, "code": {at.Query().Get("code")},
		"redirect_uri": {"http://" + loopbackClient + "/answer"}, "code_verifier": {codeVerifier},
	})
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(answer, `"id_token":"`)
	idToken, _, ok := strings.Cut(rest, `"`)
	if !ok {
		return fmt.Errorf("no ID token: %s; the page before says %s", answer, page)
	}
	_, err = authpb.NewAPIClient(v.s.dialFrom(v.address)).Authenticate(ctx, &authpb.AuthenticateRequest{IdToken: idToken})
	return err
}

// The attacks of an outsider, each as often as times says.
func attacks() map[string]func(*siege) {
	long := strings.Repeat("x", 1<<20)
	return map[string]func(*siege){
		"many small sign-ins": func(s *siege) {
			eight(s.n, func(int) { s.send(http.MethodGet, "/auth/demo", authorization(), nil) })
		},
		"state of 1 MB": func(s *siege) {
			eight(s.n, func(int) {
				form := authorization()
				form.Set("state", long)
				s.send(http.MethodPost, "/auth", nil, form)
			})
		},
		"parameters of 8 KB": func(s *siege) {
			eight(s.n, func(int) {
				form := authorization()
				for _, name := range []string{"state", "nonce", "login_hint"} {
					form.Set(name, long[:8<<10])
				}
				s.send(http.MethodGet, "/auth/demo", form, nil)
			})
		},
		"device code with a scope of 1 MB": func(s *siege) {
			eight(s.n, func(int) {
				s.send(http.MethodPost, "/device/code", nil, url.Values{"client_id": {"pachctl-device"}, "scope": {"openid " + long}})
			})
		},
		"many small device codes": func(s *siege) {
			eight(s.n, func(int) {
				s.send(http.MethodPost, "/device/code", nil, url.Values{"client_id": {"pachctl-device"}, "scope": {"openid"}})
			})
		},
		"SAMLResponse of 500 KB": func(s *siege) { eight(s.n, func(int) { s.samlResponse(long[:500<<10]) }) },
		"token requests":         func(s *siege) { eight(10*s.n, func(int) { s.tokenRequest() }) },
		"revocations": func(s *siege) {
			eight(10*s.n, func(int) {
				s.send(http.MethodPost, "/revoke", nil, url.Values{"client_id": {"pachctl"}, "token": {"pach_refresh_A_B"}})
			})
		},
		"sign-outs": func(s *siege) {
			eight(s.n, func(int) { s.send(http.MethodGet, "/logout", url.Values{"id_token_hint": {long[:8<<10]}}, nil) })
		},
		"wrong user codes":                 func(s *siege) { eight(s.n, s.userCode) },
		"wrong passwords":                  func(s *siege) { s.wrongPasswords() },
		"Authenticate with 19 MB":          func(s *siege) { s.authenticate() },
		"19 MB to one that takes no token": func(s *siege) { s.large() },
		"many waiters":                     func(s *siege) { s.waiters() },
		"half a header":                    func(s *siege) { s.open(s.http, "GET / HTTP/1.1\r\nHost: x\r\nX-Half: ") },
		"half a connection of gRPC":        func(s *siege) { s.open(s.grpc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00") },
		"never reads": func(s *siege) {
			s.open(s.http, strings.Repeat("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 2000))
		},
	}
}

func (s *siege) samlResponse(response string) {
	to := s.send(http.MethodGet, "/auth/saml", authorization(), nil).next
	if to == nil {
		return // refused, and counted
	}
	s.send(http.MethodPost, "/callback", nil, url.Values{"SAMLResponse": {response}, "RelayState": {to.Query().Get("state")}})
}

func (s *siege) tokenRequest() {
	s.send(http.MethodPost, "/token", nil, url.Values{"grant_type": {"authorization_code"}, "client_id": {"pachctl"}, "code": {"made-up"}})
}

func (s *siege) userCode(k int) {
	s.send(http.MethodPost, "/device/auth/verify_code", nil, url.Values{"user_code": {fmt.Sprintf("BCDF-%04d", k)}})
}

// wrongPasswords tries some for one account.
func (s *siege) wrongPasswords() {
	browser := browserAt(s.t, "127.0.0.1")
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.http+"/auth/password?"+authorization().Encode(), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	at := s.do(browser, r).at
	eight(s.n, func(k int) {
		body := url.Values{"login": {"carol@example.com"}, "password": {fmt.Sprintf("wrong-%d", k)}}.Encode()
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, at.String(), strings.NewReader(body))
		if err != nil {
			s.t.Error(err)
			return
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		s.do(browser, r)
	})
}

// authenticate sends 19 MB that are 19 KB on the wire.
func (s *siege) authenticate() {
	client := authpb.NewAPIClient(s.dialFrom("127.0.0.1"))
	token := strings.Repeat("x", 19<<20)
	eight(min(s.n/8, 100), func(int) { // to compress them takes longer than all else
		_, err := client.Authenticate(s.t.Context(), &authpb.AuthenticateRequest{IdToken: token}, grpc.UseCompressor(gzip.Name))
		s.count(status.Code(err).String())
	})
}

// large sends 19 MB as they are, over a connection each, since a connection ends by it.
func (s *siege) large() {
	token := strings.Repeat("x", 19<<20)
	eight(min(s.n, 100), func(int) {
		_, err := authpb.NewAPIClient(s.dialFrom("127.0.0.1")).Authenticate(s.t.Context(), &authpb.AuthenticateRequest{IdToken: token})
		s.count(status.Code(err).String())
	})
}

// waiters wait for one sign-in, on many connections.
func (s *siege) waiters() {
	start, err := authpb.NewAPIClient(s.dialFrom("127.0.0.1")).GetOIDCLogin(s.t.Context(), &authpb.GetOIDCLoginRequest{})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	refused := make(chan struct{}, 5*s.n)
	for range 5 * s.n / 100 {
		client := authpb.NewAPIClient(s.dialFrom("127.0.0.1"))
		for range 100 {
			go func() {
				_, err := client.Authenticate(ctx, &authpb.AuthenticateRequest{OidcState: start.GetState()})
				if ctx.Err() == nil {
					s.count(status.Code(err).String())
					refused <- struct{}{}
				}
			}()
		}
	}
	for range 5*s.n/100*100 - 16 { // all but those whom the limit lets wait
		<-refused
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers[codes.ResourceExhausted.String()] == 0 {
		s.t.Errorf("nobody was refused: %v", s.answers)
	}
}

// open leaves half as many connections open as times says, after some text.
func (s *siege) open(to, text string) {
	for range s.n / 2 {
		c, err := from("127.0.0.1").DialContext(s.t.Context(), "tcp", to)
		if err != nil {
			s.count("not connected")
			continue
		}
		s.unclosed = append(s.unclosed, c)
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetReadBuffer(1 << 10)
		}
		go func() { _, _ = io.WriteString(c, text) }() // ends when the connection does
		s.count("open")
	}
}

// What an outsider does costs little, and keeps nobody from signing in who has
// begun before it, in the middle of it or after it.
func TestAbuse_OutsiderCostsNothing(t *testing.T) {
	for name, attack := range attacks() {
		t.Run(name, func(t *testing.T) {
			s := newSiege(t)
			before := s.begin("127.0.0.2")
			if err := s.begin("127.0.0.3").finish(); err != nil { // and all that is made once is there
				t.Fatal(err)
			}
			memory, _ := s.memory()
			database := s.database()
			middle := make(chan *victim, 1)
			go func() { middle <- s.begin("127.0.0.2") }()
			attack(s)
			after, most := s.memory()
			grown := s.database()
			t.Logf("%s, %d times: %s; memory %.0f to %.0f MiB (at most %.0f), database %.1f to %.1f MiB",
				name, s.n, s.tally(), memory, after, most, database, grown)
			if most-memory > mostMemory {
				t.Errorf("memory grew by %.0f MiB", most-memory)
			}
			if grown-database > mostDatabase {
				t.Errorf("the database grew by %.1f MiB", grown-database)
			}
			for _, v := range []*victim{before, <-middle, s.begin("127.0.0.2")} {
				if err := v.finish(); err != nil {
					t.Errorf("a sign-in failed: %v", err)
				}
			}
		})
	}
}

// Who says half of something, or listens to nothing, is let go.
func TestAbuse_HalfAndDeafAreLetGo(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	var all sync.WaitGroup
	for name, c := range map[string]struct{ to, begin, again string }{
		"half a header":             {s.http, "GET / HTTP/1.1\r\nHost: x\r\nX-Half: ", ""},
		"half a connection of gRPC": {s.grpc, "PRI * HTTP/2.0\r\n", ""},
		"asks and never reads":      {s.http, "", "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"},
		"asks gRPC and never reads": {s.grpc, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00\x00\x04\x00\x00\x00\x00\x00"},
		"half a request body":       {s.http, "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant", ""},
	} {
		all.Go(func() {
			conn, err := from("127.0.0.1").DialContext(t.Context(), "tcp", c.to)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetReadBuffer(1 << 10)
			}
			// Who does not read is let go half a minute after all that lies in between is full.
			if err := conn.SetDeadline(time.Now().Add(3 * patience)); err != nil {
				t.Error(err)
			}
			_, err = io.WriteString(conn, c.begin)
			if c.again == "" {
				_, err = io.Copy(io.Discard, conn) // until the other end hangs up
			}
			for c.again != "" && err == nil {
				_, err = io.WriteString(conn, strings.Repeat(c.again, 1000))
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: is still there", name)
			}
		})
	}
	all.Wait()
}

var loginID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// open returns where a request has led to, and the page there.
func open(ctx context.Context, browser *http.Client, method, to string, form url.Values) (*url.URL, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := browser.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(res.Body)
	if to, err := res.Location(); err == nil {
		return to, string(page), nil
	}
	return res.Request.URL, string(page), err
}
