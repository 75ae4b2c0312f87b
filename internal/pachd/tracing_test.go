package pachd_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	authpb "pachyderm/api/auth"
	"pachyderm/demo/op/optest"
	"pachyderm/internal/config"
	"pachyderm/internal/pachd/pachdtest"
)

// received is what a collector has been sent by OTLP over HTTP.
type received struct {
	mu    sync.Mutex
	spans []*tracepb.Span
	raw   []byte
}

func (c *received) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw = append(c.raw, body...)
	for _, resource := range req.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			c.spans = append(c.spans, scope.GetSpans()...)
		}
	}
}

func (c *received) named(name string) (found []*tracepb.Span) {
	for _, s := range c.spans {
		if s.GetName() == name {
			found = append(found, s)
		}
	}
	return found
}

// child is a span of that name below another.
func (c *received) child(t *testing.T, of *tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	for _, s := range c.named(name) {
		if slices.Equal(s.GetParentSpanId(), of.GetSpanId()) && slices.Equal(s.GetTraceId(), of.GetTraceId()) {
			if s.GetStartTimeUnixNano() < of.GetStartTimeUnixNano() || s.GetEndTimeUnixNano() < s.GetStartTimeUnixNano() {
				t.Errorf("%s begins before %s, or ends before it begins", name, of.GetName())
			}
			return s
		}
	}
	t.Errorf("%s has no %s below it", of.GetName(), name)
	return &tracepb.Span{}
}

// signIn is a login at a pachd that sends traces to a collector.
func signIn(t *testing.T, endpoint string, percent int) (s *pachdtest.Server, secrets []string) {
	t.Helper()
	s = pachdtest.Start(t, func(c *config.Config) { c.Tracing = config.Tracing{Endpoint: endpoint, Percent: percent} })
	p := s.Connect()
	token := idToken(t, s)
	res, err := s.API.Auth.Authenticate(t.Context(), &authpb.AuthenticateRequest{IdToken: token})
	edit(t, err)
	return s, []string{token, res.GetPachToken(), p.ClientSecret, optest.Alice.Email, optest.Alice.Password, "alice", s.RootToken}
}

func TestTracing_OneLoginIsOneTrace(t *testing.T) {
	c := &received{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	s, secrets := signIn(t, server.URL, 100)
	s.Stop() // sends what is left
	c.mu.Lock()
	defer c.mu.Unlock()
	begin := c.named("GET auth")
	if len(begin) == 0 {
		t.Fatalf("%d spans, none of them the beginning", len(c.spans))
	}
	login := hex.EncodeToString(begin[len(begin)-1].GetTraceId())
	root := map[string]*tracepb.Span{}
	for _, name := range []string{"GET auth", "GET callback", "POST token", "/auth_v2.API/Authenticate"} {
		for _, span := range c.named(name) {
			if hex.EncodeToString(span.GetTraceId()) == login {
				root[name] = span
			}
		}
		if root[name] == nil {
			t.Fatalf("%s is not in the trace of the login", name)
		}
		if name != "GET auth" && len(root[name].GetParentSpanId()) == 0 {
			t.Errorf("%s is not below another", name)
		}
	}
	asked := c.child(t, root["GET callback"], "connector callback")
	c.child(t, asked, "provider request")
	c.child(t, root["POST token"], "database update")
	if others := c.named("/identity_v2.API/CreateIDPConnector"); len(others) > 0 && hex.EncodeToString(others[0].GetTraceId()) == login {
		t.Error("another request is in the trace")
	}
	for _, text := range secrets {
		if strings.Contains(string(c.raw), text) {
			t.Errorf("the collector was told %s", text)
		}
	}
}

// A method is any word that a stranger likes, and as long.
func TestTracing_NothingThatAStrangerChose(t *testing.T) {
	c := &received{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	s := pachdtest.Start(t, func(f *config.Config) { f.Tracing = config.Tracing{Endpoint: server.URL, Percent: 100} })
	for _, chosen := range []string{"CHOSEN-METHOD", strings.Repeat("CHOSEN", 10_000)} {
		req, err := http.NewRequestWithContext(t.Context(), chosen, s.HTTP+"/chosen-path?chosen=query", strings.NewReader("chosen body"))
		edit(t, err)
		res, err := http.DefaultClient.Do(req)
		edit(t, err)
		edit(t, res.Body.Close())
	}
	s.Stop()
	if len(c.named("other other")) != 2 {
		t.Error("the requests are not traced")
	}
	if strings.Contains(strings.ToLower(string(c.raw)), "chosen") {
		t.Error("the collector was told what a stranger chose")
	}
}

// Nobody without a login decides which trace a request is a part of, and with that
// whether it is sent.
func TestTracing_OfNobodysLogin(t *testing.T) {
	c := &received{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	s := pachdtest.Start(t, func(f *config.Config) { f.Tracing = config.Tracing{Endpoint: server.URL, Percent: 100} })
	const mine, chosen = "abcdefghijklmnopqrstuvwxyz", "000000000000000000000000000000aa"
	sum := sha256.Sum256([]byte(mine))
	bound := sha256.Sum256([]byte(hex.EncodeToString(sum[:]) + "nobodys"))
	q := url.Values{"req": {"nobodys"}, "bound": {hex.EncodeToString(bound[:])}, "traceparent": {"00-" + chosen + "-00000000000000aa-00"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.HTTP+"/auth?"+q.Encode(), nil)
	edit(t, err)
	req.AddCookie(&http.Cookie{Name: "pach-login", Value: mine})
	res, err := http.DefaultClient.Do(req)
	edit(t, err)
	body, err := io.ReadAll(res.Body)
	edit(t, errors.Join(err, res.Body.Close()))
	if strings.Contains(string(body), "another browser") {
		t.Fatalf("the address is not that of this browser: %s", body)
	}
	s.Stop()
	if len(c.named("GET auth")) != 1 {
		t.Error("the request is not traced")
	}
	for _, span := range c.spans {
		if hex.EncodeToString(span.GetTraceId()) == chosen {
			t.Errorf("%s is a part of a trace that a stranger chose", span.GetName())
		}
	}
}

func TestTracing_NoneOfNone(t *testing.T) {
	c := &received{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	s, _ := signIn(t, server.URL, 0)
	s.Stop()
	if len(c.spans) > 0 {
		t.Errorf("%d spans", len(c.spans))
	}
}

func TestTracing_CollectorAway(t *testing.T) {
	s, _ := signIn(t, "http://127.0.0.1:9", 100)
	const said = "the collector does not take traces"
	for !strings.Contains(s.Log.String(), said) {
		time.Sleep(10 * time.Millisecond)
	}
	if strings.Count(s.Log.String(), said) != 1 {
		t.Errorf("it is said more than once: %s", s.Log)
	}
}
